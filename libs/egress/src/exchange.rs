//! A request and its answer on a connection.

use std::pin::pin;

use bytes::Bytes;
use http::{HeaderValue, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::attempt::Seen;
use crate::metered::{Metered, TooMuch};
use crate::{Failure, Phase, Request, Target};

/// Most bytes of a body that are kept. What comes behind them is not read, and the connection ends.
pub const MOST_BODY_BYTES: usize = 16 << 10;
/// Most bytes of status and headers.
pub const MOST_HEAD_BYTES: usize = 16 << 10;
/// Most headers.
pub const MOST_HEADERS: usize = 100;
/// Most bytes that are read of a connection, with interim answers and what frames a body.
pub const MOST_READ_BYTES: usize = 128 << 10;

/// What hyper holds of what came and was not taken.
const BUFFER: usize = 32 << 10;

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("GlobCRM/", env!("CARGO_PKG_VERSION")));

/// A connection, plain or by TLS; boxed, as TLS is large.
pub(crate) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Sends the request and reads the answer into `seen`, as far as it is kept.
pub(crate) async fn spoken(
    target: &Target,
    request: &Request,
    stream: Stream,
    seen: &mut Seen,
) -> Result<(), Failure> {
    seen.phase = Phase::Answer;
    let began = Instant::now();
    let io = TokioIo::new(Metered::new(stream, MOST_READ_BYTES));
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER)
        .max_header_size(MOST_HEAD_BYTES)
        .max_headers(MOST_HEADERS)
        .handshake(io)
        .await
        .map_err(|_| Failure::Broken)?;
    let answered = async {
        let answer = sender.send_request(message(target, request)).await.map_err(|error| of_head(&error))?;
        seen.timings.first_byte = Some(began.elapsed());
        seen.phase = Phase::Body;
        let (head, mut body) = answer.into_parts();
        seen.head = Some((head.status, head.headers));
        while let Some(frame) = body.frame().await {
            let data = match frame {
                Ok(frame) => frame.into_data().unwrap_or_default(),
                // What is kept is whole enough: the rest is framing without end.
                Err(error) if TooMuch::is_cause_of(&error) => return Ok(()),
                Err(_) => return Err(Failure::Broken),
            };
            let room = MOST_BODY_BYTES - seen.body.len();
            seen.body.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return Ok(());
            }
        }
        seen.is_whole = true;
        Ok(())
    };
    beside(answered, connection).await
}

/// Works while the connection is driven; both end with the work. No task is made for it, so nothing outlives a call that is dropped.
async fn beside<T>(work: impl Future<Output = T>, connection: impl Future) -> T {
    let mut work = pin!(work);
    let mut connection = pin!(connection);
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            // How it ended is told to the work.
            _ = &mut connection, if is_open => is_open = false,
        }
    }
}

fn message(target: &Target, request: &Request) -> http::Request<Full<Bytes>> {
    let mut message = http::Request::new(Full::new(request.body.clone()));
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = Uri::from(target.path());
    let headers = message.headers_mut();
    *headers = request.headers.clone();
    headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
    headers.insert(header::HOST, target.authority());
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    message
}

fn of_head(error: &hyper::Error) -> Failure {
    if error.is_parse_too_large() || TooMuch::is_cause_of(error) {
        Failure::HeadTooLarge
    } else {
        Failure::Broken
    }
}
