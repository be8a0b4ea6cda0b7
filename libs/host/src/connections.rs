//! The connections of one listener: accepted within a bound, given a new home now and then, drained at the stop.
//!
//! One loop serves gRPC, the public API and the admin pages; they differ in their [`Limits`].
//!
//! When all connections are taken, accepting pauses: newcomers wait in the kernel's queue until one ends, as to accept and to close
//! them would only make them come again. A network that has its share is accepted and closed at once, so that it does not stand
//! in that queue before others.

mod handshakes;
mod peers;
mod work;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tls::{Acceptor, Stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{ServiceExt, service_fn};

use crate::ServeError;
use crate::outgoing::{Outgoing, PIECE, Pieces, Streams};
use handshakes::Handshakes;
use peers::Peers;
pub(crate) use work::OpenRequest;
use work::Work;

/// Pings on a quiet HTTP/2 connection, and how long their answer may take: a frozen peer is gone after both.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// On answers of a connection that has reached its age: the client takes a new one for its next calls.
pub const LEAVE: ::http::HeaderName = ::http::HeaderName::from_static("x-connection-leave");
/// From the first such answer to GOAWAY. A client that knows the header is gone by then; calls that are on their way when GOAWAY
/// comes can be lost between the two, unseen and without a trace.
const LEAVE_GRACE: Duration = Duration::from_secs(10);
/// How long a connection without a request may bring what is on its way when it is asked to go.
const IDLE_GRACE: Duration = Duration::from_secs(5);
/// After an accept error (no file handles), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What one listener allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub(crate) connections: usize,
    /// Those of one network while the others have none ([`crate::share`]); as many as `connections`: no share.
    pub(crate) connections_of_one: usize,
    /// Requests at once on one HTTP/2 connection.
    pub(crate) streams: u32,
    /// From accept to the first request, and for the head of every HTTP/1 request.
    pub(crate) header_timeout: Duration,
    /// Only HTTP/2 with prior knowledge (gRPC).
    pub(crate) http2_only: bool,
    /// After this age (give or take a tenth) a connection is asked to go, so that new instances get their share.
    pub(crate) max_age: Option<Duration>,
    /// A connection without a request for this time is asked to go.
    pub(crate) idle: Option<Duration>,
    /// How long a connection that was asked to go may finish its requests.
    pub(crate) age_grace: Duration,
    /// How long a piece of an answer may lie because the client does not take it; without it, for ever.
    pub(crate) stall: Option<Duration>,
}

/// Binds `address`.
pub(crate) async fn listen(address: SocketAddr, purpose: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, purpose, source })
}

