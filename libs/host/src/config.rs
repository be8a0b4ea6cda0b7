//! What every process is told about its life.

use std::net::SocketAddr;
use std::path::PathBuf;

use config::{Address, FilePath, Hot, Reader, Seconds, Section, checked, default};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use tls::FleetTls;
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people at a terminal.
    Text,
}

/// The settings of every process, also of one that serves no gRPC (the gateway).
#[derive(Deserialize, JsonSchema, Clone, Debug)]
pub struct LifeConfig {
    /// Where /livez, /healthz, /readyz and /metrics are served.
    #[serde(default = "on_every_address::<9090>")]
    #[schemars(with = "Address")]
    pub admin_listen: SocketAddr,
    /// How it is logged: json or text.
    #[serde(default)]
    pub log_format: LogFormat,
    /// Where traces and metrics are sent by OTLP over gRPC, like http://collector:4317.
    // Nothing is sent without it.
    #[serde(default, deserialize_with = "plain_http")]
    #[schemars(extend("errorMessage" = "must be an http:// address with a host and a port"))]
    pub otlp_endpoint: Option<String>,
    /// How long a stopping process waits for work in flight.
    #[serde(default = "default::seconds::<25>")]
    pub shutdown_grace: Seconds,
    /// File of variables, one NAME=value a line, which count before those of the environment; it is looked at every five seconds, and what
    /// may change while the process runs is read again.
    #[schemars(with = "Option<FilePath>")]
    pub reload_file: Option<PathBuf>,
    /// What is logged and traced.
    #[serde(skip)]
    pub telemetry: Hot<TelemetryConfig>,
    /// What services show each other.
    #[serde(skip)]
    pub tls: Hot<FleetTls>,
}

/// What is logged and traced; it may change while the process runs.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(default)]
pub struct TelemetryConfig {
    /// What is logged: a list of target=level.
    #[serde(deserialize_with = "log_filter")]
    #[schemars(extend("errorMessage" = "must be a list of target=level, like info,globcrm_records=debug"))]
    pub log: String,
    /// Of 1,000 traces that begin here, how many are sent; of those that begin elsewhere, all that their beginner sends.
    #[schemars(range(max = 1_000))]
    pub traces_of_thousand: u16,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { log: "info".to_owned(), traces_of_thousand: 1_000 }
    }
}

impl Section for TelemetryConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group()
    }
}

/// How a process serves gRPC.
#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
pub struct GrpcConfig {
    /// Where gRPC is served.
    #[serde(rename = "grpc_listen", default = "on_every_address::<50051>")]
    #[schemars(with = "Address")]
    pub listen: SocketAddr,
    /// After this time a gRPC connection is exchanged for a new one, so that new instances get their share.
    // Give or take a tenth.
    #[serde(default = "default::seconds::<300>")]
    pub connection_age: Seconds,
    /// Answer gRPC reflection, for development: it needs no credentials.
    #[serde(rename = "grpc_reflection", default)]
    pub reflection: bool,
}

/// The settings of a process that serves gRPC: every role but the gateway, which reads a [`LifeConfig`] and its own address.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// How it serves gRPC.
    pub grpc: GrpcConfig,
    /// Everything else.
    pub life: LifeConfig,
}

impl Section for LifeConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let (own, telemetry, tls): (Option<Self>, _, _) = (r.group(), r.hot(), r.watched());
        Some(Self { telemetry: telemetry?, tls: tls?, ..own? })
    }
}

impl Section for HostConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let (grpc, life) = (r.group(), LifeConfig::read(r));
        Some(Self { grpc: grpc?, life: life? })
    }
}

fn on_every_address<const PORT: u16>() -> SocketAddr {
    ([0, 0, 0, 0], PORT).into()
}

fn log_filter<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    checked(d, |filter: &String| EnvFilter::builder().parse(filter).is_ok())
}

/// A name without a scheme would be taken for https, and the answer would be a silent retry for ever.
fn plain_http<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    checked(d, |endpoint: &String| is_plain_http(endpoint)).map(Some)
}

fn is_plain_http(endpoint: &str) -> bool {
    endpoint.parse::<::http::Uri>().is_ok_and(|u| u.scheme_str() == Some("http") && u.port().is_some())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use ::config::{Env, describe, load};

    #[test]
    fn defaults_are_enough() {
        let config: HostConfig = load(&Env::default(), "RECORDS").unwrap();
        assert_eq!(config.grpc.listen.port(), 50051);
        assert_eq!(
            (config.life.telemetry.get().log.as_str(), config.life.log_format),
            ("info", LogFormat::Json)
        );
        assert_eq!(
            (config.life.otlp_endpoint, config.life.shutdown_grace.0),
            (None, Duration::from_secs(25))
        );
        assert_eq!((config.grpc.connection_age.0, config.grpc.reflection), (Duration::from_secs(300), false));
        assert_eq!(describe::<HostConfig>("RECORDS").len(), 14);
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
        // By the variable that gave it, here the fleet's.
        for name in ["RECORDS_LOG ", "RECORDS_LOG_FORMAT", "FLEET_OTLP_ENDPOINT"] {
            assert!(problems.contains(name), "{problems}");
        }
    }
}
