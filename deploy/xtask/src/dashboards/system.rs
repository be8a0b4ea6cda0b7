//! The whole at one look: is anything wrong, and where.

use super::panel::{
    Dashboard, Panel, Row, Unit, ask, by_service, lines, number, percentiles, rate, rate_or_none, stack,
};

const REQUESTS: &str = "http_server_request_duration_seconds_count";
const CALLS: &str = "rpc_server_call_duration_seconds_count";

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "system",
        title: "GlobCRM: system",
        about: "For those on duty: what clients see, which service is not well, what waits",
        choices: Vec::new(),
        rows: vec![
            Row { title: "What clients see", panels: clients() },
            Row { title: "Services", panels: services() },
            Row { title: "What waits", panels: waiting() },
            Row { title: "Security", panels: security() },
        ],
    }
}

fn clients() -> Vec<Panel> {
    let failing = format!(
        r#"(sum(rate({REQUESTS}{{error_type=~"5.."}}[$__rate_interval])) or on() vector(0)) / sum(rate({REQUESTS}[$__rate_interval]))"#
    );
    let burnt = |kind: &str, budget: &str| {
        [("1h", "one hour"), ("6h", "six hours"), ("3d", "three days")].map(|(window, legend)| {
            ask(&format!("globcrm:requests:{kind}_ratio_{window} / {budget}"), legend)
        })
    };
    vec![
        stack(
            "Requests by status",
            Unit::PerSecond,
            "What the gateway answers. Without a status: clients that went away",
            vec![ask(&rate("http_response_status_code", REQUESTS), "{{http_response_status_code}}")],
        ),
        lines("Share of 5xx", Unit::Share, "The objective leaves room for 0.1 %", vec![ask(&failing, "5xx")]),
        lines(
            "Time to answer",
            Unit::Seconds,
            "From the head of a request to the head of its answer",
            percentiles("http_server_request_duration_seconds", ""),
        ),
        lines(
            "Budget of failures, times too fast",
            Unit::Count,
            "1: what the objective leaves (0.1 %) is just used up. Needs the rules of the chart (metrics.rules.enabled)",
            burnt("failed", "0.001").into(),
        ),
        lines(
            "Budget of slow answers, times too fast",
            Unit::Count,
            "1: what the objective leaves (1 % over half a second) is just used up. Needs the rules of the chart",
            burnt("slow", "0.01").into(),
        ),
        number(
            "Alerts",
            Unit::Count,
            "Those of GlobCRM that fire now",
            r#"count(ALERTS{alertname=~"Globcrm.+",alertstate="firing"}) or on() vector(0)"#,
        ),
        lines(
            "Requests in work",
            Unit::Count,
            "Growing: something behind the gateway is slow",
            vec![ask(
                "sum by (http_request_method) (http_server_active_requests)",
                "{{http_request_method}}",
            )],
        ),
        lines(
            "Held of the gateway's bounds",
            Unit::Count,
            "By kind, summed over gateways; the bounds are settings (MAX_IN_FLIGHT, MAX_TRANSFERS)",
            vec![ask("sum by (kind) (globcrm_gateway_held)", "{{kind}}")],
        ),
    ]
}

fn services() -> Vec<Panel> {
    let calls = by_service(&format!("rate({CALLS}[$__rate_interval])"));
    let faults = by_service(&format!(r#"rate({CALLS}{{error_type!=""}}[$__rate_interval])"#));
    let buckets = by_service("rate(rpc_server_call_duration_seconds_bucket[$__rate_interval])");
    vec![
        lines(
            "Instances",
            Unit::Count,
            "Processes that Prometheus reaches",
            vec![ask(
                r#"count by (service_name) (target_info{service_namespace="globcrm"})"#,
                "{{service_name}}",
            )],
        ),
        stack(
            "Calls",
            Unit::PerSecond,
            "As each service sees them",
            vec![ask(&format!("sum by (service) ({calls})"), "{{service}}")],
        ),
        lines(
            "Failed calls",
            Unit::PerSecond,
            "By the fault of the server, not of the caller",
            vec![ask(&format!("sum by (service) ({faults}) or on() vector(0)"), "{{service}}")],
        ),
        lines(
            "Time of calls, 99 %",
            Unit::Seconds,
            "As each service sees them",
            vec![ask(&format!("histogram_quantile(0.99, sum by (service, le) ({buckets}))"), "{{service}}")],
        ),
        lines(
            "Calls refused for too many at once",
            Unit::PerSecond,
            "More than 0 for long: add instances",
            vec![ask(&rate_or_none("instance", "globcrm_rpc_server_shed_total"), "{{instance}}")],
        ),
        lines(
            "Restarts of tasks",
            Unit::PerSecond,
            "Each is a defect or a store that was away; its log line says which",
            vec![ask(&rate("task", "globcrm_task_restarts_total"), "{{task}}")],
        ),
    ]
}

fn waiting() -> Vec<Panel> {
    let used = r#"max by (db_client_connection_pool_name) (db_client_connection_count{db_client_connection_state="used"})"#;
    vec![
        lines(
            "Connections in use, share of the pool",
            Unit::Share,
            "The fullest instance of each pool. 1 for long: slow statements, or a pool that is too small",
            vec![ask(
                &format!("{used} / max by (db_client_connection_pool_name) (db_client_connection_max)"),
                "{{db_client_connection_pool_name}}",
            )],
        ),
        lines(
            "Events that are not sent, age of the oldest",
            Unit::Seconds,
            "Over a minute in the interactive lane: look at the broker",
            vec![ask("max by (service, lane) (globcrm_outbox_unsent_age_seconds)", "{{service}} {{lane}}")],
        ),
        lines(
            "Events that are parked or given up",
            Unit::Count,
            "Given up: each holds up its record until somebody decides",
            vec![
                ask(
                    "sum by (consumer) (max by (service, consumer) (globcrm_inbox_parked)) or on() vector(0)",
                    "parked {{consumer}}",
                ),
                ask(
                    "sum by (consumer) (max by (service, consumer) (globcrm_inbox_dead)) or on() vector(0)",
                    "given up {{consumer}}",
                ),
            ],
        ),
        lines(
            "Operations that wait, age of the oldest",
            Unit::Seconds,
            "Over 10 minutes: nobody takes them up",
            vec![ask(
                r#"max by (service, kind) (globcrm_operation_open_age_seconds{state="queued"})"#,
                "{{service}} {{kind}}",
            )],
        ),
        lines(
            "Jobs, time since their last success",
            Unit::Seconds,
            "Over half an hour: its log lines say why",
            vec![ask("time() - max by (job) (globcrm_job_last_success_seconds)", "{{job}}")],
        ),
    ]
}

fn security() -> Vec<Panel> {
    vec![
        stack(
            "Log-ins by outcome",
            Unit::PerSecond,
            "`slowed`: with this failure an account began to wait where its user is not known",
            vec![ask(&rate("outcome", "globcrm_identity_logins_total"), "{{outcome}}")],
        ),
        lines(
            "Asked for more power than they have",
            Unit::PerSecond,
            "All of it was refused; the reason says what was asked for",
            vec![ask(&rate("reason", "globcrm_identity_powers_exceeded_total"), "{{reason}}")],
        ),
        lines(
            "Calls without permission",
            Unit::PerSecond,
            "A role that lacks something, or somebody who tries",
            vec![ask(
                &rate_or_none("rpc_method", &format!(r#"{CALLS}{{rpc_status_code="PERMISSION_DENIED"}}"#)),
                "{{rpc_method}}",
            )],
        ),
    ]
}
