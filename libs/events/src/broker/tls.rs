//! AMQP over TLS: `amqps://` with the certificates of [`AmqpConfig::ca_file`](crate::AmqpConfig).
//!
//! lapin's own TLS reads PKCS#12 too, and brings 46 crates for it; rustls alone brings seven. It comes in below lapin: as a
//! reactor of tokio's whose TCP streams speak TLS before anybody has them.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_compat::{Compat, CompatExt};
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_util::{AsyncRead, AsyncWrite, Stream};
use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::BrokerError;

/// How long the connection to one address may take, TLS included: less than the connection as a whole.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// A connection to a broker whose certificate names `host`, which is the URL's; `uri` has one of its addresses instead. The file is read
/// again each time, so that new certificates need no new process.
pub(super) async fn connect(
    uri: AMQPUri,
    host: String,
    properties: ConnectionProperties,
    ca_file: &Path,
) -> Result<Connection, BrokerError> {
    let name = ServerName::try_from(host).map_err(|_| BrokerError::Url)?;
    let authorities = ::tls::roots(ca_file).map_err(|_| BrokerError::Certificates)?;
    let config = ::tls::client_of_store(authorities).map_err(|_| BrokerError::Certificates)?;
    let tokio = Tokio::current();
    let secured = Secured { tokio: tokio.clone(), connector: TlsConnector::from(Arc::new(config)), name };
    let runtime = Runtime::new(RuntimeParts::new(tokio, secured));
    let open = async |uri: AMQPUri, runtime: Runtime<_>| {
        let addresses = lookup_host((uri.authority.host, uri.authority.port)).await?;
        Ok(AsyncTcpStream::connect(&runtime, addresses.collect::<Vec<SocketAddr>>()).await?)
    };
    Ok(Connection::connector(uri, runtime, open, properties).await?)
}

/// Tokio's reactor with TLS in its streams.
#[derive(Clone)]
struct Secured {
    tokio: Tokio,
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Secured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secured").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Reactor for Secured {
    type TcpStream = Compat<TlsStream<TcpStream>>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.tokio.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.tokio.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let (connector, name) = (self.connector.clone(), self.name.clone());
        // lapin waits for this on a thread of its own, which no deadline of ours reaches: without one here, a peer that
        // takes the connection and says nothing would hold a thread and a socket for ever, once for every attempt.
        async move {
            let handshake = async {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                connector.connect(name, stream).await
            };
            let stream = tokio::time::timeout(HANDSHAKE, handshake).await;
            Ok(stream.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??.compat())
        }
    }
}
