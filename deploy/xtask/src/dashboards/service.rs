//! One service: rate, errors and duration of its calls; use, saturation and errors of its pools, operations and jobs.

use super::panel::{
    Choice, Dashboard, Panel, Row, Unit, ask, lines, percentiles, quantile, rate, rate_or_none, stack,
};

/// The calls of the chosen service.
const CALLED: &str = r#"rpc_method=~"globcrm[.]$service[.].+""#;
/// Its pools.
const POOL: &str = r#"db_client_connection_pool_name=~"$service-.+""#;
const ROLE: &str = r#"role=~"$service-.+""#;
/// Its jobs are called after it.
const JOB: &str = r#"job=~"$service[.].+""#;
/// The chosen routes.
const ROUTE: &str = r#"http_route=~"$route""#;

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "service",
        title: "GlobCRM: service",
        about: "For those who look for a cause: one service and what it works with, and the routes of the gateway",
        choices: vec![
            Choice {
                name: "service",
                label: "Service",
                query: "label_values(rpc_server_call_duration_seconds_count, rpc_method)",
                part: "/globcrm[.]([a-z_]+)[.]/",
                several: false,
            },
            Choice {
                name: "route",
                label: "Route",
                query: "label_values(http_server_request_duration_seconds_count, http_route)",
                part: "",
                several: true,
            },
        ],
        rows: vec![
            Row { title: "Calls of $service", panels: calls() },
            Row { title: "Database of $service", panels: database() },
            Row { title: "Jobs and operations of $service", panels: work() },
            Row { title: "Routes of the gateway", panels: routes() },
        ],
    }
}

