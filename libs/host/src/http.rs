//! The public HTTP server of the gateway.

use std::net::SocketAddr;
use std::time::Duration;

use ::config::Hot;
use tls::{FleetTls, PublicTls};
use tokio::net::TcpListener;

use crate::connections::{self, Limits};
use crate::{LifeConfig, Process, ServeError, admin};

/// What the clients of the public API may hold.
#[derive(Clone, Copy, Debug)]
pub struct Clients {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Those of one network (an IPv4 address, an IPv6 /64) while the others have none; further ones are closed. As many as
    /// `connections` is no share: for a listener behind a proxy, which is the peer of all.
    pub connections_of_one: usize,
    /// A connection without a request for this time is asked to go.
    pub idle: Duration,
    /// At this age (give or take a tenth) a connection is asked to go.
    pub age: Duration,
    /// A client that takes no piece of an answer for this time loses it.
    pub stall: Duration,
}

impl Clients {
    const fn limits(self) -> Limits {
        Limits {
            connections: self.connections,
            connections_of_one: self.connections_of_one,
            streams: 250,
            header_timeout: Duration::from_secs(15),
            http2_only: false,
            max_age: Some(self.age),
            idle: Some(self.idle),
            // As long as the longest upload: what runs is never cut off because of the age of its connection.
            age_grace: Duration::from_secs(16 * 60),
            stall: Some(self.stall),
        }
    }
}

/// Serves `router` over HTTP/1.1 and h2c on `listen` until the process stops, with the admin pages beside it. Requests
/// carry `axum::extract::ConnectInfo<SocketAddr>`; upgrades (WebSocket) work. A connection that brings no request head
/// within 15 s is closed; deadlines and body bounds of requests are the router's own. A client that takes no piece of an answer
/// for the stall time loses it: over HTTP/2 the stream is reset, and where that is not possible the connection is closed. With a
/// certificate all of it goes by TLS, and h2 is chosen by ALPN.
pub async fn serve(
    process: Process,
    config: &LifeConfig,
    listen: SocketAddr,
    tls: &Hot<PublicTls>,
    clients: Clients,
    router: axum::Router,
) -> Result<(), ServeError> {
    let listener = connections::listen(listen, "public API").await?;
    serve_on(process, config, listener, tls, clients, router).await
}

