//! What every process is told about its life.

use std::net::SocketAddr;
use std::time::Duration;

use config::{Reader, Seconds, Section};
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people at a terminal.
    Text,
}

/// The settings of every process, also of one that serves no gRPC (the gateway).
#[derive(Clone, Debug)]
pub struct LifeConfig {
    /// Where liveness, readiness and metrics are served.
    pub admin_listen: SocketAddr,
    /// What is logged: a list of `target=level`, e.g. `info,globcrm_records=debug`.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Where traces and metrics are sent by OTLP over gRPC; nothing is sent without it.
    pub otlp_endpoint: Option<String>,
    /// How long a stopping process waits for work in flight.
    pub shutdown_grace: Duration,
}

/// The settings of a process that serves gRPC: every role but the gateway, which reads a [`LifeConfig`] and its own address.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Where gRPC is served.
    pub grpc_listen: SocketAddr,
    /// The age (give or take a tenth) at which a connection is asked to go.
    pub connection_age: Duration,
    /// Whether the contract can be asked for by gRPC reflection.
    pub reflection: bool,
    /// Everything else.
    pub life: LifeConfig,
}

impl Section for LifeConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let admin_listen = r.with_default(
            "ADMIN_LISTEN",
            "0.0.0.0:9090",
            "Where /livez, /healthz, /readyz and /metrics are served",
        );
        let log: Option<String> = r.with_default("LOG", "info", "What is logged: a list of target=level");
        let log_format: Option<String> =
            r.with_default("LOG_FORMAT", "json", "How it is logged: json or text");
        let otlp_endpoint: Option<Option<String>> = r.optional(
            "OTLP_ENDPOINT",
            "Where traces and metrics are sent by OTLP over gRPC, like http://collector:4317",
        );
        let shutdown_grace: Option<Seconds> =
            r.with_default("SHUTDOWN_GRACE", "25", "How long a stopping process waits for work in flight");
        if let Some(Err(_)) = log.as_ref().map(|l| EnvFilter::builder().parse(l)) {
            r.refuse("LOG", "must be a list of target=level, like info,globcrm_records=debug");
        }
        let log_format = match log_format.as_deref() {
            Some("json") => Some(LogFormat::Json),
            Some("text") => Some(LogFormat::Text),
            Some(_) => {
                r.refuse("LOG_FORMAT", "must be json or text");
                None
            }
            None => None,
        };
        if let Some(Some(endpoint)) = &otlp_endpoint
            && !is_plain_http(endpoint)
        {
            // A name without a scheme would be taken for https, and the answer would be a silent retry for ever.
            r.refuse("OTLP_ENDPOINT", "must be an http:// address with a host and a port");
        }
        Some(Self {
            admin_listen: admin_listen?,
            log: log?,
            log_format: log_format?,
            otlp_endpoint: otlp_endpoint?,
            shutdown_grace: shutdown_grace?.0,
        })
    }
}

impl Section for HostConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let grpc_listen = r.with_default("GRPC_LISTEN", "0.0.0.0:50051", "Where gRPC is served");
        let connection_age: Option<Seconds> = r.with_default(
            "CONNECTION_AGE",
            "300",
            "After this time a gRPC connection is exchanged for a new one, so that new instances get their share",
        );
        let reflection = r.with_default(
            "GRPC_REFLECTION",
            "false",
            "Answer gRPC reflection, for development: it needs no credentials",
        );
        let life = LifeConfig::read(r);
        Some(Self {
            grpc_listen: grpc_listen?,
            connection_age: connection_age?.0,
            reflection: reflection?,
            life: life?,
        })
    }
}

fn is_plain_http(endpoint: &str) -> bool {
    endpoint.parse::<::http::Uri>().is_ok_and(|u| u.scheme_str() == Some("http") && u.port().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::config::{Env, describe, load};

    #[test]
    fn defaults_are_enough() {
        let config: HostConfig = load(&Env::default(), "RECORDS").unwrap();
        assert_eq!(config.grpc_listen.port(), 50051);
        assert_eq!((config.life.log.as_str(), config.life.log_format), ("info", LogFormat::Json));
        assert_eq!((config.life.otlp_endpoint, config.life.shutdown_grace), (None, Duration::from_secs(25)));
        assert_eq!((config.connection_age, config.reflection), (Duration::from_secs(300), false));
        assert_eq!(describe::<HostConfig>("RECORDS").len(), 8);
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let env: Env = [
            ("GLOBCRM_RECORDS_LOG", "records=loud"),
            ("GLOBCRM_RECORDS_LOG_FORMAT", "xml"),
            ("GLOBCRM_FLEET_OTLP_ENDPOINT", "collector:4317"),
        ]
        .into_iter()
        .collect();
        let problems = load::<HostConfig>(&env, "RECORDS").unwrap_err().to_string();
        for name in ["RECORDS_LOG ", "RECORDS_LOG_FORMAT", "RECORDS_OTLP_ENDPOINT"] {
            assert!(problems.contains(name), "{problems}");
        }
    }
}
