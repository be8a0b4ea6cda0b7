//! The one handler of every request: id -> route -> credentials -> limits -> call -> answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header, request::Parts};
use error::{Code, Error};
use ids::Clock;
use tokio::sync::Semaphore;
use tracing::Instrument;
use transcode::{Api, Route, Verb};

use crate::credentials::{Caller, Credentials};
use crate::limits::{self, Limits, Standing, Tier};
use crate::reply::{self, Reply};
use crate::{Config, call, documents, stream};

/// What every request needs.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) api: Api,
    pub(crate) openapi: String,
    /// By full name of the gRPC service.
    pub(crate) channels: HashMap<&'static str, rpc::Channel>,
    pub(crate) credentials: Credentials,
    pub(crate) limits: Limits,
    pub(crate) in_flight: Semaphore,
    pub(crate) clock: Clock,
    pub(crate) readiness: host::Readiness,
    pub(crate) config: Config,
}

/// One request on its way: what the steps after routing need.
pub(crate) struct Incoming<'a> {
    pub(crate) app: &'a App,
    pub(crate) method: &'a transcode::Method,
    pub(crate) params: transcode::PathParams<'a>,
    pub(crate) parts: &'a Parts,
    pub(crate) request_id: &'a str,
    pub(crate) caller: Option<Caller>,
    pub(crate) client_address: String,
}

