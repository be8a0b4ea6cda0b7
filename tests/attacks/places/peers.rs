//! One address against the connections of all: connections that bring nothing, or nothing more.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::request;
use crate::stage::Stage;
use crate::waiting::until;

const CONNECTIONS: usize = 40;
const OF_ONE: usize = 20;

/// A connection from an address of its own.
async fn from_address(stage: &Stage, last: u8) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, last], 0).into())?;
    socket.connect(([127, 0, 0, 1], stage.ports.public).into()).await
}

async fn probe(stage: &Stage, last: u8) -> std::io::Result<TcpStream> {
    let mut stream = from_address(stage, last).await?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n").await?;
    let mut first = [0; 12];
    stream.read_exact(&mut first).await?;
    assert_eq!(&first, b"HTTP/1.1 200");
    Ok(stream)
}

/// An HTTP/2 connection that answers every ping and asks for something once; `None` when it was not taken.
async fn quiet(stage: &Stage, last: u8) -> Option<h2::client::SendRequest<Bytes>> {
    let stream = from_address(stage, last).await.ok()?;
    let (send, connection) = h2::client::handshake(stream).await.ok()?;
    tokio::spawn(async move { drop(connection.await) });
    let mut ready = send.ready().await.ok()?;
    let asked = ready.send_request(request(Method::GET, "/healthz", &[]), true).ok()?;
    asked.0.await.ok()?;
    Some(ready)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_never_takes_the_connections_of_others() {
    let (connections, of_one) = (CONNECTIONS.to_string(), OF_ONE.to_string());
    let variables = [
        ("GLOBCRM_GATEWAY_MAX_CONNECTIONS", connections.as_str()),
        ("GLOBCRM_GATEWAY_MAX_CONNECTIONS_NETWORK", of_one.as_str()),
        ("GLOBCRM_GATEWAY_CONNECTION_IDLE", "3"),
    ];
    let stage = tokio::task::block_in_place(|| Stage::start_with(&variables));
    let mut held = Vec::new();
    // HTTP/2 that answers pings, HTTP/1 that is kept alive, and sockets that say nothing: two addresses, three, four.
    for last in 2..6 {
        let (mut http2, mut http1, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..CONNECTIONS / 2 {
            http2.extend(quiet(&stage, last).await);
            http1.extend(probe(&stage, last).await);
            silent.extend(from_address(&stage, last).await);
        }
        assert!(http2.len() + http1.len() < OF_ONE, "{} and {} of one address", http2.len(), http1.len());
        held.push((http2, http1, silent));
        let other = tokio::time::timeout(Duration::from_secs(30), probe(&stage, 100 + last)).await;
        other.expect("another address is not kept waiting").expect("nor closed");
    }
    // Whoever brings nothing more is asked to go, pings or not.
    for (http2, ..) in &held {
        for connection in http2 {
            until(Duration::from_secs(60), "an idle connection goes", async || {
                connection.clone().ready().await.is_err()
            })
            .await;
        }
    }
}