fn calls() -> Vec<Panel> {
    let counted = format!("rpc_server_call_duration_seconds_count{{{CALLED}}}");
    let faults = format!(r#"rpc_server_call_duration_seconds_count{{{CALLED},error_type!=""}}"#);
    vec![
        stack(
            "Calls by method",
            Unit::PerSecond,
            "As the service sees them",
            vec![ask(&rate("rpc_method", &counted), "{{rpc_method}}")],
        ),
        stack(
            "Calls by status",
            Unit::PerSecond,
            "OK, refusals and faults",
            vec![ask(&rate("rpc_status_code", &counted), "{{rpc_status_code}}")],
        ),
        lines(
            "Failed calls",
            Unit::PerSecond,
            "By the fault of the server",
            vec![ask(&rate_or_none("rpc_method, error_type", &faults), "{{rpc_method}} {{error_type}}")],
        ),
        lines(
            "Time of calls",
            Unit::Seconds,
            "As the service sees them",
            percentiles("rpc_server_call_duration_seconds", CALLED),
        ),
        lines(
            "Time of calls by method, 99 %",
            Unit::Seconds,
            "The slowest ten",
            vec![ask(
                &format!(
                    "topk(10, {})",
                    quantile("0.99", "rpc_method, ", "rpc_server_call_duration_seconds", CALLED)
                ),
                "{{rpc_method}}",
            )],
        ),
        lines(
            "Time of calls as callers see them",
            Unit::Seconds,
            "Retries included. Longer than the service's own: the network, or a full queue",
            percentiles("rpc_client_call_duration_seconds", CALLED),
        ),
    ]
}

fn database() -> Vec<Panel> {
    let used = format!(r#"db_client_connection_count{{{POOL},db_client_connection_state="used"}}"#);
    vec![
        lines(
            "Connections in use and at most",
            Unit::Count,
            "Summed over instances",
            vec![
                ask(
                    &format!("sum by (db_client_connection_pool_name) ({used})"),
                    "{{db_client_connection_pool_name}}",
                ),
                ask(
                    &format!("sum by (db_client_connection_pool_name) (db_client_connection_max{{{POOL}}})"),
                    "{{db_client_connection_pool_name}} at most",
                ),
            ],
        ),
        lines(
            "Who waits for a connection",
            Unit::Count,
            "Above 0 for long: slow statements, or a pool that is too small",
            vec![ask(
                &format!(
                    "sum by (db_client_connection_pool_name) (db_client_connection_pending_requests{{{POOL}}})"
                ),
                "{{db_client_connection_pool_name}}",
            )],
        ),
        lines(
            "Time until there is a connection",
            Unit::Seconds,
            "0 where one was free",
            percentiles("db_client_connection_wait_time_seconds", POOL),
        ),
        lines(
            "Callers without a connection in time",
            Unit::PerSecond,
            "They got 503",
            vec![ask(
                &rate(
                    "db_client_connection_pool_name",
                    &format!("db_client_connection_timeouts_total{{{POOL}}}"),
                ),
                "{{db_client_connection_pool_name}}",
            )],
        ),
        lines(
            "Time of transactions, 99 %",
            Unit::Seconds,
            "By how they ended; many `dropped`: clients give up",
            vec![ask(
                &quantile("0.99", "role, outcome, ", "globcrm_db_transaction_duration_seconds", ROLE),
                "{{role}} {{outcome}}",
            )],
        ),
        lines(
            "Calls refused for their tenant's share",
            Unit::PerSecond,
            "One tenant does too much at once; the log of slow calls names it",
            vec![ask(&rate_or_none("role", &format!("globcrm_db_tenant_busy_total{{{ROLE}}}")), "{{role}}")],
        ),
    ]
}

fn work() -> Vec<Panel> {
    let rounds = format!("globcrm_job_round_duration_seconds_count{{{JOB}}}");
    vec![
        lines(
            "Rounds of jobs",
            Unit::PerSecond,
            "By how they ended",
            vec![ask(&rate_or_none("job, outcome", &rounds), "{{job}} {{outcome}}")],
        ),
        lines(
            "Jobs, time since their last success",
            Unit::Seconds,
            "They rest at most 10 minutes",
            vec![ask(
                &format!(
                    "time() - max by (job) (globcrm_job_last_success_seconds{{{JOB}}}) or on() vector(0)"
                ),
                "{{job}}",
            )],
        ),
        lines(
            "Open operations",
            Unit::Count,
            "Queued and running. 0 for a service without any",
            vec![ask(
                r#"max by (kind, state) (globcrm_operation_open{service="$service"}) or on() vector(0)"#,
                "{{kind}} {{state}}",
            )],
        ),
        lines(
            "Batches of operations",
            Unit::PerSecond,
            "By how they ended; `later` is tried again, and its log line says why",
            vec![ask(
                &rate_or_none(
                    "kind, outcome",
                    r#"globcrm_operation_batch_duration_seconds_count{service="$service"}"#,
                ),
                "{{kind}} {{outcome}}",
            )],
        ),
    ]
}

fn routes() -> Vec<Panel> {
    let counted = format!("http_server_request_duration_seconds_count{{{ROUTE}}}");
    let failed = format!(r#"http_server_request_duration_seconds_count{{{ROUTE},error_type=~"5.."}}"#);
    vec![
        stack(
            "Requests by route",
            Unit::PerSecond,
            "The twenty with the most",
            vec![ask(
                &format!("topk(20, {})", rate("http_request_method, http_route", &counted)),
                "{{http_request_method}} {{http_route}}",
            )],
        ),
        lines(
            "5xx by route",
            Unit::PerSecond,
            "Which call failed is above, by its method",
            vec![ask(
                &rate_or_none("http_request_method, http_route", &failed),
                "{{http_request_method}} {{http_route}}",
            )],
        ),
        lines(
            "Time to answer by route, 99 %",
            Unit::Seconds,
            "The slowest twenty",
            vec![ask(
                &format!(
                    "topk(20, {})",
                    quantile(
                        "0.99",
                        "http_request_method, http_route, ",
                        "http_server_request_duration_seconds",
                        ROUTE
                    )
                ),
                "{{http_request_method}} {{http_route}}",
            )],
        ),
    ]
}
