//! Documents that the gateway serves itself: the OpenAPI description and a page to browse it.

use axum::http::header;
use bytes::Bytes;
use error::Error;
use host::{Readiness, State};

use crate::places::{Kind, Party, holding};
use crate::reply::{self, Reply};

/// The page: a list of operations made from the OpenAPI document by a few lines of script, nothing loaded from elsewhere.
const PAGE: &str = include_str!("documents/docs.html");

/// What probes ask, if the path is one: it needs no place, and is charged to nobody.
pub(crate) fn probe(path: &str, readiness: &Readiness) -> Option<Reply> {
    match path {
        "/readyz" => Some(ready(readiness.state())),
        "/healthz" => Some(reply::with_body(200, "application/json", r#"{"status":"ok"}"#)),
        _ => None,
    }
}

/// Whether a document is at this path.
pub(crate) fn is_one(path: &str) -> bool {
    matches!(path, "/api/v1/openapi.json" | "/docs")
}

/// A document counts as at least so many bytes until it has gone: a small one keeps a connection and a stream, too.
const LEAST: usize = 64 << 10;

/// The document at this path. All answers share its bytes; each counts them in the share of its client's address.
pub(crate) fn find(path: &str, openapi: &Bytes, party: &Party) -> Result<Reply, Error> {
    let place = |bytes: &[u8]| party.take(Kind::Document, bytes.len().max(LEAST));
    if path == "/docs" {
        let page = holding(PAGE, place(PAGE.as_bytes())?);
        let mut reply = reply::with_body(200, "text/html; charset=utf-8", page);
        let policy = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      base-uri 'none'; frame-ancestors 'none'";
        reply::put(&mut reply, header::CONTENT_SECURITY_POLICY, policy);
        return Ok(reply);
    }
    let document = holding(openapi.clone(), place(openapi)?);
    let mut reply = reply::with_body(200, "application/json", document);
    reply::put(&mut reply, header::CACHE_CONTROL, "public, max-age=300");
    Ok(reply)
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