/// [`serve`] on a listener that is bound already.
pub async fn serve_on(
    process: Process,
    config: &LifeConfig,
    listener: TcpListener,
    tls: &Hot<PublicTls>,
    clients: Clients,
    router: axum::Router,
) -> Result<(), ServeError> {
    let limits = clients.limits();
    admin::start(&process, config).await?;
    let tls = PublicTls::acceptor(tls, process.name());
    // What it shows the services that it calls.
    FleetTls::show_expiry(&config.tls, process.name());
    if let Ok(address) = listener.local_addr() {
        tracing::info!(role = process.name(), %address, tls = tls.is_some(), "serving HTTP");
    }
    let (grace, hard) = (config.shutdown_grace.0, process.hard());
    connections::serve(listener, tls, router, limits, &process.shutdown, hard, grace).await
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

    const CLIENTS: Clients = Clients {
        connections: 20,
        connections_of_one: 10,
        idle: Duration::from_secs(60),
        age: Duration::from_secs(600),
        stall: Duration::from_secs(20),
    };

    fn config(grace: Duration) -> LifeConfig {
        LifeConfig {
            admin_listen: ([127, 0, 0, 1], 0).into(),
            log_format: LogFormat::Json,
            otlp_endpoint: None,
            shutdown_grace: ::config::Seconds(grace),
            reload_file: None,
            telemetry: ::config::Hot::default(),
            tls: ::config::Hot::default(),
        }
    }

    async fn started(
        router: axum::Router,
        grace: Duration,
        clients: Clients,
    ) -> (Process, SocketAddr, tokio::task::JoinHandle<Option<Result<(), ServeError>>>) {
        let process = Process::without_signals("gateway", Clock::system());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let own = process.clone();
        let served = process.tasks.spawn("test.http", async move {
            serve_on(own, &config(grace), listener, &Hot::default(), clients, router).await
        });
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
        let (process, address, served) = started(router, Duration::from_secs(20), CLIENTS).await;
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
        let (process, address, served) = started(router, Duration::from_millis(50), CLIENTS).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /stuck HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        entered.await.unwrap();
        process.shutdown.cancel();
        let error = served.await.unwrap().unwrap().unwrap_err();
        assert!(matches!(error, ServeError::Unfinished { what: "connections", open: 1, .. }), "{error}");
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    }

    /// A connection to `to` from a network of its own.
    async fn from_network(last: u8, to: SocketAddr) -> TcpStream {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, last], 0).into()).unwrap();
        socket.connect(to).await.unwrap()
    }

    /// Whether a request on this connection is answered; a connection that was closed may be reset under the request.
    async fn answered(stream: &mut TcpStream) -> bool {
        let mut first = [0; 12];
        let sent = stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        sent.is_ok() && stream.read_exact(&mut first).await.is_ok() && first == *b"HTTP/1.1 200"
    }

    #[tokio::test]
    async fn one_network_never_holds_all_connections() {
        let router = axum::Router::new().route("/", get(|| async { "here" }));
        let (process, address, _) = started(router, Duration::from_secs(20), CLIENTS).await;
        let mut held = Vec::new();
        for last in [2, 3, 4] {
            let mut own = 0;
            for _ in 0..CLIENTS.connections {
                let mut stream = from_network(last, address).await;
                if answered(&mut stream).await {
                    own += 1;
                    held.push(stream);
                }
            }
            assert!((1..CLIENTS.connections_of_one).contains(&own), "{own} of one network");
        }
        assert!(answered(&mut from_network(5, address).await).await, "{} are held", held.len());
        // What is given up comes back.
        drop(held);
        let mut again = from_network(2, address).await;
        while !answered(&mut again).await {
            again = from_network(2, address).await;
        }
        process.shutdown.cancel();
    }

    /// An HTTP/2 connection that answers every ping, and its end.
    async fn http2(
        process: &Process,
        address: SocketAddr,
    ) -> (h2::client::SendRequest<bytes::Bytes>, tokio::task::JoinHandle<Option<bool>>) {
        let stream = TcpStream::connect(address).await.unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        let end = process.tasks.spawn("test.client", async move { connection.await.is_ok() });
        (send.ready().await.unwrap(), end)
    }

    fn request(path: &str) -> ::http::Request<()> {
        ::http::Request::get(format!("http://x{path}")).body(()).unwrap()
    }

    #[tokio::test]
    async fn who_brings_no_request_is_asked_to_go_and_who_waits_for_an_answer_is_not() {
        let (go, gate) = tokio::sync::oneshot::channel::<()>();
        let once = std::sync::Arc::new(std::sync::Mutex::new(Some(gate)));
        let slow = get(move || async move {
            let gate = once.lock().unwrap().take().unwrap();
            gate.await.unwrap();
            "at last"
        });
        let router = axum::Router::new().route("/", get(|| async { "here" })).route("/slow", slow);
        let clients = Clients { idle: Duration::from_millis(100), ..CLIENTS };
        let (process, address, _) = started(router, Duration::from_secs(20), clients).await;
        let (mut waits, end_of_waiting) = http2(&process, address).await;
        let answer = waits.send_request(request("/slow"), true).unwrap().0;
        for _ in 0..3 {
            let (mut idle, end) = http2(&process, address).await;
            idle.send_request(request("/"), true).unwrap().0.await.unwrap();
            let end = tokio::time::timeout(Duration::from_secs(30), end).await;
            assert_eq!(end.expect("an idle connection goes").unwrap(), Some(true));
        }
        assert!(!end_of_waiting.is_finished());
        go.send(()).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
        let end = tokio::time::timeout(Duration::from_secs(30), end_of_waiting).await;
        assert_eq!(end.expect("it goes after its answer").unwrap(), Some(true));
        process.shutdown.cancel();
    }

    #[tokio::test]
    async fn a_connection_of_its_age_goes_with_an_answer() {
        let router = axum::Router::new().route("/", get(|| async { "here" }));
        let clients = Clients { age: Duration::from_millis(50), ..CLIENTS };
        let (process, address, _) = started(router, Duration::from_secs(20), clients).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let going = async {
            while !exchange(&mut stream, "/").await.contains("connection: close") {}
            stream.read(&mut [0]).await.unwrap()
        };
        let rest = tokio::time::timeout(Duration::from_secs(30), going).await;
        assert_eq!(rest.expect("it goes"), 0);
        process.shutdown.cancel();
    }
}
