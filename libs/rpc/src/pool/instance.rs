//! One instance of a peer and its connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tls::{Connector, HandshakeError, Secured, ServerName};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};
use tonic::transport::{Channel, Endpoint};

use crate::body::Held;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// With TLS on it: both sides compute, and the server speaks first.
const SECURE_TIMEOUT: Duration = Duration::from_secs(2);
/// Until the handshake is done, less than for all: one that is silent in it is told like one that refuses.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(1_800);
/// Bytes of one frame of an answer.
const MAX_FRAME: u32 = 64 * 1024;
/// Bytes of headers of an answer. The largest error has 24 KiB of details (`error::MAX_ENCODED`), a third more in base64.
const MAX_HEADERS: u32 = 64 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Between two attempts that calls asked for.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// So many failures in a row, and the instance is left alone for a while, if enough others are left.
const EJECT_AFTER: u32 = 5;
const EJECT_FOR: Duration = Duration::from_secs(10);
/// Calls broken off on one connection until it is exchanged. What a peer sends for a call that the client has reset counts as an error
/// of the connection when more than a few are reset in a second (h2), and at the thousandth the connection ends with all its calls:
/// callers who go would end the calls of those who stay. Each broken-off call brings three frames at most.
const MAX_BROKEN_OFF: u64 = 250;
/// After a failure an instance is the second choice for this long. Failing fast would else make it look idle.
const SUSPECT_FOR: Duration = Duration::from_secs(1);

/// How instances of a peer are connected to.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// What calls name: the service, wherever its instances are.
    pub(crate) url: Uri,
    /// Handshakes, and the name that the certificate of each instance must have; nothing where it is plain.
    pub(crate) tls: Option<(Connector, ServerName<'static>)>,
}

impl Way {
    /// Without TLS.
    #[cfg(test)]
    pub(crate) fn plain(url: Uri) -> Self {
        Self { url, tls: None }
    }
}

/// What became of a call, as far as the instance is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It answered, whatever it said.
    Answered,
    /// It broke off or did not answer in time.
    Failed,
    /// It could not be connected to.
    Unreachable,
}

/// One instance.
#[derive(Debug)]
pub(super) struct Instance {
    address: SocketAddr,
    channel: Mutex<Option<Channel>>,
    in_flight: AtomicUsize,
    failures: AtomicU32,
    suspect_until: Mutex<Option<Instant>>,
    ejected: Mutex<bool>,
    /// The number of the connection, and the one that is to be exchanged.
    connection: AtomicU64,
    leaving: AtomicU64,
    exchange: Notify,
    /// Calls broken off on the newest connection.
    broken_off: AtomicU64,
    /// Attempts to connect that have ended.
    attempts: AtomicU64,
    hurry: Notify,
    lost: Notify,
    /// What the last handshake came to, if it was told.
    refused: Mutex<Option<String>>,
}

/// A place at an instance: counts as in flight until dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    instance: Arc<Instance>,
    channel: Channel,
    connection: u64,
    /// Nothing of the call is on its way any more.
    over: AtomicBool,
}

impl Held for Lease {
    fn came(&self) {
        self.over();
    }
}

impl Lease {
    /// The connection.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The peer wants this connection to be left: the next calls get a new one, and those on it end in peace.
    pub(crate) fn leave(&self) {
        if self.instance.leaving.fetch_max(self.connection, Ordering::Relaxed) < self.connection {
            self.instance.exchange.notify_one();
        }
    }

    /// The call has ended by itself.
    pub(crate) fn over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(super) fn instance(&self) -> &Instance {
        &self.instance
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.instance.in_flight.fetch_sub(1, Ordering::Relaxed);
        let newest = self.connection == self.instance.connection.load(Ordering::Relaxed);
        if !*self.over.get_mut()
            && newest
            && self.instance.broken_off.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_BROKEN_OFF
        {
            self.leave();
        }
    }
}

impl Instance {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            channel: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            failures: AtomicU32::new(0),
            suspect_until: Mutex::default(),
            ejected: Mutex::new(false),
            connection: AtomicU64::new(0),
            leaving: AtomicU64::new(0),
            exchange: Notify::new(),
            broken_off: AtomicU64::new(0),
            attempts: AtomicU64::new(0),
            hurry: Notify::new(),
            lost: Notify::new(),
            refused: Mutex::default(),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn is_up(&self) -> bool {
        lock(&self.channel).is_some()
    }

