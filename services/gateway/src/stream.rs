//! Bodies that are bytes and not JSON: uploads stream in, downloads stream out, neither is held whole.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use bytes::BytesMut;
use error::{Code, Error, Reason};
use futures_util::StreamExt;
use proto::common::v1::RateClass;
use tokio::time::Instant;
use transcode::stream::{decode_chunk, encode_chunk};

use crate::app::Incoming;
use crate::body::{plain, too_slow};
use crate::call::{callee, deadline, metadata, refused};
use crate::etag;
use crate::places::Kind;
use crate::reply::{self, Reply};

/// An upload may have this many bytes (`api.md`: body limit).
pub(crate) const MAX_UPLOAD: u64 = 100 << 20;
/// Bytes of one message to the service.
const PIECE: usize = 256 << 10;

/// An upload as a whole, so that it ends at all.
const UPLOAD: Duration = Duration::from_secs(15 * 60);
/// The first byte of an upload must have come within this time, and each further piece.
const FIRST_BYTE: Duration = Duration::from_secs(5);
const PIECE_FROM_CLIENT: Duration = Duration::from_secs(10);
/// So many bytes must have come for each second, so that whoever drips does not keep a place.
const BYTES_A_SECOND: f64 = 16.0 * 1024.0;
/// A service that takes or gives no piece for this long is given up.
const PIECE_OF_SERVICE: Duration = Duration::from_secs(30);

/// Streams the body to the service.
pub(crate) async fn upload(incoming: &Incoming<'_>, body: Body) -> Result<Reply, Error> {
    let (app, method) = (incoming.app, incoming.method);
    plain(&incoming.parts.headers)?;
    let declared =
        incoming.parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_UPLOAD) {
        return Err(too_large());
    }
    let content_type = incoming.parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let Some(content_type) = content_type.map(str::to_owned) else {
        return Err(Error::malformed(
            Reason::CONTENT_TYPE_MISSING,
            "Content-Type is required: say what the bytes are",
        ));
    };
    // A form holds the bytes between lines of its own, which would be read as a part of them.
    if content_type.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        return Err(Error::malformed(
            Reason::CONTENT_TYPE_UNSUPPORTED,
            "send the bytes themselves as the body, with their own Content-Type, and no form around them",
        ));
    }
    let _place = incoming.party.take(Kind::Transfer, 1)?;
    let broken = Arc::new(OnceLock::new());
    let why = broken.clone();
    let taken = Arc::new(AtomicU64::new(0));
    let takes = taken.clone();
    let mut first = Some(content_type);
    let mut seen = 0_u64;
    // A failing item resets the call: a stream that merely ended would look whole to the service.
    let messages = timed(body).flat_map(move |piece| {
        takes.fetch_add(1, Ordering::Relaxed);
        let refused = match &piece {
            Err(Broken::Slow) => Some(Broken::Slow),
            Ok(bytes) => {
                seen += bytes.len() as u64;
                (seen > MAX_UPLOAD).then_some(Broken::Large)
            }
            Err(_) => Some(Broken::Off),
        };
        let messages: Vec<Result<bytes::Bytes, tonic::Status>> = match refused {
            Some(refused) => {
                why.get_or_init(|| refused);
                vec![Err(tonic::Status::cancelled("the body broke off"))]
            }
            None => piece
                .unwrap_or_default()
                .chunks(PIECE)
                .map(|part| {
                    let mut message = BytesMut::with_capacity(part.len() + 64);
                    encode_chunk(first.take().as_deref(), part, &mut message);
                    Ok(message.freeze())
                })
                .collect(),
        };
        futures_util::stream::iter(messages)
    });
    let metadata = metadata(incoming)?;
    let (channel, path) = callee(incoming, &[])?;
    let call = rpc::raw::client_streaming(channel, &path, metadata, messages, UPLOAD);
    let answered = tokio::select! {
        answered = call => answered.map_err(Error::from),
        () = standing(&taken) => {
            Err(Error::new(Code::DeadlineExceeded, Reason::DEADLINE_EXCEEDED, "the service stopped reading"))
        }
    };
    match broken.get() {
        Some(Broken::Slow) => return Err(too_slow()),
        Some(Broken::Large) => return Err(too_large()),
        Some(Broken::Off) => return Err(Error::malformed(Reason::BODY_BROKEN, "the body broke off")),
        None => {}
    }
    let (_, wire) = answered?;
    let mut json = Vec::new();
    app.api.decode_response(method, &wire, None, &mut json).map_err(Error::internal)?;
    Ok(reply::with_body(method.success_status, "application/json", json))
}

