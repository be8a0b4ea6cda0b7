//! TLS before a connection's first request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tls::{Acceptor, HandshakeError, Stream};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Between two lines about handshakes that failed: peers try again every second or two.
const PAUSE: Duration = Duration::from_secs(10);

/// The handshakes of one listener. Cheap to clone; clones are one.
#[derive(Clone, Debug)]
pub(super) struct Handshakes {
    acceptor: Acceptor,
    /// Only services come here: one that fails is somebody's wrong certificate, and worth a line. On a public port anybody can make them
    /// fail, so there they are counted and no more.
    are_of_services: bool,
    untold: Arc<Mutex<Untold>>,
}

#[derive(Debug, Default)]
struct Untold {
    told_at: Option<Instant>,
    since: u64,
}

impl Handshakes {
    pub(super) fn new(acceptor: Acceptor, are_of_services: bool) -> Self {
        Self { acceptor, are_of_services, untold: Arc::default() }
    }

    /// The connection after its handshake, if it comes to that.
    pub(super) async fn one(&self, stream: TcpStream, peer: SocketAddr) -> Option<Stream> {
        match self.acceptor.accept(stream).await {
            Ok(secured) => Some(secured),
            Err(failed) => {
                self.tell(peer, &failed);
                None
            }
        }
    }

    fn tell(&self, peer: SocketAddr, failed: &HandshakeError) {
        let untold = if self.are_of_services { self.turn() } else { None };
        let Some(untold) = untold else {
            tracing::debug!(%peer, error = %error::chain(failed), "a TLS handshake failed");
            return;
        };
        tracing::warn!(
            %peer,
            error = %error::chain(failed),
            untold,
            "the TLS handshake of a caller failed: callers need a certificate that TLS_CA_FILE accepts"
        );
    }

    /// How many were not told since the last one that was, if this one may be.
    fn turn(&self) -> Option<u64> {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        if untold.told_at.is_some_and(|at| at.elapsed() < PAUSE) {
            untold.since += 1;
            return None;
        }
        untold.told_at = Some(Instant::now());
        Some(std::mem::take(&mut untold.since))
    }
}