    pub(super) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Acquire)
    }

    /// Asks for an attempt soon; the attempts ended so far.
    pub(super) fn hurry(&self) -> u64 {
        let attempts = self.attempts();
        self.hurry.notify_one();
        attempts
    }

    /// What choosing it costs: calls in flight, and much more after a failure.
    pub(super) fn burden(&self) -> usize {
        let suspect = lock(&self.suspect_until).is_some_and(|until| until > Instant::now());
        self.in_flight.load(Ordering::Relaxed) + if suspect { 1_000 } else { 0 }
    }

    pub(super) fn lease(self: &Arc<Self>) -> Option<Lease> {
        let (channel, connection) = {
            let channel = lock(&self.channel);
            (channel.clone()?, self.connection.load(Ordering::Relaxed))
        };
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Lease { instance: self.clone(), channel, connection, over: AtomicBool::new(false) })
    }

    pub(super) fn note(&self, outcome: Outcome, may_eject: bool) {
        if outcome == Outcome::Answered {
            self.failures.store(0, Ordering::Relaxed);
            return;
        }
        *lock(&self.suspect_until) = Some(Instant::now() + SUSPECT_FOR);
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let eject = failures >= EJECT_AFTER && may_eject;
        if outcome == Outcome::Unreachable || eject {
            *lock(&self.ejected) = eject;
            *lock(&self.channel) = None;
            self.lost.notify_one();
        }
    }

    fn adopt(&self, new: Channel) {
        let mut channel = lock(&self.channel);
        self.connection.fetch_add(1, Ordering::Relaxed);
        self.broken_off.store(0, Ordering::Relaxed);
        *lock(&self.refused) = None;
        *channel = Some(new);
    }

    /// Exchanges the connection whenever the peer asks for it, the new one first; ends when it is lost.
    async fn exchanged_until_lost(&self, way: &Way) {
        loop {
            tokio::select! {
                () = self.lost.notified() => return,
                () = self.exchange.notified() => {}
            }
            match connect(self.address, way).await {
                // Between the two it may have been lost; then it is up again, and the note of it is stale.
                Ok(channel) => self.adopt(channel),
                // The old one is good until the peer closes it.
                Err(error) => {
                    self.tell_refusal(way, &error);
                    tracing::debug!(address = %self.address, error = &error as &dyn std::error::Error, "not exchanged");
                }
            }
        }
    }

    /// Says once what a handshake came to: it does not heal by itself, and is tried every two seconds.
    fn tell_refusal(&self, way: &Way, error: &tonic::transport::Error) {
        let Some(failed) = handshake(error) else { return };
        // How long ago a certificate ended is another text each second.
        let text = error::timeless(&failed.to_string());
        let mut told = lock(&self.refused);
        if told.as_ref() != Some(&text) {
            tracing::warn!(
                url = %way.url,
                address = %self.address,
                error = %error::chain(failed),
                "no TLS connection to a service"
            );
            *told = Some(text);
        }
    }

    /// Connects, and again whenever the connection is lost. Ends never.
    pub(super) async fn keep_connected(&self, way: &Way, changed: &watch::Sender<()>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let connected = connect(self.address, way).await;
            let up = connected.is_ok();
            match connected {
                Ok(channel) => {
                    self.failures.store(0, Ordering::Relaxed);
                    *lock(&self.suspect_until) = None;
                    self.adopt(channel);
                    pause = FIRST_PAUSE;
                }
                Err(error) => {
                    self.tell_refusal(way, &error);
                    tracing::debug!(address = %self.address, error = &error as &dyn std::error::Error, "not connected");
                }
            }
            self.attempts.fetch_add(1, Ordering::Release);
            changed.send_replace(());
            if up {
                self.exchanged_until_lost(way).await;
                if std::mem::take(&mut *lock(&self.ejected)) {
                    tracing::warn!(address = %self.address, "an instance fails and is left alone for {EJECT_FOR:?}");
                    tokio::time::sleep(EJECT_FOR).await;
                }
            } else {
                tokio::time::sleep(SHORTEST_PAUSE).await;
                tokio::select! {
                    () = tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))) => {}
                    () = self.hurry.notified() => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

async fn connect(address: SocketAddr, way: &Way) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        // Calls go to the address and name the service, as a proxy between would want.
        .origin(way.url.clone())
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(3))
        .keep_alive_while_idle(true)
        // A page of a list in one frame rather than three.
        .max_frame_size(MAX_FRAME)
        .http2_max_header_list_size(MAX_HEADERS)
        .tcp_nodelay(true);
    if let Some((connector, name)) = &way.tls {
        let (connector, name) = (connector.clone(), name.clone());
        let connecting = tower::service_fn(move |_: Uri| secured(address, connector.clone(), name.clone()));
        return endpoint.connect_timeout(SECURE_TIMEOUT).connect_with_connector(connecting).await;
    }
    #[allow(clippy::disallowed_methods, reason = "the one place where connections are made")]
    endpoint.connect().await
}

async fn secured(
    address: SocketAddr,
    connector: Connector,
    name: ServerName<'static>,
) -> Result<TokioIo<Secured>, BoxError> {
    let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let done = timeout_at(deadline, connector.connect(stream, name)).await;
    Ok(TokioIo::new(done.unwrap_or(Err(HandshakeError::Late(HANDSHAKE_TIMEOUT)))?))
}

/// The handshake that failed, if that is why there is no connection.
fn handshake<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a HandshakeError> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use ::config::{Env, load};
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use tls::FleetTls;
    use tokio::net::TcpListener;

    use super::*;

    /// Handshakes with the certificate of an authority of its own.
    fn connector() -> Connector {
        let directory = std::env::temp_dir().join(format!("globcrm-rpc-unit-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let mut params = CertificateParams::new(vec!["records".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["records".to_owned()]).unwrap();
        let own = own.signed_by(&key, &authority).unwrap();
        let texts = [("CERT", own.pem()), ("KEY", key.serialize_pem()), ("CA", authority.pem())];
        let env: Env = texts
            .into_iter()
            .map(|(name, text)| {
                let path = directory.join(name);
                std::fs::write(&path, text).unwrap();
                (format!("GLOBCRM_FLEET_TLS_{name}_FILE"), path.to_str().unwrap().to_owned())
            })
            .collect();
        let tls = load::<FleetTls>(&env, "RECORDS").unwrap();
        std::fs::remove_dir_all(directory).unwrap();
        FleetTls::connector(&tls.into()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_silent_in_the_handshake_is_recognised() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let name = ServerName::try_from("records").unwrap();
        let way = Way { url: "https://records:1".parse().unwrap(), tls: Some((connector(), name)) };
        let silent = connect(address, &way).await.err().unwrap();
        assert!(matches!(handshake(&silent), Some(HandshakeError::Late(_))), "{silent:?}");
        drop(listener);
        let away = connect(address, &way).await.err().unwrap();
        assert!(handshake(&away).is_none(), "{away:?}");
    }
}
