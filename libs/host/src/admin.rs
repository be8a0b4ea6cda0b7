//! The pages for the operator and the orchestrator: alive, ready, metrics.

use axum::Router;
use axum::extract::State as Extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::time::Duration;

use crate::connections::{self, Limits};
use crate::{LifeConfig, Process, Readiness, ServeError, telemetry};

const LIMITS: Limits = Limits {
    connections: 64,
    connections_of_one: 64,
    streams: 16,
    header_timeout: Duration::from_secs(10),
    http2_only: false,
    max_age: None,
    idle: Some(Duration::from_secs(120)),
    age_grace: Duration::from_secs(5),
    stall: None,
};

/// Starts the admin server of one service. It answers to the very end, so that a draining process can be watched.
pub(crate) async fn start(process: &Process, config: &LifeConfig) -> Result<(), ServeError> {
    let listener = connections::listen(config.admin_listen, "admin").await?;
    // Not the readiness itself: its checks hold pools, and an instrument is never given back.
    let state = process.readiness.subscribe();
    opentelemetry::global::meter("globcrm.host")
        .u64_observable_gauge("globcrm.ready")
        .with_description("1 while the process takes calls, else 0")
        .with_callback(move |gauge| gauge.observe(u64::from(state.borrow().takes_calls()), &[]))
        .build();
    let router = router(process.readiness.clone());
    let hard = process.hard().clone();
    process.tasks.spawn_own("host.admin", async move {
        // Nothing is drained here: its requests take no time.
        if let Err(error) =
            connections::serve(listener, None, router, LIMITS, &hard, &hard, Duration::ZERO).await
        {
            tracing::debug!(error = %error::chain(&error), "admin server ended");
        }
    });
    Ok(())
}

fn router(readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/healthz", get(ready))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(readiness)
}

async fn ready(Extract(readiness): Extract<Readiness>) -> Response {
    let report = readiness.report();
    let status = if report.state.takes_calls() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    // A map of names and texts always serialises.
    let body = serde_json::to_vec(&report).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics() -> Response {
    match telemetry::prometheus_text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::warn!(error = %error::chain(&error), "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::ServiceExt;

    async fn page(readiness: &Readiness, path: &str) -> (u16, String) {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = router(readiness.clone()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_is_told_by_component_and_liveness_is_not_readiness() {
        let readiness = Readiness::new();
        readiness.degrade("broker", Some("policies are missing".to_owned()));
        let expected = r#"{"state":"degraded","components":{"broker":{"state":"degraded","reason":"policies are missing"}}}"#;
        assert_eq!(page(&readiness, "/readyz").await, (200, expected.to_owned()));
        readiness.stop();
        assert_eq!(page(&readiness, "/readyz").await.0, 503);
        assert_eq!(page(&readiness, "/healthz").await.0, 503);
        assert_eq!(page(&readiness, "/livez").await, (200, "ok\n".to_owned()));
    }
}
