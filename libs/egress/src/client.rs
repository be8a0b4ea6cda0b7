//! The client: what is done in which order, and by when.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{self, ClientConfig};
use tokio_util::either::Either;
use url::Host;

use crate::attempt::Seen;
use crate::exchange::{self, Stream};
use crate::{Attempt, ConnectFailure, EgressConfig, Failure, Phase, Policy, Request, Resolve, Target};

/// How long each part of a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Resolving the host's name.
    pub dns: Duration,
    /// Connecting; addresses that are tried one after the other share it.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// All of it, from the name to the last byte of the body.
    pub total: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { dns: seconds(2), connect: seconds(3), tls: seconds(3), total: seconds(10) }
    }
}

/// Most addresses of a host that are tried.
const MOST_ADDRESSES: usize = 3;

/// Calls addresses that customers choose. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    policy: Policy,
    deadlines: Deadlines,
    tls: Arc<ClientConfig>,
    resolver: Arc<dyn Resolve>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("policy", &self.policy)
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client for these settings.
    pub fn new(
        config: EgressConfig,
        deadlines: Deadlines,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, rustls::Error> {
        let tls = Arc::new(tls::client_of_store(config.authorities)?);
        Ok(Self { policy: config.policy, deadlines, tls, resolver })
    }

    /// What URLs and addresses must be like, for [`Target::read`].
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether the host has an address now, and only such as may be called: for whoever enters a URL. It is no promise, as names change; each call
    /// looks for itself.
    pub async fn check(&self, target: &Target) -> Result<(), Failure> {
        self.resolved(target, &mut Seen::default()).await.map(drop)
    }

    /// Makes one call, over a connection of its own, which ends with it.
    ///
    /// It may be dropped at any point, and leaves nothing then. No redirect is followed, no proxy is used, and nothing is decompressed.
    pub async fn call(&self, target: &Target, request: &Request) -> Attempt {
        let began = Instant::now();
        let mut seen = Seen::default();
        let done = timeout(self.deadlines.total, Box::pin(self.made(target, request, &mut seen))).await;
        let failure = match done {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure),
            Err(_) => Some(Failure::Timeout(seen.phase)),
        };
        seen.ended(began.elapsed(), failure)
    }

    async fn made(&self, target: &Target, request: &Request, seen: &mut Seen) -> Result<(), Failure> {
        let addresses = self.resolved(target, seen).await?;
        let stream = self.connected(target, &addresses, seen).await?;
        let stream = self.secured(target, stream, seen).await?;
        exchange::spoken(target, request, stream, seen).await
    }

    /// The addresses of the host, if every one of them may be called. One that may not be makes the others suspect: a name that leads into this
    /// network is either a mistake or an attack.
    async fn resolved(&self, target: &Target, seen: &mut Seen) -> Result<Vec<IpAddr>, Failure> {
        let addresses = match target.host() {
            // No resolver is asked, and so none could refuse.
            Host::Ipv4(address) => vec![IpAddr::from(*address)],
            Host::Ipv6(address) => vec![IpAddr::from(*address)],
            Host::Domain(name) => {
                let began = Instant::now();
                let answer = timeout(self.deadlines.dns, self.resolver.resolve(name)).await;
                seen.timings.dns = Some(began.elapsed());
                answer.map_err(|_| Failure::Timeout(Phase::Dns))?.map_err(|_| Failure::Dns)?
            }
        };
        if addresses.is_empty() {
            return Err(Failure::Dns);
        }
        let may_be_called = |address: &IpAddr| self.policy.addresses.permits(*address);
        if addresses.iter().all(may_be_called) { Ok(addresses) } else { Err(Failure::Address) }
    }

    /// A connection to the first address that takes one.
    async fn connected(
        &self,
        target: &Target,
        addresses: &[IpAddr],
        seen: &mut Seen,
    ) -> Result<TcpStream, Failure> {
        seen.phase = Phase::Connect;
        let began = Instant::now();
        let tried = &addresses[..addresses.len().min(MOST_ADDRESSES)];
        // One that swallows packets must not keep the next from its turn.
        let each = self.deadlines.connect / tried.len().max(1) as u32;
        let mut failure = Failure::Connect(ConnectFailure::Other);
        for address in tried {
            let address = SocketAddr::new(*address, target.port());
            seen.address = Some(address);
            let connected = timeout(each, TcpStream::connect(address)).await;
            seen.timings.connect = Some(began.elapsed());
            failure = match connected {
                Ok(Ok(stream)) => match stream.set_nodelay(true) {
                    Ok(()) => return Ok(stream),
                    Err(error) => Failure::Connect(error.into()),
                },
                Ok(Err(error)) => Failure::Connect(error.into()),
                Err(_) => Failure::Timeout(Phase::Connect),
            };
        }
        Err(failure)
    }

    async fn secured(&self, target: &Target, stream: TcpStream, seen: &mut Seen) -> Result<Stream, Failure> {
        if !target.is_secure() {
            return Ok(Either::Left(stream));
        }
        seen.phase = Phase::Tls;
        let began = Instant::now();
        let connector = TlsConnector::from(self.tls.clone());
        let secured = timeout(self.deadlines.tls, connector.connect(target.server_name(), stream)).await;
        seen.timings.tls = Some(began.elapsed());
        match secured {
            Ok(Ok(stream)) => Ok(Either::Right(Box::new(stream))),
            Ok(Err(error)) => Err(Failure::Tls(error.into())),
            Err(_) => Err(Failure::Timeout(Phase::Tls)),
        }
    }
}