/// Answers a request.
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Reply {
    let (mut parts, body) = request.into_parts();
    let request_id = request_id(&parts.headers, &app.clock);
    let span = tracing::info_span!(
        "http",
        otel.kind = "server",
        otel.name = tracing::field::Empty,
        request_id = %request_id,
        tenant_id = tracing::field::Empty,
        http.request.method = %parts.method,
        url.path = parts.uri.path(),
        http.response.status_code = tracing::field::Empty,
    );
    // A client's trace goes on here; one that sends none gets a new one.
    host::trace::continue_from(&span, &parts.headers);
    // HEAD is GET whose answer stays at home (RFC 9110, 9.3.2).
    let head = parts.method == Method::HEAD;
    if head {
        parts.method = Method::GET;
    }
    let answered = async {
        let Ok(_permit) = app.in_flight.try_acquire() else {
            let busy = Error::unavailable("OVERLOADED", "too many requests are in work");
            return reply::problem(&busy, &request_id);
        };
        answer(&app, &parts, body, peer, &request_id).await.unwrap_or_else(|error| {
            if error.code() == Code::Internal {
                tracing::error!(error = ?error, "the gateway failed");
            }
            reply::problem(&error, &request_id)
        })
    };
    let mut reply = answered.instrument(span.clone()).await;
    if head {
        reply = reply::without_body(reply);
    }
    span.record("http.response.status_code", reply.status().as_u16());
    reply::put(&mut reply, header::HeaderName::from_static("x-request-id"), &request_id);
    reply::put(&mut reply, header::HeaderName::from_static("api-version"), reply::API_VERSION);
    reply::put(&mut reply, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if !reply.headers().contains_key(header::CACHE_CONTROL) {
        reply::put(&mut reply, header::CACHE_CONTROL, "no-store");
    }
    reply
}

async fn answer(
    app: &App,
    parts: &Parts,
    body: Body,
    peer: SocketAddr,
    request_id: &str,
) -> Result<Reply, Error> {
    let path = parts.uri.path();
    if let Some(document) = documents::find(path, &app.openapi, &app.readiness) {
        return Ok(if parts.method == Method::GET {
            document
        } else {
            other_method(&parts.method, &[Verb::Get], request_id)
        });
    }
    let (method, params) = match app.api.route(parts.method.as_str(), path) {
        Route::Found { method, params } => (method, params),
        Route::MethodNotAllowed { allow } => return Ok(other_method(&parts.method, &allow, request_id)),
        Route::Malformed => {
            return Err(Error::malformed("PATH_MALFORMED", "the path is not percent-encoded UTF-8"));
        }
        Route::NotFound => return Err(Error::not_found("ROUTE_NOT_FOUND")),
    };
    let span = tracing::Span::current();
    span.record("otel.name", format!("{} {}", method.verb, method.path));
    let client_address = client_address(&parts.headers, peer, app.config.trust_forwarded_for);
    let presented =
        if method.public { Ok(None) } else { app.credentials.caller(&parts.headers).await.map(Some) };
    if let Ok(Some(caller)) = &presented {
        span.record("tenant_id", tracing::field::display(caller.tenant));
    }
    // Whoever cannot say who they are is charged by address, so that guessing has its bound too.
    let named = presented.as_ref().ok().and_then(Option::as_ref);
    let (tier, standing) = app.limits.charge(&tiers(app, named, &client_address)).await;
    let presented = if standing.allowed { presented } else { Err(limits::refused(tier, standing)) };
    let caller = match presented {
        Ok(caller) => caller,
        Err(error) => {
            let mut reply = reply::problem(&error, request_id);
            limit_headers(&mut reply, tier, standing);
            return Ok(reply);
        }
    };
    let incoming = Incoming { app, method, params, parts, request_id, caller, client_address };
    let done = if method.client_streaming {
        stream::upload(&incoming, body).await
    } else if method.server_streaming {
        stream::download(&incoming).await
    } else {
        call::unary(&incoming, body).await
    };
    let mut reply = done.unwrap_or_else(|error| reply::problem(&error, request_id));
    limit_headers(&mut reply, tier, standing);
    Ok(reply)
}

/// The answer to a method that the path does not have: `OPTIONS` learns which it has, the others are refused.
fn other_method(asked: &Method, has: &[Verb], request_id: &str) -> Reply {
    let mut allow: Vec<&str> = has.iter().map(|v| v.as_str()).chain(["OPTIONS"]).collect();
    if has.contains(&Verb::Get) {
        allow.push("HEAD");
    }
    allow.sort_unstable();
    let mut reply = if asked == Method::OPTIONS {
        reply::empty(StatusCode::NO_CONTENT)
    } else {
        let text = "this path does not take this method";
        reply::problem(&Error::new(Code::Unimplemented, "METHOD_NOT_ALLOWED", text), request_id)
    };
    reply::put(&mut reply, header::ALLOW, &allow.join(", "));
    reply
}

/// The client's id of the request where it is a UUID, else a new one.
fn request_id(headers: &HeaderMap, clock: &Clock) -> String {
    headers
        .get("x-request-id")
        .and_then(|v| v.to_str().ok())
        .and_then(|text| uuid::Uuid::try_parse(text).ok())
        .unwrap_or_else(|| clock.new_uuid())
        .to_string()
}

fn client_address(headers: &HeaderMap, peer: SocketAddr, trust_forwarded_for: bool) -> String {
    trust_forwarded_for
        .then(|| headers.get("x-forwarded-for")?.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
        .flatten()
        .unwrap_or(peer.ip())
        .to_string()
}

fn tiers(app: &App, caller: Option<&Caller>, client_address: &str) -> Vec<Tier> {
    match caller {
        Some(caller) => {
            let tenant = caller.tenant;
            vec![
                Tier {
                    name: "tenant",
                    key: format!("rl:{{{tenant}}}:t"),
                    limit: app.config.tenant_per_minute,
                },
                Tier {
                    name: "principal",
                    key: format!("rl:{{{tenant}}}:p:{}", caller.principal),
                    limit: app.config.principal_per_minute,
                },
            ]
        }
        None => vec![Tier {
            name: "address",
            key: format!("rl:{{{client_address}}}:a"),
            limit: app.config.anonymous_per_minute,
        }],
    }
}

fn limit_headers(reply: &mut Reply, tier: &str, standing: Standing) {
    let name = header::HeaderName::from_static;
    reply::put(reply, name("x-ratelimit-limit"), &standing.limit.to_string());
    reply::put(reply, name("x-ratelimit-remaining"), &standing.remaining.to_string());
    reply::put(reply, name("x-ratelimit-reset"), &standing.reset.to_string());
    reply::put(reply, name("ratelimit-policy"), &format!("\"{tier}\";q={};w=60", standing.limit));
    reply::put(
        reply,
        name("ratelimit"),
        &format!("\"{tier}\";r={};t={}", standing.remaining, standing.reset),
    );
    reply::put(reply, name("x-request-cost"), "1");
}
