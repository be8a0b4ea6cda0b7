//! What people do with it. Counted by the events of what has happened, so a new object is there by itself.

use super::panel::{Dashboard, Panel, Row, Unit, ask, lines, number, stack};

const EVENTS: &str = "globcrm_outbox_published_total";
const DEALS: &str = "globcrm_pipeline_deal_outcomes_total";

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "business",
        title: "GlobCRM: business",
        about: "For those who own the product: sign-ups, records, deals, imports. Numbers are of an hour, over all tenants. A counter that is new begins at its first event, which no rate shows",
        choices: Vec::new(),
        rows: vec![
            Row { title: "Customers", panels: customers() },
            Row { title: "Records", panels: records() },
            Row { title: "Deals", panels: deals() },
            Row { title: "Operations", panels: operations() },
        ],
    }
}

/// How many in an hour, by labels.
fn hourly(by: &str, counter: &str) -> String {
    format!("sum by ({by}) (increase({counter}[1h])) or on() vector(0)")
}

fn customers() -> Vec<Panel> {
    let made = |object: &str| format!(r#"{EVENTS}{{object="{object}",verb="created"}}"#);
    vec![
        number(
            "Sign-ups in a day",
            Unit::Count,
            "Organizations that were made",
            &format!("sum(increase({}[1d])) or on() vector(0)", made("tenant")),
        ),
        lines(
            "Sign-ups and users",
            Unit::Count,
            "Made within an hour",
            vec![
                ask(&format!("sum(increase({}[1h])) or on() vector(0)", made("tenant")), "organizations"),
                ask(&format!("sum(increase({}[1h])) or on() vector(0)", made("user")), "users"),
            ],
        ),
        lines(
            "Log-ins",
            Unit::Count,
            "Sessions opened by a password within an hour",
            vec![ask(r#"sum(increase(globcrm_identity_logins_total{outcome="opened"}[1h]))"#, "log-ins")],
        ),
    ]
}

fn records() -> Vec<Panel> {
    let of = |verb: &str| format!(r#"{EVENTS}{{service!="identity",verb="{verb}"}}"#);
    vec![
        stack(
            "Created",
            Unit::Count,
            "Records of each object, imports included",
            vec![ask(&hourly("object", &of("created")), "{{object}}")],
        ),
        stack(
            "Changed",
            Unit::Count,
            "Records of each object",
            vec![ask(&hourly("object", &of("updated")), "{{object}}")],
        ),
        stack(
            "Deleted",
            Unit::Count,
            "To the trash",
            vec![ask(&hourly("object", &of("deleted")), "{{object}}")],
        ),
    ]
}

fn deals() -> Vec<Panel> {
    let of = |status: &str| format!(r#"(sum(increase({DEALS}{{status="{status}"}}[1h])) or on() vector(0))"#);
    let (won, lost) = (of("won"), of("lost"));
    vec![
        lines(
            "Opened, won and lost",
            Unit::Count,
            "Deals that came to this state, by every way to write them",
            vec![ask(&hourly("status", DEALS), "{{status}}")],
        ),
        lines(
            "Won of those that ended",
            Unit::Share,
            "0 in an hour without any",
            vec![ask(&format!("{won} / ({won} + {lost} > 0) or on() vector(0)"), "won")],
        ),
    ]
}

fn operations() -> Vec<Panel> {
    let ended = r#"globcrm_operation_batch_duration_seconds_count{outcome=~"succeeded|failed"}"#;
    vec![
        stack(
            "Ended",
            Unit::Count,
            "Imports, changes of many records, undos",
            vec![ask(&hourly("service, kind, outcome", ended), "{{service}} {{kind}} {{outcome}}")],
        ),
        lines(
            "Open",
            Unit::Count,
            "Queued and running",
            vec![ask(
                "max by (service, kind, state) (globcrm_operation_open)",
                "{{service}} {{kind}} {{state}}",
            )],
        ),
    ]
}
