//! The public HTTP server of the gateway.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::connections::{self, Limits};
use crate::{LifeConfig, Process, ServeError, admin};

const LIMITS: Limits = Limits {
    connections: 10_000,
    streams: 250,
    header_timeout: Duration::from_secs(15),
    http2_only: false,
    max_age: None,
    age_grace: Duration::from_secs(30),
    stall: None,
};

/// Serves `router` over HTTP/1.1 and h2c on `listen` until the process stops, with the admin pages beside it. Requests
/// carry `axum::extract::ConnectInfo<SocketAddr>`; upgrades (WebSocket) work. A connection that brings no request head
/// within 15 s is closed; deadlines and body bounds of requests are the router's own. A client that takes no piece of an answer
/// for `stall` loses it: over HTTP/2 the stream is reset, and where that is not possible the connection is closed.
pub async fn serve(
    process: Process,
    config: &LifeConfig,
    listen: SocketAddr,
    stall: Duration,
    router: axum::Router,
) -> Result<(), ServeError> {
    let listener = connections::listen(listen, "public API").await?;
    serve_on(process, config, listener, stall, router).await
}

/// [`serve`] on a listener that is bound already.
pub async fn serve_on(
    process: Process,
    config: &LifeConfig,
    listener: TcpListener,
    stall: Duration,
    router: axum::Router,
) -> Result<(), ServeError> {
    let limits = Limits { stall: Some(stall), ..LIMITS };
    admin::start(&process, config).await?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(service = process.name(), %address, "serving HTTP");
    }
    connections::serve(listener, router, limits, &process.shutdown, process.hard(), config.shutdown_grace)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogFormat;
    use axum::extract::ConnectInfo;
    use axum::routing::get;
    use ids::Clock;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    const STALL: Duration = Duration::from_secs(20);

    fn config(grace: Duration) -> LifeConfig {
        LifeConfig {
            admin_listen: ([127, 0, 0, 1], 0).into(),
            log: "info".to_owned(),
            log_format: LogFormat::Json,
            otlp_endpoint: None,
            shutdown_grace: grace,
        }
    }

    async fn started(
        router: axum::Router,
        grace: Duration,
    ) -> (Process, SocketAddr, tokio::task::JoinHandle<Option<Result<(), ServeError>>>) {
        let process = Process::without_signals("gateway", Clock::system());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let own = process.clone();
        let served = process
            .tasks
            .spawn("test.http", async move { serve_on(own, &config(grace), listener, STALL, router).await });
        (process, address, served)
    }

    async fn exchange(stream: &mut TcpStream, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut buffer = vec![0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_request_in_flight_is_answered_and_the_connection_closed_at_the_stop() {
        let (go, gate) = tokio::sync::oneshot::channel::<()>();
        let (inside, entered) = tokio::sync::oneshot::channel::<()>();
        let once = std::sync::Arc::new(std::sync::Mutex::new(Some((gate, inside))));
        let router = axum::Router::new().route(
            "/slow",
            get(move |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
                let (gate, inside) = once.lock().unwrap().take().unwrap();
                inside.send(()).unwrap();
                gate.await.unwrap();
                peer.ip().to_string()
            }),
        );
        let (process, address, served) = started(router, Duration::from_secs(20)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut idle = TcpStream::connect(address).await.unwrap();
        let client = process.tasks.spawn("test.client", async move {
            let answer = exchange(&mut stream, "/slow").await;
            (answer, stream.read(&mut [0]).await.unwrap())
        });
        entered.await.unwrap();
        process.shutdown.cancel();
        assert_eq!(idle.read(&mut [0]).await.unwrap(), 0, "an idle connection is closed at once");
        go.send(()).unwrap();
        let (answer, rest) = client.await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
        assert_eq!(rest, 0);
        served.await.unwrap().unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "the listener is closed");
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_is_cut_off_after_the_grace() {
        let (inside, entered) = tokio::sync::oneshot::channel::<()>();
        let once = std::sync::Arc::new(std::sync::Mutex::new(Some(inside)));
        let router = axum::Router::new().route(
            "/stuck",
            get(move || async move {
                once.lock().unwrap().take().unwrap().send(()).unwrap();
                std::future::pending::<&'static str>().await
            }),
        );
        let (process, address, served) = started(router, Duration::from_millis(50)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /stuck HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        entered.await.unwrap();
        process.shutdown.cancel();
        let error = served.await.unwrap().unwrap().unwrap_err();
        assert!(matches!(error, ServeError::Unfinished { what: "connections", open: 1, .. }), "{error}");
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    }
}