/// Serves until `soft`, then drains at most `grace` or until `hard`; by TLS where there is an acceptor for it.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Acceptor>,
    router: axum::Router,
    limits: Limits,
    soft: &CancellationToken,
    hard: &CancellationToken,
    grace: Duration,
) -> Result<(), ServeError> {
    let permits = Arc::new(Semaphore::new(limits.connections));
    let peers = Peers::new(limits.connections, limits.connections_of_one);
    let connections = TaskTracker::new();
    let handshakes = tls.map(|acceptor| Handshakes::new(acceptor, limits.http2_only));
    let cut = hard.child_token();
    loop {
        let accepted = tokio::select! {
            () = soft.cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let Some(counted) = peers.enter(peer.ip()) else {
                    tracing::debug!(%peer, "a network has its share of connections; the next one is closed");
                    continue;
                };
                let (router, soft, cut) = (router.clone(), soft.clone(), cut.clone());
                let handshakes = handshakes.clone();
                // Before the handshake: it is part of the time until the first request.
                let accepted = Instant::now();
                connections.spawn(async move {
                    // A handshake is part of the connection, and so counted with it.
                    let stream = match handshakes {
                        None => Some(Stream::Left(stream)),
                        Some(handshakes) => {
                            let secured = soft.run_until_cancelled(handshakes.one(stream, peer)).await;
                            secured.flatten()
                        }
                    };
                    if let Some(stream) = stream {
                        connection(stream, (peer, accepted), router, limits, soft, cut).await;
                    }
                    drop((counted, permit));
                });
            }
            Err(error) => {
                tracing::warn!(error = %error::chain(&error), "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Closed before the drain: a new client is refused at once instead of waiting for a server that will not answer.
    drop(listener);
    connections.close();
    let drained = tokio::select! {
        done = tokio::time::timeout(grace, connections.wait()) => done.is_ok(),
        () = hard.cancelled() => connections.is_empty(),
    };
    if drained {
        return Ok(());
    }
    let open = connections.len();
    cut.cancel();
    connections.wait().await;
    Err(ServeError::Unfinished { what: "connections", open, grace })
}

type Newcomer = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> std::io::Result<Newcomer> {
    let permit = permits.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

async fn connection(
    stream: Stream,
    (peer, accepted): (SocketAddr, Instant),
    router: axum::Router,
    limits: Limits,
    soft: CancellationToken,
    cut: CancellationToken,
) {
    let work = Work::new();
    let seen = work.clone();
    let leaving = Arc::new(AtomicBool::new(false));
    let leaves = leaving.clone();
    let outgoing = limits.stall.map(|_| Outgoing::new());
    let sent = outgoing.clone();
    let service = service_fn(move |mut request: ::http::Request<hyper::body::Incoming>| {
        let open = seen.begin();
        let multiplexed = request.version() == ::http::Version::HTTP_2;
        request.extensions_mut().insert(ConnectInfo(peer));
        let (answer, sent, leaves) = (router.clone().oneshot(request), sent.clone(), leaves.clone());
        async move {
            let mut answer = answer.await?;
            if leaves.load(Ordering::Relaxed) {
                // The client of a connection of one request at a time hears it with its answer, and sends nothing into its end.
                let (name, value) =
                    if multiplexed { (LEAVE, "1") } else { (::http::header::CONNECTION, "close") };
                answer.headers_mut().insert(name, ::http::HeaderValue::from_static(value));
            }
            Ok::<_, std::convert::Infallible>(answer.map(|body| match &sent {
                Some(outgoing) => Pieces::on(outgoing, body, multiplexed, open),
                None => Pieces::plain(body, open),
            }))
        }
    });
    let builder = builder(limits);
    let (io, service) = (TokioIo::new(stream), TowerToHyperService::new(service));
    let watch = Watch { peer, accepted, limits, work, leaving, outgoing, soft, cut };
    if limits.http2_only {
        // Its settings go out before the client has said anything: a service that calls by TLS waits for them (`tls::Connector`). With
        // upgrades hyper would first look which version the client speaks.
        drive(builder.serve_connection(io, service), |conn| conn.graceful_shutdown(), watch).await;
    } else {
        let conn = builder.serve_connection_with_upgrades(io, service);
        drive(conn, |conn| conn.graceful_shutdown(), watch).await;
    }
}

/// What decides when a connection goes.
struct Watch {
    peer: SocketAddr,
    accepted: Instant,
    limits: Limits,
    work: Arc<Work>,
    leaving: Arc<AtomicBool>,
    outgoing: Option<Arc<Outgoing>>,
    soft: CancellationToken,
    cut: CancellationToken,
}

/// Serves a connection until its end, which `leave` asks for.
async fn drive<C>(conn: C, leave: impl Fn(Pin<&mut C>), watch: Watch)
where
    C: Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>>,
{
    let Watch { peer, accepted, limits, work, leaving, outgoing, soft, cut } = watch;
    let mut conn = std::pin::pin!(conn);
    let first_request = accepted + limits.header_timeout;
    // Without jitter all connections of a start would move at the same moment, again and again.
    let age = limits.max_age.map(|age| accepted + age.mul_f64(rand::random_range(0.9..1.1)));
    let (mut waiting, mut leave_at, mut gone_at, mut extended) = (true, age, None, false);
    let mut idle_at = limits.idle.map(|idle| accepted + idle);
    let half = limits.stall.unwrap_or_default() / 2;
    let mut next_look = accepted + half;
    loop {
        tokio::select! {
            result = conn.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(error = %error::chain(error.as_ref()), "connection ended");
                }
                return;
            }
            () = cut.cancelled() => return,
            () = soft.cancelled(), if gone_at.is_none() => {
                leave(conn.as_mut());
                // The grace of the stop bounds it; this only keeps the branch from running again.
                (leave_at, gone_at) = (None, Some(Instant::now() + Duration::from_secs(86_400)));
            }
            () = sleep_until(leave_at.unwrap_or(accepted)), if leave_at.is_some() => {
                if !leaving.swap(true, Ordering::Relaxed) {
                    leave_at = Some(Instant::now() + LEAVE_GRACE);
                    continue;
                }
                leave(conn.as_mut());
                (leave_at, gone_at, extended) = (None, Some(Instant::now() + limits.age_grace), true);
            }
            () = sleep_until(gone_at.unwrap_or(accepted)), if gone_at.is_some() => {
                if extended || work.quiet().is_some() {
                    return;
                }
                // It was told to go while a request was on its way, and that has come.
                (gone_at, extended) = (Some(Instant::now() + limits.age_grace), true);
            }
            () = sleep_until(idle_at.unwrap_or(accepted)), if idle_at.is_some() && gone_at.is_none() => {
                let (idle, now) = (limits.idle.unwrap_or_default(), Instant::now());
                let due = work.quiet().unwrap_or(now) + idle;
                if due > now {
                    idle_at = Some(due);
                } else {
                    leave(conn.as_mut());
                    (leave_at, gone_at) = (None, Some(now + IDLE_GRACE.min(limits.age_grace)));
                }
            }
            () = sleep_until(first_request), if waiting => {
                waiting = false;
                if !work.began() && gone_at.is_none() {
                    // Told, and not cut: a first request may be on its way.
                    leave(conn.as_mut());
                    (leave_at, gone_at) = (None, Some(Instant::now() + IDLE_GRACE.min(limits.age_grace)));
                }
            }
            () = sleep_until(next_look), if outgoing.is_some() => {
                if outgoing.as_ref().is_some_and(|outgoing| outgoing.is_stuck()) {
                    tracing::debug!(%peer, "a client does not take its answers; the connection is closed");
                    return;
                }
                next_look = Instant::now() + half;
            }
        }
    }
}

fn builder(limits: Limits) -> Builder<Streams> {
    let mut builder = Builder::new(Streams { stall: limits.stall });
    if limits.http2_only {
        builder = builder.http2_only();
    }
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout).max_headers(100);
    if limits.stall.is_some() {
        // Nothing more is taken from a body while so much waits for the socket.
        builder.http1().max_buf_size(2 * PIECE);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    if limits.http2_only {
        // One connection of the gateway carries the calls of many callers. When some of them go away in the same moment, that must
        // not count as an attack by the gateway and end the calls of all others with the connection; the streams at once are
        // bounded, and a reset one is forgotten.
        builder.http2().max_pending_accept_reset_streams(limits.streams as usize);
    }
    builder
}
