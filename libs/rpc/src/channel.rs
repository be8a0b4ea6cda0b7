//! The channel generated clients run on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use host::grpc::SERVICE_TOKEN;
use host::{deadline, telemetry, trace};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};
use tls::{Connector, ServerName};
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::body::{Bounded, Patience, Returned};
use crate::failure::{self, Failure};
use crate::pool::{NoInstance, Outcome, Pool, Way};
use crate::retry::{self, Budget};
use crate::service_token::{ServiceToken, unknown_here};

/// The deadline of a call whose caller sets none.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(2);
/// Kept back from the remaining time, so that this service can still answer its own caller.
const MARGIN: Duration = Duration::from_millis(5);

/// Marks a call that may be repeated although its name does not say so: `request.extensions_mut().insert(Idempotent)`.
#[derive(Clone, Copy, Debug)]
pub struct Idempotent;

/// Marks a call whose request is a stream: its messages are sent once and not kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streamed;

/// Marks a call whose answer is a stream: the deadline is that of its head, and each piece has this time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pieces(pub(crate) Duration);

/// The address of a peer is not one that can be connected to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It is not an address.
    #[error("the address of {0} must be http:// or https:// with a host and a port, without a path")]
    Address(&'static str),
    /// It is `https://`, and there are no certificates; or the other way around.
    #[error("the address of {0} must be https:// by TLS, and only then")]
    Scheme(&'static str),
}

/// A channel to one peer. Cheap to clone; clones share connections and retry budget.
#[derive(Clone)]
pub struct Channel {
    peer: Arc<Peer>,
    /// Who calls, as all calls show it.
    token: Option<ServiceToken>,
}

struct Peer {
    name: &'static str,
    pool: Pool,
    budget: Budget,
    duration: Histogram<f64>,
    unseen: Counter<u64>,
}

/// A try that came to no answer.
struct Failed {
    status: Status,
    failure: Failure,
}

impl From<Status> for Failed {
    fn from(status: Status) -> Self {
        Self { status, failure: Failure::Broken }
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("peer", &self.peer.name).finish_non_exhaustive()
    }
}

/// A channel to the peer `name` at `url` (`http://host:port`), without TLS. A host name with several addresses is balanced over all of
/// them and looked up again every 5 s. It connects in the background and again whenever it must, so it can be made before the
/// peer is up; it must be made inside a runtime.
pub fn connect(url: &str, name: &'static str) -> Result<Channel, ConnectError> {
    connect_by(url, name, None)
}

/// [`connect`], by TLS where there is a connector: then `url` is `https://host:port`, and the certificate of each instance must be for
/// the host.
pub fn connect_by(url: &str, name: &'static str, tls: Option<Connector>) -> Result<Channel, ConnectError> {
    let wrong = || ConnectError::Address(name);
    let url = url.parse::<Uri>().ok().filter(|_| is_peer_url(url)).ok_or_else(wrong)?;
    if is_secure(&url) != tls.is_some() {
        return Err(ConnectError::Scheme(name));
    }
    let tls = match tls {
        Some(connector) => Some((connector, server_name(&url).ok_or_else(wrong)?)),
        None => None,
    };
    Ok(Channel::over(Pool::of(Way { url, tls }), name))
}

/// What the certificate of a server at `url` must be for: a name or an address.
fn server_name(url: &Uri) -> Option<ServerName<'static>> {
    let host = url.host()?.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).ok()
}

fn is_secure(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}

/// Whether calls to this address go by TLS.
pub(crate) fn is_secure_url(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|url| is_secure(&url))
}

impl Channel {
    /// A channel over these instances.
    pub(crate) fn over(pool: Pool, name: &'static str) -> Self {
        let meter = opentelemetry::global::meter("globcrm.rpc");
        let duration = meter
            .f64_histogram("rpc.client.call.duration")
            .with_unit("s")
            .with_description("Time from a call to the head of its answer, retries included")
            .with_boundaries(telemetry::DURATION_BUCKETS.to_vec())
            .build();
        let unseen = meter
            .u64_counter("globcrm.rpc.client.unseen")
            .with_description(
                "Calls sent again because the peer had not seen them: its connection was about to close",
            )
            .build();
        let peer = Arc::new(Peer { name, pool, budget: Budget::full(), duration, unseen });
        Self { peer, token: None }
    }

    /// The same channel, on which every call shows this service's token.
    #[must_use]
    pub fn showing(&self, token: &ServiceToken) -> Self {
        Self { peer: self.peer.clone(), token: Some(token.clone()) }
    }
}

