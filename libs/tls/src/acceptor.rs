//! The server's side of handshakes.

use std::sync::Arc;
use std::{fmt, io};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::HandshakeError;
use crate::handshake::DEADLINE;

/// The first byte of a client that speaks TLS (RFC 8446, 5.1). Plain HTTP begins with a letter.
const HANDSHAKE: u8 = 22;

/// A connection with a client, plain or by TLS. One type, so that what is said on it is compiled once; boxed, as TLS is large.
pub type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Does handshakes with the certificate in force. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    also_plain: bool,
    now: Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>,
    port: &'static str,
    failed: Counter<u64>,
    plain: Counter<u64>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Acceptor {
    pub(crate) fn new(
        port: &'static str,
        also_plain: bool,
        now: impl Fn() -> Arc<ServerConfig> + Send + Sync + 'static,
    ) -> Self {
        let meter = opentelemetry::global::meter("globcrm.tls");
        let failed = meter
            .u64_counter("globcrm.tls.handshakes.failed")
            .with_description("TLS handshakes with clients that failed")
            .build();
        let plain = meter
            .u64_counter("globcrm.tls.plain")
            .with_description("Connections of clients without TLS, which TLS_ALSO_PLAIN lets in")
            .build();
        Self { also_plain, now: Arc::new(now), port, failed, plain }
    }

    /// Whether clients that do not speak TLS are taken, too.
    pub fn takes_plain(&self) -> bool {
        self.also_plain
    }

    /// The handshake with a client, within ten seconds.
    pub async fn accept(&self, stream: TcpStream) -> Result<Stream, HandshakeError> {
        let result = match timeout(DEADLINE, self.accepted(stream)).await {
            Ok(done) => done.map_err(HandshakeError::Failed),
            Err(_) => Err(HandshakeError::Late(DEADLINE)),
        };
        if result.is_err() {
            self.failed.add(1, &[KeyValue::new("port", self.port)]);
        }
        result
    }

    async fn accepted(&self, stream: TcpStream) -> io::Result<Stream> {
        if self.also_plain {
            let mut first = [0];
            // It stays where it is. At the end of a connection the handshake reports it.
            if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
                self.plain.add(1, &[KeyValue::new("port", self.port)]);
                return Ok(Stream::Left(stream));
            }
        }
        TlsAcceptor::from((self.now)()).accept(stream).await.map(|secured| Stream::Right(Box::new(secured)))
    }
}
