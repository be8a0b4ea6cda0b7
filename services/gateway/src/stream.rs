//! Bodies that are bytes and not JSON: uploads stream in, downloads stream out, neither is held whole.

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::http::header;
use bytes::BytesMut;
use error::{Code, Error};
use futures_util::StreamExt;
use transcode::stream::{decode_chunk, encode_chunk};

use crate::app::Incoming;
use crate::call::{channel, deadline, metadata, plain, refused};
use crate::reply::{self, Reply};

/// An upload may have this many bytes (`api.md`: body limit).
const MAX_UPLOAD: u64 = 100 << 20;
/// Bytes of one message to the service.
const PIECE: usize = 256 << 10;

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
        return Err(Error::malformed("CONTENT_TYPE_MISSING", "say what the bytes are with Content-Type"));
    };
    let broken = Arc::new(OnceLock::new());
    let why = broken.clone();
    let mut first = Some(content_type);
    let mut seen = 0_u64;
    // A failing item resets the call: a stream that merely ended would look whole to the service.
    let messages = body.into_data_stream().flat_map(move |piece| {
        let refused = match &piece {
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
    let answered = rpc::raw::client_streaming(
        channel(incoming)?,
        &method.full_name,
        metadata(incoming)?,
        messages,
        deadline(method.rate_class),
    )
    .await;
    match broken.get() {
        Some(Broken::Large) => return Err(too_large()),
        Some(Broken::Off) => return Err(Error::malformed("BODY_BROKEN", "the body broke off")),
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
}

/// Streams the service's bytes to the client; an error before the first byte is a problem, one after it ends the body
/// short, which the client sees as a broken transfer.
pub(crate) async fn download(incoming: &Incoming<'_>) -> Result<Reply, Error> {
    let (app, method) = (incoming.app, incoming.method);
    let mut request = BytesMut::new();
    let query = incoming.parts.uri.query().unwrap_or_default();
    app.api.encode_request(method, &incoming.params, query, None, &mut request).map_err(refused)?;
    let mut messages = rpc::raw::server_streaming(
        channel(incoming)?,
        &method.full_name,
        metadata(incoming)?,
        request.freeze(),
        deadline(method.rate_class),
    )
    .await?;
    let first = messages.next().await.transpose()?;
    let first = first.map(|m| decode_chunk(&m)).transpose().map_err(Error::internal)?.unwrap_or_default();
    let rest = messages.map(|message| {
        let message = message.map_err(std::io::Error::other)?;
        decode_chunk(&message).map(|chunk| chunk.data).map_err(std::io::Error::other)
    });
    let head = futures_util::stream::iter([Ok(first.data)]);
    let mut reply = reply::with_body(200, "application/octet-stream", Body::from_stream(head.chain(rest)));
    if let Some(content_type) = first.content_type {
        reply::put(&mut reply, header::CONTENT_TYPE, &content_type);
    }
    Ok(reply)
}

fn too_large() -> Error {
    Error::new(Code::InvalidArgument, "BODY_TOO_LARGE", "an upload may have at most 100 MiB")
}
