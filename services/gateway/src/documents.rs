//! Documents that the gateway serves itself: the OpenAPI description and a page to browse it.

use axum::http::header;
use host::{Readiness, State};

use crate::reply::{self, Reply};

/// The page: a list of operations made from the OpenAPI document by a few lines of script, nothing loaded from elsewhere.
const PAGE: &str = include_str!("documents/docs.html");

/// The document at this path, if it is one.
pub(crate) fn find(path: &str, openapi_text: &str, readiness: &Readiness) -> Option<Reply> {
    match path {
        "/readyz" => Some(ready(readiness.state())),
        "/healthz" => Some(reply::with_body(200, "application/json", r#"{"status":"ok"}"#)),
        "/api/v1/openapi.json" => Some(openapi(openapi_text)),
        "/docs" => Some(page()),
        _ => None,
    }
}

/// `GET /api/v1/openapi.json`.
fn openapi(text: &str) -> Reply {
    let mut reply = reply::with_body(200, "application/json", text.to_owned());
    reply::put(&mut reply, header::CACHE_CONTROL, "public, max-age=300");
    reply
}

/// `GET /readyz`: the state alone; what is wrong stands on the admin address, which is nobody else's business.
fn ready(state: State) -> Reply {
    let status = if state.takes_calls() { 200 } else { 503 };
    let name = match state {
        State::Starting => "starting",
        State::Ready => "ready",
        State::Degraded => "degraded",
        State::NotReady => "not_ready",
        State::Stopping => "stopping",
    };
    reply::with_body(status, "application/json", format!(r#"{{"status":"{name}"}}"#))
}

/// `GET /docs`.
fn page() -> Reply {
    let mut reply = reply::with_body(200, "text/html; charset=utf-8", PAGE);
    let policy = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                  base-uri 'none'; frame-ancestors 'none'";
    reply::put(&mut reply, header::CONTENT_SECURITY_POLICY, policy);
    reply
}
