//! The HTTP client below `object_store`: hyper and rustls, which the program has for gRPC and for the broker. `object_store` would bring
//! reqwest, and with it a second way to TLS.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};
use tokio::time::{Sleep, sleep, timeout};

use crate::config::S3Config;
use crate::error::StoreError;

/// How long the connection to one address may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Connections that wait for the next request, and for how long: less than servers keep theirs.
const IDLE: usize = 8;
const IDLE_FOR: Duration = Duration::from_secs(15);
/// What an answer that is not an object may have: a page of a list has a thousand names.
const MAX_ANSWER: u64 = 8 << 20;

/// Gives `object_store` its client.
#[derive(Clone, Debug)]
pub(super) struct Connector(Http);

impl Connector {
    /// Reads the certificates.
    pub(super) fn new(config: &S3Config) -> Result<Self, StoreError> {
        let is_plain = config.endpoint.as_deref().is_some_and(|url| url.starts_with("http:"));
        // Without certificates nobody is trusted.
        let roots = if is_plain { Ok(tls::RootCertStore::empty()) } else { tls::roots(&config.ca_file) };
        let tls = tls::client_of_store(roots.map_err(generic)?).map_err(generic)?;
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let schemes = HttpsConnectorBuilder::new().with_tls_config(tls);
        let schemes = if config.allow_http { schemes.https_or_http() } else { schemes.https_only() };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE)
            .pool_idle_timeout(IDLE_FOR)
            .build(schemes.enable_http1().wrap_connector(tcp));
        Ok(Self(Http { client, deadline: config.timeout }))
    }
}

fn generic(source: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(source) }
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

#[derive(Clone)]
struct Http {
    client: Client<HttpsConnector<Tcp>, HttpRequestBody>,
    deadline: Duration,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // An object may be large: whoever reads it has asked for it. Lists have a query.
        let is_object = request.method() == Method::GET && request.uri().query().is_none();
        let answered = timeout(self.deadline, self.client.request(request)).await.map_err(|_| late())?;
        let (parts, body) = answered.map_err(|error| failed(&error, error.is_connect()))?.into_parts();
        let body = Answer {
            body,
            deadline: self.deadline,
            waiting: None,
            left: (!(is_object && parts.status.is_success())).then_some(MAX_ANSWER),
        };
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

fn late() -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))
}

/// The kind decides whether it is tried again; the text has all causes, as the layers above tell the first only.
fn failed(error: &(dyn Error + 'static), is_connect: bool) -> HttpError {
    let mut kind = if is_connect { HttpErrorKind::Connect } else { HttpErrorKind::Unknown };
    let mut cause = Some(error);
    while let Some(error) = cause.filter(|_| kind == HttpErrorKind::Unknown) {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            // Whatever the server has done of it, each of our requests may be made again.
            if error.is_closed() || error.is_incomplete_message() || error.is_body_write_aborted() {
                kind = HttpErrorKind::Request;
            }
        } else if let Some(error) = error.downcast_ref::<io::Error>() {
            kind = match error.kind() {
                io::ErrorKind::TimedOut => HttpErrorKind::Timeout,
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => HttpErrorKind::Request,
                _ => kind,
            };
        }
        cause = error.source();
    }
    HttpError::new(kind, io::Error::other(error::chain(error).to_string()))
}

/// An answer that fails when nothing comes for too long, or more than it may have.
struct Answer {
    body: Incoming,
    deadline: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    /// Bytes that may still come, where there is a bound.
    left: Option<u64>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            let deadline = self.deadline;
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(deadline)));
            ready!(waiting.as_mut().poll(cx));
            return Poll::Ready(Some(Err(late())));
        };
        self.waiting = None;
        let frame = match frame {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(failed(&error, false)))),
            Some(Ok(frame)) => frame,
        };
        let came = frame.data_ref().map_or(0, |data| data.len() as u64);
        if let Some(left) = self.left {
            let Some(left) = left.checked_sub(came) else {
                let error = io::Error::other("the answer is too long");
                return Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Decode, error))));
            };
            self.left = Some(left);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
