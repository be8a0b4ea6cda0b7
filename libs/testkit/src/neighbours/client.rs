//! HTTP/2 without TLS, one stream at a time or many, with windows and resets in the caller's hand.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{Method, Request};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// An answer that has not come by then does not come.
const ANSWER_BOUND: Duration = Duration::from_secs(60);
/// The window of a connection that reads what it asks for.
const WINDOW: u32 = 8 << 20;

/// An HTTP/2 connection; dropped, it is closed.
#[derive(Debug)]
pub struct Connection {
    send: SendRequest<Bytes>,
    authority: String,
    /// Drives the connection, and ends with it.
    _driver: JoinSet<()>,
}

/// An answer that was read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// Connects to `address` from the loopback address `from`.
pub(super) async fn connect(address: &str, from: IpAddr) -> Result<TcpStream> {
    let to: SocketAddr = address.parse().context("an address of this machine")?;
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Connection {
    /// Opens a connection that reads what it asks for.
    pub async fn open(address: &str, from: IpAddr) -> Result<Self> {
        Self::with_window(address, from, WINDOW).await
    }

    /// Opens a connection that takes `window` bytes of each answer and no more.
    pub(crate) async fn with_window(address: &str, from: IpAddr, window: u32) -> Result<Self> {
        let stream = connect(address, from).await?;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window).initial_connection_window_size(WINDOW).enable_push(false);
        let (send, connection) = builder.handshake(stream).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How it ends is seen by the streams.
            drop(connection.await);
        });
        Ok(Self { send, authority: address.to_owned(), _driver: driver })
    }

    /// Sends a head; with `body`, what follows is the caller's to send.
    pub async fn begin(
        &mut self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&str>,
    ) -> Result<(ResponseFuture, SendStream<Bytes>)> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.authority));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(content_type) = body {
            request = request.header("content-type", content_type);
        }
        let mut send = self.send.clone().ready().await?;
        Ok(send.send_request(request.body(())?, body.is_none())?)
    }

    /// A whole exchange.
    pub async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<(&str, Bytes)>,
    ) -> Result<Answer> {
        let kind = body.as_ref().map(|(kind, _)| *kind);
        let (response, mut stream) = self.begin(method, path, token, kind).await?;
        let whole = async {
            if let Some((_, bytes)) = body {
                stream.send_data(bytes, true)?;
            }
            let (head, body) = response.await?.into_parts();
            anyhow::Ok(Answer { status: head.status.as_u16(), body: read(body).await? })
        };
        tokio::time::timeout(ANSWER_BOUND, whole).await.with_context(|| format!("no answer to {path}"))?
    }
}

async fn read(mut body: RecvStream) -> Result<Bytes> {
    let mut all = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        all.extend_from_slice(&piece);
    }
    Ok(all.into())
}
