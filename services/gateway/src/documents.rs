//! Documents that the gateway serves itself: the OpenAPI description, a page to browse it, and a page for each reason.

mod problems;

use axum::http::header;
use bytes::Bytes;
use error::{Error, Reason};
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
    matches!(path, "/api/v1/openapi.json" | "/docs" | problems::INDEX) || reason(path).is_some()
}

/// What stands for the reason in the path of its page.
fn reason(path: &str) -> Option<&str> {
    path.strip_prefix(problems::INDEX)?.strip_prefix('/').filter(|word| !word.contains('/'))
}

/// A document counts as at least so many bytes until it has gone: a small one keeps a connection and a stream, too.
const LEAST: usize = 64 << 10;

/// The document at this path. All answers share its bytes; each counts them in the share of its client's address.
pub(crate) fn find(path: &str, openapi: &Bytes, party: &Party) -> Result<Reply, Error> {
    let place = |bytes: &[u8]| party.take(Kind::Document, bytes.len().max(LEAST));
    if path == "/docs" {
        let policy = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      base-uri 'none'; frame-ancestors 'none'";
        return Ok(page(holding(PAGE, place(PAGE.as_bytes())?), policy));
    }
    if path == problems::INDEX || reason(path).is_some() {
        let text = match reason(path) {
            None => problems::index(),
            Some(word) => {
                let listed = Reason::find(word).ok_or_else(|| Error::not_found(Reason::PROBLEM_NOT_FOUND))?;
                problems::of(listed)
            }
        };
        let place = place(text.as_bytes())?;
        let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
        return Ok(cached(page(holding(text, place), policy)));
    }
    let document = holding(openapi.clone(), place(openapi)?);
    Ok(cached(reply::with_body(200, "application/json", document)))
}

fn page(text: Bytes, policy: &str) -> Reply {
    let mut reply = reply::with_body(200, "text/html; charset=utf-8", text);
    reply::put(&mut reply, header::CONTENT_SECURITY_POLICY, policy);
    reply
}

fn cached(mut reply: Reply) -> Reply {
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
