//! Who is busy. Tenants have names here when the gateway is told to name some (`GLOBCRM_GATEWAY_NAMED_TENANTS`); without it all are `other`.

use super::panel::{Dashboard, Panel, Row, Unit, ask, lines, number, rate, rate_or_none, stack};

const REQUESTS: &str = "globcrm_gateway_tenant_requests_total";

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "tenants",
        title: "GlobCRM: tenants",
        about: "For those who look for the one that is busy. GLOBCRM_GATEWAY_NAMED_TENANTS says how many have a name; the rest is `other`",
        choices: Vec::new(),
        rows: vec![
            Row { title: "Who is busy", panels: busy() },
            Row { title: "Who meets bounds", panels: bounds() },
        ],
    }
}

fn busiest(counter: &str) -> Vec<super::panel::Query> {
    vec![ask(&format!("topk(20, {})", rate("tenant_id", counter)), "{{tenant_id}}")]
}

fn busy() -> Vec<Panel> {
    let named = format!(r#"{REQUESTS}{{tenant_id!="other"}}"#);
    vec![
        stack("Requests", Unit::PerSecond, "The twenty busiest, over all gateways", busiest(REQUESTS)),
        stack(
            "Time of their requests",
            Unit::Seconds,
            "Seconds of waiting for answers in a second: how many are in work at once, on the average",
            busiest("globcrm_gateway_tenant_time_seconds_total"),
        ),
        lines(
            "Share of the busiest",
            Unit::Share,
            "Of all requests of tenants. Near 1 with many tenants: one of them crowds the others",
            vec![ask(
                &format!(
                    "(max(sum by (tenant_id) (rate({named}[$__rate_interval]))) or on() vector(0)) / sum(rate({REQUESTS}[$__rate_interval]))"
                ),
                "share",
            )],
        ),
        number(
            "Tenants with a name",
            Unit::Count,
            "At most NAMED_TENANTS a gateway; the busiest of the moment",
            &format!("count(count by (tenant_id) ({named})) or on() vector(0)"),
        ),
    ]
}

fn bounds() -> Vec<Panel> {
    let of = |outcome: &str| format!(r#"{REQUESTS}{{outcome="{outcome}"}}"#);
    vec![
        lines(
            "Refused",
            Unit::PerSecond,
            "4xx, such as 429: rate limits, places, shares, quotas",
            busiest(&of("refused")),
        ),
        lines("Failed", Unit::PerSecond, "5xx", busiest(&of("failed"))),
        lines(
            "Refused for the share of connections",
            Unit::PerSecond,
            "By the database's role; the log of slow calls names the tenant",
            vec![ask(&rate_or_none("role", "globcrm_db_tenant_busy_total"), "{{role}}")],
        ),
    ]
}