/// `http://host:port` or `https://host:port`, nothing more.
pub(crate) fn is_peer_url(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|u| {
        matches!(u.scheme_str(), Some("http" | "https"))
            && server_name(&u).is_some()
            && u.port_u16().is_some()
            && matches!(u.path(), "" | "/")
            && u.query().is_none()
    })
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Each try waits for its own connection, under the deadline of the call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { peer, token } = self.clone();
        Box::pin(async move { peer.call(request, token).await })
    }
}

impl Peer {
    async fn call(
        &self,
        request: Request<Body>,
        token: Option<ServiceToken>,
    ) -> Result<Response<Body>, Status> {
        let began = Instant::now();
        let path = request.uri().path().to_owned();
        let method = path.trim_start_matches('/');
        let span = tracing::info_span!(
            "rpc.client",
            otel.name = method,
            otel.kind = "client",
            otel.status_code = Empty,
            rpc.system.name = "grpc",
            rpc.method = method,
            rpc.status_code = Empty,
            rpc.retries = Empty,
            peer.service = self.name,
        );
        if Span::current().is_none() {
            // Made outside any span: the trace that the caller passes on is all there is to continue.
            trace::continue_from(&span, request.headers());
        }
        let result = self.tries(request, token, &path, &span).instrument(span.clone()).await;
        let code = match &result {
            Ok(response) => Status::from_header_map(response.headers()).map_or(Code::Ok, |s| s.code()),
            Err(status) => status.code(),
        };
        let text = host::grpc::code_name(code);
        span.record("rpc.status_code", text);
        let mut attributes = vec![
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", method.to_owned()),
            KeyValue::new("rpc.status_code", text),
        ];
        if code != Code::Ok {
            attributes.push(KeyValue::new("error.type", text));
            span.record("otel.status_code", "ERROR");
        }
        self.duration.record(began.elapsed().as_secs_f64(), &attributes);
        result
    }

