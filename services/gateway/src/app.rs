//! The one handler of every request: id -> route -> credentials -> limits -> call -> answer.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use auth::PrincipalKind;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Version, header, request::Parts};
use bytes::Bytes;
use error::{Code, Error, Reason};
use futures_util::FutureExt;
use ids::{Clock, TenantId};
use tracing::Instrument;
use transcode::{Api, Route, Verb};
use uuid::Uuid;

use crate::call::Cost;
use crate::credentials::{Caller, Credentials, Presented};
use crate::limits::{self, Charged, Limit, Limits, Receipt, Standing, Tier};
use crate::metrics::{Active, Metrics};
use crate::places::{Kind, Party, Places};
use crate::reply::{self, Reply};
use crate::{Config, RateConfig, call, documents, stream};

/// What every request needs.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) api: Api,
    pub(crate) openapi: Bytes,
    /// By full name of the gRPC service.
    pub(crate) channels: HashMap<&'static str, rpc::Channel>,
    pub(crate) credentials: Credentials,
    pub(crate) limits: Limits,
    pub(crate) places: Arc<Places>,
    pub(crate) metrics: Metrics,
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
    pub(crate) party: Party,
}

/// Answers a request.
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Reply {
    let (mut parts, body) = request.into_parts();
    let request_id = request_id(&parts.headers, &app.clock);
    // HEAD is GET whose answer stays at home (RFC 9110, 9.3.2).
    let head = parts.method == Method::HEAD;
    let sent = parts.method.clone();
    if head {
        parts.method = Method::GET;
    }
    // Routed first: the name of a span cannot be given once it has begun.
    let route = app.api.route(parts.method.as_str(), parts.uri.path());
    let (name, template) = match &route {
        Route::Found { method, .. } => {
            (format!("{} {}", method.verb, method.path), Some(method.path.as_str()))
        }
        Route::MethodNotAllowed { .. } | Route::Malformed | Route::NotFound => ("HTTP".to_owned(), None),
    };
    let active = app.metrics.begin(&sent, template);
    let span = tracing::info_span!(
        "http",
        otel.kind = "server",
        otel.name = name,
        http.route = template,
        request_id = %request_id,
        tenant_id = tracing::field::Empty,
        http.request.method = %parts.method,
        url.path = loggable(app.api.methods(), &route, parts.uri.path()),
        http.response.status_code = tracing::field::Empty,
    );
    // A client's trace goes on here; one that sends none gets a new one.
    host::trace::continue_from(&span, &parts.headers);
    let answered = async {
        let answer = unharmed(answer(&app, route, &parts, body, peer, (&request_id, &active))).await;
        answer.unwrap_or_else(|error| refused(&error, &request_id))
    };
    let mut reply = answered.instrument(span.clone()).await;
    if head {
        reply = reply::without_body(reply);
    }
    active.answered(reply.status());
    span.record("http.response.status_code", reply.status().as_u16());
    reply::put(&mut reply, header::HeaderName::from_static("x-request-id"), &request_id);
    reply::put(&mut reply, header::HeaderName::from_static("api-version"), reply::API_VERSION);
    reply::put(&mut reply, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if !reply.headers().contains_key(header::CACHE_CONTROL) {
        reply::put(&mut reply, header::CACHE_CONTROL, "no-store");
    }
    reply
}

/// How the secrets begin that stand in paths: those of calendars.
const SECRET_IN_PATH: &str = "gcf_";

/// The path as it may be logged: with a secret in it, the template of its method. Also one that has missed such a method narrowly is not.
fn loggable<'a>(methods: &'a [transcode::Method], route: &Route<'a, '_>, path: &'a str) -> &'a str {
    if let Route::Found { method, .. } = route {
        return if method.has_secret_path { &method.path } else { path };
    }
    let begun = path.trim_start_matches('/').to_ascii_lowercase();
    let begins = |method: &&transcode::Method| {
        let words = method.path.trim_start_matches('/').split_once('{').map(|(words, _)| words);
        method.has_secret_path && words.is_some_and(|words| begun.starts_with(words))
    };
    let shows = |method: &&transcode::Method| method.has_secret_path && begun.contains(SECRET_IN_PATH);
    methods.iter().find(|method| begins(method) || shows(method)).map_or(path, |method| &method.path)
}

/// A panic is the failure of one request, and not of all others on its connection.
async fn unharmed(answer: impl Future<Output = Result<Reply, Error>>) -> Result<Reply, Error> {
    let caught = AssertUnwindSafe(answer).catch_unwind().await;
    caught.unwrap_or_else(|_| Err(Error::internal("a handler panicked")))
}

fn refused(error: &Error, request_id: &str) -> Reply {
    if error.code() == Code::Internal {
        tracing::error!(error = %error::chain(error), "the gateway failed");
    }
    reply::problem(error, request_id)
}

async fn answer(
    app: &App,
    route: Route<'_, '_>,
    parts: &Parts,
    body: Body,
    peer: SocketAddr,
    (request_id, active): (&str, &Active<'_>),
) -> Result<Reply, Error> {
    host_is_named(parts)?;
    let path = parts.uri.path();
    let probe = documents::probe(path, &app.readiness);
    if probe.is_some() || documents::is_one(path) {
        if parts.method != Method::GET {
            return Ok(other_method(&parts.method, &[Verb::Get], request_id));
        }
        let address = client_address(&parts.headers, peer, app.config.limits.trust_forwarded_for);
        return match probe {
            Some(probe) => Ok(probe),
            None => document(app, path, address, request_id).await,
        };
    }
    let (method, params) = match route {
        Route::Found { method, params } => (method, params),
        Route::MethodNotAllowed { allow } => return Ok(other_method(&parts.method, &allow, request_id)),
        Route::Malformed => {
            return Err(Error::malformed(Reason::PATH_MALFORMED, "the path is not percent-encoded UTF-8"));
        }
        Route::NotFound => return Err(Error::not_found(Reason::ROUTE_NOT_FOUND)),
    };
    let address = client_address(&parts.headers, peer, app.config.limits.trust_forwarded_for);
    let presented = match method.secret_of(&params) {
        Some(secret) => Ok(Some(Credentials::in_path(secret))),
        None if method.public => Ok(None),
        None => app.credentials.presented(&parts.headers).map(Some),
    };
    let admitted = admit(app, presented, address, active).await;
    let Admitted { caller, tiers, tier, standing } = match admitted {
        Ok(admitted) => admitted,
        Err(Refused { error, tier, standing }) => {
            let mut reply = reply::problem(&error, request_id);
            limit_headers(&mut reply, tier, standing, 1);
            return Ok(reply);
        }
    };
    let party = app.places.party(address, caller.as_ref().map(Caller::named));
    let client_address = address.to_string();
    let incoming = Incoming { app, method, params, parts, request_id, caller, client_address, party };
    let done = if method.client_streaming {
        stream::upload(&incoming, body).await
    } else if method.server_streaming {
        stream::download(&incoming).await
    } else {
        call::unary(&incoming, body).await
    };
    let mut reply = done.unwrap_or_else(|error| refused(&error, request_id));
    let cost = reply.extensions_mut().remove::<Cost>().map_or(1, |Cost(cost)| cost.max(1));
    if cost > 1 {
        app.limits.charge_more(&tiers, cost - 1);
    }
    limit_headers(&mut reply, tier, standing, cost);
    Ok(reply)
}

/// Whoever may go on, and how their limits stand.
struct Admitted {
    caller: Option<Caller>,
    tiers: Vec<Tier>,
    tier: &'static str,
    standing: Standing,
}

/// A request that was charged.
struct Paid {
    tier: &'static str,
    standing: Standing,
    receipt: Option<Receipt>,
}

/// Whoever may not.
struct Refused {
    error: Error,
    tier: &'static str,
    standing: Standing,
}

/// Credentials and limits. What is known here is looked at first; only an API key that is not, and the address of a calendar, take a call
/// to identity, and that is paid for before it is made: by the owner when it was good a while ago, else by the client's address. So guessing costs nobody else
/// anything, also not at the same address, and a refused guess costs nothing at all.
async fn admit(
    app: &App,
    presented: Result<Option<Presented>, Error>,
    address: IpAddr,
    active: &Active<'_>,
) -> Result<Admitted, Refused> {
    let mut waited = Duration::ZERO;
    let (caller, paid) = match presented {
        Ok(None) => (Ok(None), None),
        Ok(Some(Presented::Token(token))) => (app.credentials.caller(token).await.map(Some), None),
        Ok(Some(Presented::Unknown(secret, digest))) => {
            let owner = app.credentials.owner(&digest);
            let tiers =
                tiers(&app.config.rates.get(), owner.map(|named| (named, PrincipalKind::ApiKey)), address);
            let party = app.places.party(address, owner);
            let paid = pay(&app.limits, &party, &tiers, &mut waited).await?;
            let traded = async {
                let _place = party.take(Kind::Call, 1)?;
                app.credentials.trade(secret, digest).await
            };
            match traded.await {
                Ok(caller) if owner == Some(caller.named()) => (Ok(Some(caller)), Some(paid)),
                Ok(caller) => {
                    app.limits.give_one_back(&tiers, paid.receipt);
                    (Ok(Some(caller)), None)
                }
                Err(error) => (Err(error), Some(paid)),
            }
        }
        Err(error) => (Err(error), None),
    };
    if let Ok(Some(caller)) = &caller {
        tracing::Span::current().record("tenant_id", tracing::field::display(caller.tenant));
        active.is_of(caller.tenant);
    }
    // Whoever cannot say who they are is charged by address, so that guessing has its bound too.
    let known = caller.as_ref().ok().and_then(Option::as_ref);
    let named = known.map(Caller::named);
    let tiers = tiers(&app.config.rates.get(), known.map(|caller| (caller.named(), caller.kind)), address);
    let Paid { tier, standing, .. } = match paid {
        Some(paid) => paid,
        None => pay(&app.limits, &app.places.party(address, named), &tiers, &mut waited).await?,
    };
    match caller {
        Ok(caller) => Ok(Admitted { caller, tiers, tier, standing }),
        Err(error) => Err(Refused { error, tier, standing }),
    }
}

/// Charges a request and waits for its turn. What it `waited` for a turn before counts: one that is charged to an address, and to its
/// caller once that is known, waits for the later of the two turns and not for one after the other. Whoever has had many refusals
/// also waits for the next one, while there is room to wait.
async fn pay(limits: &Limits, party: &Party, tiers: &[Tier], waited: &mut Duration) -> Result<Paid, Refused> {
    let Charged { tier, standing, wait, receipt } = limits.charge(tiers).await;
    if !standing.allowed {
        if !wait.is_zero()
            && let Ok(_place) = party.take(Kind::Refusal, 1)
        {
            tokio::time::sleep(wait).await;
        }
        return Err(Refused { error: limits::refused(tier, standing), tier, standing });
    }
    let wait = wait.saturating_sub(*waited);
    if !wait.is_zero() {
        let _place = match party.take(Kind::Turn, 1) {
            Ok(place) => place,
            Err(error) => {
                limits.give_one_back(tiers, receipt);
                return Err(Refused { error, tier, standing });
            }
        };
        tokio::time::sleep(wait).await;
        *waited += wait;
    }
    Ok(Paid { tier, standing, receipt })
}

/// A document, charged to the client's address.
async fn document(app: &App, path: &str, address: IpAddr, request_id: &str) -> Result<Reply, Error> {
    let (tiers, party) = (tiers(&app.config.rates.get(), None, address), app.places.party(address, None));
    let mut waited = Duration::ZERO;
    let (mut reply, tier, standing) = match pay(&app.limits, &party, &tiers, &mut waited).await {
        Ok(Paid { tier, standing, .. }) => {
            let document = documents::find(path, &app.openapi, &party);
            (document.unwrap_or_else(|error| reply::problem(&error, request_id)), tier, standing)
        }
        Err(Refused { error, tier, standing }) => (reply::problem(&error, request_id), tier, standing),
    };
    limit_headers(&mut reply, tier, standing, 1);
    Ok(reply)
}

/// RFC 9112, 3.2: a request of HTTP/1.1 names its host, once.
fn host_is_named(parts: &Parts) -> Result<(), Error> {
    let named = parts.headers.get_all(header::HOST).iter().count();
    if named > 1 || (named == 0 && parts.version == Version::HTTP_11) {
        return Err(Error::malformed(Reason::HOST_MALFORMED, "a request needs exactly one Host header"));
    }
    Ok(())
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
        reply::problem(&Error::new(Code::Unimplemented, Reason::METHOD_NOT_ALLOWED, text), request_id)
    };
    reply::put(&mut reply, header::ALLOW, &allow.join(", "));
    reply
}

/// The client's id of the request, sent once and as ids may be; else a new one.
fn request_id(headers: &HeaderMap, clock: &Clock) -> String {
    let mut sent = headers.get_all("x-request-id").iter();
    let only = sent.next().filter(|_| sent.next().is_none());
    let taken = only.and_then(|v| v.to_str().ok()).and_then(ids::request_id);
    taken.map_or_else(|| clock.new_uuid().to_string(), str::to_owned)
}

/// The peer, or the last address of the last `X-Forwarded-For`: the one that the proxy has put there. A proxy may add to the
/// client's header or a header after it; whatever stands before was sent by the client.
fn client_address(headers: &HeaderMap, peer: SocketAddr, trust_forwarded_for: bool) -> IpAddr {
    let forwarded = || {
        let last = headers.get_all("x-forwarded-for").iter().next_back()?;
        last.to_str().ok()?.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
    };
    let address = if trust_forwarded_for { forwarded() } else { None };
    address.unwrap_or(peer.ip()).to_canonical()
}

/// Whom a request is charged to: the tenant and the user or API key, or the address of whoever is not known.
fn tiers(
    config: &RateConfig,
    known: Option<((TenantId, Uuid), PrincipalKind)>,
    address: IpAddr,
) -> Vec<Tier> {
    let Some((named, kind)) = known else { return Tier::of_address(address, config.anonymous_per_minute) };
    let of_one = match kind {
        PrincipalKind::ApiKey => Limit { name: "api_key", requests: config.api_key_per_minute },
        PrincipalKind::User | PrincipalKind::Service => {
            Limit { name: "principal", requests: config.principal_per_minute }
        }
    };
    Tier::of_principal(named, config.tenant_per_minute, of_one)
}

fn limit_headers(reply: &mut Reply, tier: &str, standing: Standing, cost: u32) {
    let remaining = standing.remaining.saturating_sub(cost - 1);
    let name = header::HeaderName::from_static;
    reply::put(reply, name("x-ratelimit-limit"), &standing.limit.to_string());
    reply::put(reply, name("x-ratelimit-remaining"), &remaining.to_string());
    reply::put(reply, name("x-ratelimit-reset"), &standing.reset.to_string());
    reply::put(reply, name("ratelimit-policy"), &format!("\"{tier}\";q={};w=60", standing.limit));
    reply::put(reply, name("ratelimit"), &format!("\"{tier}\";r={remaining};t={}", standing.reset));
    reply::put(reply, name("x-request-cost"), &cost.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_one_that_the_proxy_put_last() {
        let peer: SocketAddr = ([10, 0, 0, 1], 7).into();
        let address = |values: &[&str], trust| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            client_address(&headers, peer, trust).to_string()
        };
        assert_eq!(address(&["1.1.1.1, 2.2.2.2"], true), "2.2.2.2");
        assert_eq!(address(&["1.1.1.1", "2.2.2.2"], true), "2.2.2.2");
        assert_eq!(address(&["::ffff:2.2.2.2"], true), "2.2.2.2");
        assert_eq!(address(&["2.2.2.2", "nonsense"], true), "10.0.0.1");
        assert_eq!(address(&["2.2.2.2"], false), "10.0.0.1");
    }

    /// A key that is not known is paid for by its address, and by its owner once identity has told who that is.
    #[tokio::test(start_paused = true)]
    async fn a_request_that_pays_twice_waits_for_the_later_of_its_turns() {
        const LIMIT: u32 = 60_000;
        let (clock, _hand) = Clock::fixed(Clock::system().now());
        let process = host::Process::without_signals("gateway", clock.clone());
        let address = IpAddr::from([192, 0, 2, 1]);
        let party = Places::new(&crate::config::tests::config()).party(address, None);
        for (first, second) in [(500, 800), (800, 500), (0, 500), (500, 0)] {
            let limits = Limits::new(None, None, clock.clone(), process.tasks.clone()).unwrap();
            let owner = (clock.new_uuid().into(), clock.new_uuid());
            let of_one = Limit { name: "principal", requests: LIMIT };
            let both = [Tier::of_address(address, LIMIT), Tier::of_principal(owner, LIMIT, of_one)];
            let mut waited = Duration::ZERO;
            let began = tokio::time::Instant::now();
            for (tiers, millis) in both.iter().zip([first, second]) {
                // 3,000 may come at once, each further one a millisecond later; this one is the last.
                limits.charge_more(tiers, 3_000 + millis - 1);
                assert!(pay(&limits, &party, tiers, &mut waited).await.is_ok());
            }
            let later = Duration::from_millis(first.max(second).into());
            assert_eq!((waited, began.elapsed()), (later, later), "{first} and {second}");
        }
    }

    #[test]
    fn a_path_with_a_secret_is_not_logged() {
        let api = Api::compile(proto::DESCRIPTORS).unwrap();
        let logged =
            |verb: &str, path: &str| loggable(api.methods(), &api.route(verb, path), path).to_owned();
        for (verb, path) in [
            ("GET", "/calendar/gcf_x.ics"),
            ("POST", "/calendar/gcf_x.ics"),
            ("GET", "/calendar/gcf_x"),
            ("GET", "/calendar/gcf_x.ics/"),
            ("GET", "//Calendar/gcf_x.ics"),
            ("GET", "/calendar/%ff.ics"),
            ("GET", "/api/v1/calendar/gcf_x.ics"),
            ("GET", "/%63alendar/gcf_x.ics"),
        ] {
            assert_eq!(logged(verb, path), "/calendar/{token}.ics", "{verb} {path}");
        }
        for path in ["/api/v1/contacts/x", "/api/v1/activities/x.ics", "/nowhere/x", "/"] {
            assert_eq!(logged("GET", path), path);
        }
    }

    #[tokio::test]
    async fn a_panic_becomes_an_internal_error() {
        let error = unharmed(async { panic!("the handler's own text") }).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::Internal, "internal error"));
    }
}
