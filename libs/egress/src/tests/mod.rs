//! The guard and the client, against real sockets on loopback addresses. A test that calls a server allows the address that it listens on, as
//! an operator would.

#![allow(clippy::disallowed_methods, reason = "a test is its own owner of tasks")]

mod addresses;
mod certificates;
mod guard;
mod hostile;
mod names;
mod plain;
mod settings;
mod urls;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tls::RootCertStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    Attempt, Client, Deadlines, EgressConfig, Policy, Request, Resolve, ResolveError, Resolved, Target,
};

/// Where servers of tests listen that may be called.
const ALLOWED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Where none listens, though it may be called.
const EMPTY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// Where those listen that nobody may call.
const FORBIDDEN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
/// What can only be reached by a defect.
const LONG: Duration = Duration::from_secs(30);

/// Enough for loopback, however busy the machine.
const PATIENT: Deadlines = Deadlines { dns: LONG, connect: LONG, tls: LONG, total: LONG };

/// `http://`, and the address of the tests' servers and its neighbour, [`EMPTY`].
fn policy() -> Policy {
    Policy { allow_http: true, addresses: "127.0.0.2/31".parse().unwrap() }
}

/// Answers what a test has written down, in its order, and counts.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&[Ipv4Addr]]) -> Arc<Self> {
        let answer =
            |addresses: &&[Ipv4Addr]| addresses.iter().map(|address| IpAddr::from(*address)).collect();
        Arc::new(Self { answers: Mutex::new(answers.iter().map(answer).collect()), ..Self::default() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Scripted {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolved<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move { answer.ok_or(ResolveError::NoAddress) })
    }
}

/// A client that trusts nobody, for `http://`.
fn client(resolver: Arc<dyn Resolve>, deadlines: Deadlines) -> Client {
    let config = EgressConfig { policy: policy(), authorities: RootCertStore::empty() };
    Client::new(config, deadlines, resolver).unwrap()
}

fn target(url: &str) -> Target {
    Target::read(url, &policy()).unwrap()
}

fn request() -> Request {
    Request::post(HeaderMap::new(), Bytes::from_static(b"{\"hello\":1}")).unwrap()
}

/// Calls what listens there.
async fn called(at: SocketAddr, deadlines: Deadlines) -> Attempt {
    let target = target(&format!("http://{at}/hook?a=1"));
    client(Scripted::new(&[]), deadlines).call(&target, &request()).await
}

/// A server for each of whose connections `serve` runs; where it listens.
async fn server<F, Served>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Served + Send + 'static,
    Served: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((ALLOWED, 0)).await.unwrap();
    serving(listener, serve)
}

fn serving<F, Served>(listener: TcpListener, serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Served + Send + 'static,
    Served: Future<Output = ()> + Send + 'static,
{
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    at
}

/// A server that reads the request, sends these bytes and ends the connection.
async fn answering(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = Arc::new(bytes.into());
    server(move |mut stream| {
        let bytes = bytes.clone();
        async move {
            taken(&mut stream).await;
            // The other side may have heard enough before the end.
            drop(stream.write_all(&bytes).await);
            drop(stream.shutdown().await);
        }
    })
    .await
}

/// Reads a request to the end of its body.
async fn taken(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"{\"hello\":1}") {
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Listens and takes nothing: who connects is seen.
struct Canary(StdListener);

impl Canary {
    fn at(address: impl Into<IpAddr>, port: u16) -> Self {
        let listener = StdListener::bind((address.into(), port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Whether nobody has connected since.
    fn is_untouched(&self) -> bool {
        self.0.accept().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}
