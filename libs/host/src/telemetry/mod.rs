//! Logs, traces and metrics of a process: set up once, flushed at its end.

mod json;
mod sampling;

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{RetryPolicy, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use prometheus::{Encoder, Registry, TextEncoder};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::{LifeConfig, LogFormat, ServeError};
use json::JsonLog;
use sampling::Share;

/// Bucket bounds of durations, in seconds (semantic conventions for RPC).
pub const DURATION_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// How long one export may take, and how long the end of the process waits for the last one.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// Keeps telemetry alive; flushes it when dropped, for at most about three seconds.
#[must_use = "telemetry ends when this is dropped"]
pub struct Guard {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

/// Sets up telemetry of a process that serves `services` (several in `globcrm all`). Once per process, inside a runtime.
///
/// Trace ids are made and passed on even when nothing is exported, so that logs of several services can be joined.
pub fn init(services: &[&str], config: &LifeConfig) -> Result<Guard, ServeError> {
    let name = match services {
        [one] => format!("globcrm-{one}"),
        _ => "globcrm".to_owned(),
    };
    let resource = Resource::builder()
        .with_service_name(name.clone())
        .with_attribute(KeyValue::new("service.namespace", "globcrm"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let traces = traces(config, resource.clone())?;
    let metrics = metrics(config, resource)?;
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    opentelemetry::global::set_meter_provider(metrics.clone());

    let parse = |filter: &str| EnvFilter::builder().parse(filter);
    let filter = parse(&config.telemetry.get().log).map_err(|e| ServeError::Telemetry(e.into()))?;
    let (filter, handle) = tracing_subscriber::reload::Layer::new(filter);
    config.telemetry.follow(move |telemetry| {
        // Settings are checked before they are in force, and the subscriber lives as long as the process.
        let changed = parse(&telemetry.log)
            .map_err(|e| e.to_string())
            .and_then(|filter| handle.reload(filter).map_err(|e| e.to_string()));
        if let Err(error) = changed {
            tracing::warn!(error, "the log filter has not changed");
        }
    });
    let log = match config.log_format {
        LogFormat::Json => JsonLog::new(name, std::io::stdout).with_filter(filter).boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer().with_target(true).with_filter(filter).boxed(),
    };
    // Spans are made whatever the log level, so that LOG=warn does not end tracing; those of the transport say nothing.
    let spans = Targets::new().with_default(LevelFilter::INFO).with_targets(
        ["h2", "hyper", "hyper_util", "tonic", "tower", "lapin"].map(|t| (t, LevelFilter::OFF)),
    );
    // What is left out costs a clock or a lock at every poll of every span, and says nothing of a request: threads change,
    // and nothing here asks for OpenTelemetry's own current context.
    let tracer = tracing_opentelemetry::layer()
        .with_tracer(traces.tracer("globcrm"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(spans);
    tracing_subscriber::registry()
        .with(tracer)
        .with(log)
        .try_init()
        .map_err(|e| ServeError::Telemetry(e.into()))?;
    Ok(Guard { traces, metrics })
}

fn traces(config: &LifeConfig, resource: Resource) -> Result<SdkTracerProvider, ServeError> {
    let builder = SdkTracerProvider::builder().with_resource(resource);
    // Ids are made either way; only what is exported is also written down.
    let Some(endpoint) = &config.otlp_endpoint else {
        let none = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
        return Ok(builder.with_sampler(none).build());
    };
    let builder = builder.with_sampler(Sampler::ParentBased(Box::new(Share::of(&config.telemetry))));
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .with_retry_policy(RetryPolicy::recommended())
        .build()
        .map_err(|e| ServeError::Telemetry(e.into()))?;
    Ok(builder.with_batch_exporter(exporter).build())
}

fn metrics(config: &LifeConfig, resource: Resource) -> Result<SdkMeterProvider, ServeError> {
    let prometheus = opentelemetry_prometheus::exporter()
        .with_registry(registry().clone())
        .build()
        .map_err(|e| ServeError::Telemetry(e.into()))?;
    let builder = SdkMeterProvider::builder().with_resource(resource).with_reader(prometheus);
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(builder.build()) };
    let exporter = opentelemetry_otlp::MetricExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .with_retry_policy(RetryPolicy::recommended())
        .build()
        .map_err(|e| ServeError::Telemetry(e.into()))?;
    Ok(builder.with_periodic_exporter(exporter).build())
}

/// One per process, as telemetry is: several services in one process show the same page.
fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::new)
}

/// All metrics in the Prometheus text format.
pub(crate) fn prometheus_text() -> Result<String, prometheus::Error> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry().gather(), &mut text)?;
    String::from_utf8(text).map_err(|e| prometheus::Error::Msg(e.to_string()))
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (traces, metrics) = (self.traces.clone(), self.metrics.clone());
        let (done, flushed) = std::sync::mpsc::sync_channel(1);
        // On a thread of its own: the exporter's bound is per attempt, and a runtime thread must not hang on the collector.
        let flush = std::thread::Builder::new().name("telemetry-flush".to_owned()).spawn(move || {
            let results =
                [traces.shutdown_with_timeout(EXPORT_TIMEOUT), metrics.shutdown_with_timeout(EXPORT_TIMEOUT)];
            drop(done.send(results));
        });
        let result = match flush {
            Ok(_) => {
                flushed.recv_timeout(EXPORT_TIMEOUT + Duration::from_millis(500)).map_err(|e| e.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match result {
            Ok(results) => {
                for error in results.into_iter().filter_map(Result::err) {
                    tracing::warn!(error = %error::chain(&error), "the last telemetry was not sent");
                }
            }
            Err(error) => tracing::warn!(error, "the last telemetry was not sent"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(otlp_endpoint: Option<&str>) -> LifeConfig {
        LifeConfig {
            admin_listen: ([127, 0, 0, 1], 0).into(),
            log_format: LogFormat::Json,
            otlp_endpoint: otlp_endpoint.map(str::to_owned),
            shutdown_grace: ::config::Seconds(Duration::from_secs(1)),
            reload_file: None,
            telemetry: ::config::Hot::new(crate::TelemetryConfig {
                log: "off".to_owned(),
                ..Default::default()
            }),
            tls: ::config::Hot::default(),
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn metrics_are_shown_and_a_dead_collector_holds_up_nothing() {
        // A port nobody listens on: bound, then given back.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = config(Some(&format!("http://127.0.0.1:{port}")));
        let guard = init(&["test"], &config).unwrap();
        let histogram = opentelemetry::global::meter("test")
            .f64_histogram("rpc.server.call.duration")
            .with_unit("s")
            .build();
        histogram.record(0.02, &[KeyValue::new("rpc.method", "globcrm.fields.v1.FieldsService/GetField")]);
        let span = tracing::info_span!("call");
        let traceparent = span.in_scope(crate::trace::current_traceparent).unwrap();
        assert!(traceparent.starts_with("00-") && traceparent.ends_with("-01"), "{traceparent}");
        let text = prometheus_text().unwrap();
        assert!(text.contains("rpc_server_call_duration_seconds_bucket{"), "{text}");
        assert!(text.contains(r#"rpc_method="globcrm.fields.v1.FieldsService/GetField""#), "{text}");
        drop(span);
        let began = tokio::time::Instant::now();
        drop(guard);
        assert!(began.elapsed() < EXPORT_TIMEOUT * 2, "{:?}", began.elapsed());
    }
}