    async fn tries(
        &self,
        request: Request<Body>,
        token: Option<ServiceToken>,
        path: &str,
        span: &Span,
    ) -> Result<Response<Body>, Status> {
        let deadline = Instant::now() + time_allowed(&request)?;
        let repeatable = retry::is_read(path) || request.extensions().get::<Idempotent>().is_some();
        let streamed = request.extensions().get::<Streamed>().is_some();
        let (mut head, body) = request.into_parts();
        trace::inject(span, &mut head.headers);
        let mut shown = match token {
            Some(token) => Some((token.get(deadline).await?, token)),
            None => None,
        };
        if let Some((value, _)) = &shown {
            head.headers.insert(SERVICE_TOKEN, value.clone());
        }
        self.budget.earn();
        if streamed {
            let result = self.once(head, body, deadline).await;
            return if shown.is_some() && is_token_refused(&result) { Err(unknown_here()) } else { result };
        }
        // A call without a stream is unary: its body is one encoded message in memory, and this waits for nothing.
        let body = body.collect().await?.to_bytes();
        let (mut retries, mut unseen, mut renewed) = (0, 0, false);
        // What a peer said before a further try: that nothing came of the try in the time left says less.
        let mut before = None;
        loop {
            let again = Body::new(Full::new(body.clone()));
            let result = self.attempt(head.clone(), again, deadline).await;
            let failure = result.as_ref().err().map(|failed| failed.failure);
            let result = result.map_err(|failed| failed.status);
            // Refused at the peer's door: nothing was done. A token is renewed for a call once. That it is ours that was refused
            // is not the caller's fault, whose own credentials would seem to be meant.
            if is_token_refused(&result)
                && let Some((value, token)) = &mut shown
            {
                match token.after(value, deadline).await {
                    Some(other) if !renewed => *value = other,
                    _ => return Err(unknown_here()),
                }
                renewed = true;
                head.headers.insert(SERVICE_TOKEN, value.clone());
                continue;
            }
            let pause = if failure == Some(Failure::Unseen) && unseen < retry::MAX_UNSEEN {
                unseen += 1;
                self.unseen.add(1, &[KeyValue::new("peer", self.name)]);
                retry::turn(unseen)
            } else {
                let may = failure == Some(Failure::Unconnected) || repeatable && is_unavailable(&result);
                if !may || retries == retry::MAX_RETRIES {
                    return if is_late(&result) { before.unwrap_or(result) } else { result };
                }
                retries += 1;
                retry::pause(retries)
            };
            let costs = failure != Some(Failure::Unseen);
            if Instant::now() + pause >= deadline || (costs && !self.budget.take()) {
                return result;
            }
            if repeatable && is_unavailable(&result) {
                before = Some(result);
            }
            span.record("rpc.retries", retries + unseen);
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends a stream, which is read once: again only while nothing of it was read.
    async fn once(
        &self,
        head: http::request::Parts,
        mut body: Body,
        deadline: Instant,
    ) -> Result<Response<Body>, Status> {
        let returned = Returned::default();
        let mut unseen = 0;
        loop {
            let failed = match self.attempt(head.clone(), returned.lend(body), deadline).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            match (failed.failure, returned.take()) {
                (Failure::Unseen, Some(unread)) if unseen < retry::MAX_UNSEEN => body = unread,
                _ => return Err(failed.status),
            }
            unseen += 1;
            self.unseen.add(1, &[KeyValue::new("peer", self.name)]);
            tokio::time::sleep(retry::turn(unseen)).await;
        }
    }

    async fn attempt(
        &self,
        mut head: http::request::Parts,
        body: Body,
        deadline: Instant,
    ) -> Result<Response<Body>, Failed> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = HeaderValue::try_from(deadline::write_grpc_timeout(left));
        head.headers.insert("grpc-timeout", timeout.map_err(|_| Status::internal("a timeout is no header"))?);
        let patience = match head.extensions.get() {
            Some(Pieces(piece)) => Patience::Piece(*piece),
            None => Patience::Whole(deadline),
        };
        let answer = async {
            let lease = self.pool.pick().await.map_err(|NoInstance| self.unreachable())?;
            let mut transport = lease.channel();
            let sent = async { transport.ready().await?.call(Request::from_parts(head, body)).await };
            let failed = match timeout_at(deadline, sent).await {
                Ok(Ok(response)) => {
                    self.pool.note(&lease, Outcome::Answered);
                    if response.headers().contains_key(host::LEAVE) {
                        lease.leave();
                    }
                    return Ok(response.map(|body| Body::new(Bounded::new(body, patience, lease))));
                }
                Ok(Err(error)) => {
                    lease.over();
                    self.failed(error)
                }
                Err(_) => Failed { status: too_late(self.name), failure: Failure::Late },
            };
            match failed.failure {
                // A connection that closes in good order says nothing against its instance.
                Failure::Unseen => {}
                Failure::TooLarge => self.pool.note(&lease, Outcome::Answered),
                Failure::Unconnected => self.pool.note(&lease, Outcome::Unreachable),
                Failure::Late | Failure::Broken => self.pool.note(&lease, Outcome::Failed),
            }
            Err(failed)
        };
        timeout_at(deadline, answer).await.unwrap_or_else(|_| Err(too_late(self.name).into()))
    }

    /// What a transport error means to the caller.
    fn failed(&self, error: tonic::transport::Error) -> Failed {
        let failure = failure::read(&error);
        tracing::debug!(
            peer = self.name,
            ?failure,
            error = &error as &dyn std::error::Error,
            "transport failed"
        );
        let mut status = match failure {
            Failure::Late => too_late(self.name),
            Failure::TooLarge => error::Error::answer_too_large().into(),
            Failure::Unseen | Failure::Unconnected | Failure::Broken => self.unreachable(),
        };
        status.set_source(Arc::new(error));
        Failed { status, failure }
    }

    fn unreachable(&self) -> Status {
        Status::unavailable(format!("{} cannot be reached", self.name))
    }
}

/// The caller's own limit or the default, within what is left of the call being served.
fn time_allowed<B>(request: &Request<B>) -> Result<Duration, Status> {
    let own = deadline::read_grpc_timeout(request.headers()).unwrap_or(DEFAULT_DEADLINE);
    let allowed = match deadline::remaining() {
        Some(left) => own.min(left.saturating_sub(MARGIN)),
        None => own,
    };
    if allowed.is_zero() {
        Err(Status::deadline_exceeded("no time is left for this call"))
    } else {
        Ok(allowed)
    }
}

fn too_late(peer: &str) -> Status {
    Status::deadline_exceeded(format!("{peer} did not answer in time"))
}

/// The peer does not take the token that says who calls: its key has changed, for one.
fn is_token_refused(result: &Result<Response<Body>, Status>) -> bool {
    let Ok(response) = result else { return false };
    Status::from_header_map(response.headers()).is_some_and(|status| {
        status.code() == Code::Unauthenticated
            && error::Error::from(status).reason() == error::Reason::SERVICE_TOKEN_INVALID
    })
}

/// The peer did not take the call: it said so, or nothing of an answer came.
fn is_unavailable(result: &Result<Response<Body>, Status>) -> bool {
    is(Code::Unavailable, result)
}

/// The deadline came before an answer, here or at the peer.
fn is_late(result: &Result<Response<Body>, Status>) -> bool {
    is(Code::DeadlineExceeded, result)
}

fn is(code: Code, result: &Result<Response<Body>, Status>) -> bool {
    match result {
        Ok(response) => response
            .headers()
            .get("grpc-status")
            .is_some_and(|sent| Code::from_bytes(sent.as_bytes()) == code),
        Err(status) => status.code() == code,
    }
}