/// Why an upload was given up.
#[derive(Clone, Copy)]
enum Broken {
    Large,
    Off,
    Slow,
}

/// The pieces of the body, each in its time: what the client may take is [`FIRST_BYTE`], and a second for each
/// [`BYTES_A_SECOND`] that have come. Time in which the service does not ask for more does not count.
fn timed(body: Body) -> impl futures_util::Stream<Item = Result<bytes::Bytes, Broken>> + Send + 'static {
    let start = Some((body.into_data_stream(), FIRST_BYTE));
    futures_util::stream::unfold(start, |state| async move {
        let (mut pieces, left) = state?;
        let asked = Instant::now();
        match tokio::time::timeout(left.min(PIECE_FROM_CLIENT), pieces.next()).await {
            Err(_) => Some((Err(Broken::Slow), None)),
            Ok(None) => None,
            Ok(Some(Err(_))) => Some((Err(Broken::Off), None)),
            Ok(Some(Ok(bytes))) => {
                let earned = Duration::from_secs(1).mul_f64(bytes.len() as f64 / BYTES_A_SECOND);
                Some((Ok(bytes), Some((pieces, left.saturating_sub(asked.elapsed()) + earned))))
            }
        }
    })
}

/// Ends when nothing was taken for [`PIECE_OF_SERVICE`] and more: neither by the service nor, at the end, into an answer.
async fn standing(taken: &AtomicU64) {
    let mut last = None;
    loop {
        let now = taken.load(Ordering::Relaxed);
        if last == Some(now) {
            return;
        }
        last = Some(now);
        tokio::time::sleep(PIECE_OF_SERVICE).await;
    }
}

/// Streams the service's bytes to the client; an error before the first byte is a problem, one after it ends the body
/// short, which the client sees as a broken transfer.
pub(crate) async fn download(incoming: &Incoming<'_>) -> Result<Reply, Error> {
    let (app, method) = (incoming.app, incoming.method);
    let place = incoming.party.take(Kind::Transfer, 1)?;
    let mut request = BytesMut::new();
    let query = incoming.parts.uri.query().unwrap_or_default();
    app.api.encode_request(method, &incoming.params, query, None, &mut request).map_err(refused)?;
    let (channel, path) = callee(incoming, &[])?;
    let mut messages = rpc::raw::server_streaming(
        channel,
        &path,
        metadata(incoming)?,
        request.freeze(),
        // Whatever is asked for, a list that is streamed is bulk: it is long by its nature.
        deadline(RateClass::Bulk),
        PIECE_OF_SERVICE,
    )
    .await?;
    let first = messages.next().await.transpose()?;
    let first = first.map(|m| decode_chunk(&m)).transpose().map_err(Error::internal)?.unwrap_or_default();
    let rest = messages.map(move |message| {
        // Held until the stream is dropped, which is when its last piece has gone.
        let _held = &place;
        let message = message.map_err(std::io::Error::other)?;
        decode_chunk(&message).map(|chunk| chunk.data).map_err(std::io::Error::other)
    });
    let head = futures_util::stream::iter([Ok(first.data)]);
    let tag = first.etag.map(|etag| etag::of_bytes(&etag));
    let is_held = tag.as_deref().is_some_and(|tag| etag::is_held(&incoming.parts.headers, tag));
    let mut reply = if is_held {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        reply::with_body(200, "application/octet-stream", Body::from_stream(head.chain(rest)))
    };
    if let Some(tag) = tag {
        reply::put(&mut reply, header::ETAG, &tag);
        reply::put(&mut reply, header::CACHE_CONTROL, "private, no-cache");
    }
    if let Some(content_type) = first.content_type.filter(|_| !is_held) {
        reply::put(&mut reply, header::CONTENT_TYPE, &content_type);
    }
    Ok(reply)
}

fn too_large() -> Error {
    Error::new(Code::InvalidArgument, Reason::BODY_TOO_LARGE, "an upload may have at most 100 MiB")
}
