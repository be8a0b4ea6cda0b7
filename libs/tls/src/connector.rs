//! The client's side of handshakes.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::HandshakeError;

/// Holds the first bytes of the server; what reads more at once goes past it.
const FIRST_BYTES: usize = 256;

/// A connection whose server has taken the client's certificate.
pub type Secured = BufReader<TlsStream<TcpStream>>;

/// Does handshakes with the certificates in force. Cheap to clone.
#[derive(Clone)]
pub struct Connector(Arc<dyn Fn() -> Arc<ClientConfig> + Send + Sync>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl Connector {
    pub(crate) fn new(now: impl Fn() -> Arc<ClientConfig> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The handshake with a server whose certificate must be for `name`, until the server's first bytes. The caller sets the deadline.
    ///
    /// The bytes are waited for because of TLS 1.3: there the client is done before the server has looked at its certificate, and a refusal
    /// comes in the place of the first bytes. HTTP/2 servers that know what they speak send their settings at once.
    pub async fn connect(
        &self,
        stream: TcpStream,
        name: ServerName<'static>,
    ) -> Result<Secured, HandshakeError> {
        let connected = TlsConnector::from((self.0)()).connect(name, stream).await;
        let mut secured = BufReader::with_capacity(FIRST_BYTES, connected.map_err(HandshakeError::Failed)?);
        match secured.fill_buf().await {
            Ok([]) => Err(HandshakeError::Closed),
            Ok(_) => Ok(secured),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(HandshakeError::Closed),
            Err(error) => Err(HandshakeError::Failed(error)),
        }
    }
}
