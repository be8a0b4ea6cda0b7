//! Calls whose messages stay bytes, for the gateway: no structs are built, each message is copied once at most.

use bytes::{Buf, BufMut, Bytes};
use futures_util::{Stream, TryStreamExt};
use http::uri::PathAndQuery;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::{Code, Extensions, Request, Status, Streaming};

use crate::Channel;
use crate::channel::{Pieces, Streamed};

/// Bytes of one message of an answer. A page ends by bytes long before; what is larger is a defect of the service.
const MAX_MESSAGE: usize = 32 << 20;

/// A codec that takes and gives encoded messages. An error in place of a message breaks the call off.
#[derive(Clone, Copy, Debug, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Result<Bytes, Status>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Result<Bytes, Status>;
    type Error = Status;

    fn encode(&mut self, item: Result<Bytes, Status>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item?);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// A unary call to `path` (`/globcrm.records.v1.RecordsService/GetContact`). The answer's metadata holds head and trailers.
pub async fn unary(
    channel: &Channel,
    path: &str,
    metadata: MetadataMap,
    message: Bytes,
    deadline: Duration,
) -> Result<(MetadataMap, Bytes), Status> {
    let request = request(metadata, Ok(message), deadline);
    let answer = grpc(channel).unary(request, parse(path)?, BytesCodec).await.map_err(ours)?;
    let (metadata, message, _) = answer.into_parts();
    Ok((metadata, message))
}

/// A call with many messages and one answer (uploads). `deadline` covers the whole call; an error among the messages ends
/// it with that status.
pub async fn client_streaming<S>(
    channel: &Channel,
    path: &str,
    metadata: MetadataMap,
    messages: S,
    deadline: Duration,
) -> Result<(MetadataMap, Bytes), Status>
where
    S: Stream<Item = Result<Bytes, Status>> + Send + 'static,
{
    // The transport resets the stream, so that the peer does not take a part for the whole, and forgets why.
    let broken = Arc::new(OnceLock::new());
    let noted = broken.clone();
    let messages = messages.inspect_err(move |status: &Status| {
        noted.get_or_init(|| (status.code(), status.message().to_owned()));
    });
    let mut request = request(metadata, messages, deadline);
    request.extensions_mut().insert(Streamed);
    let result = grpc(channel).client_streaming(request, parse(path)?, BytesCodec).await;
    if let Some((code, message)) = broken.get() {
        return Err(Status::new(*code, message));
    }
    let (metadata, message, _) = result?.into_parts();
    Ok((metadata, message))
}

/// A call with one message and many answers (downloads): `deadline` is for the first bytes, `piece` for each piece after them.
pub async fn server_streaming(
    channel: &Channel,
    path: &str,
    metadata: MetadataMap,
    message: Bytes,
    deadline: Duration,
    piece: Duration,
) -> Result<Streaming<Bytes>, Status> {
    let mut request = request(metadata, Ok(message), deadline);
    request.extensions_mut().insert(Pieces(piece));
    Ok(grpc(channel).server_streaming(request, parse(path)?, BytesCodec).await?.into_inner())
}

fn grpc(channel: &Channel) -> Grpc<Channel> {
    Grpc::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE)
}

/// What tonic says of an answer beyond [`MAX_MESSAGE`] would blame the caller. No service answers this code itself.
fn ours(status: Status) -> Status {
    if status.code() == Code::OutOfRange && status.details().is_empty() {
        return error::Error::answer_too_large().with_source(status).into();
    }
    status
}

fn request<T>(metadata: MetadataMap, message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::from_parts(metadata, Extensions::default(), message);
    request.set_timeout(deadline);
    request
}

fn parse(path: &str) -> Result<PathAndQuery, Status> {
    path.parse().map_err(|_| Status::internal("the path of a call is not one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use error::Reason;

    #[test]
    fn a_message_beyond_the_bound_is_not_the_callers_fault() {
        let error = error::Error::from(ours(Status::out_of_range("decoded message length too large")));
        assert_eq!((error.code(), error.reason()), (error::Code::Internal, "ANSWER_TOO_LARGE"));
        let said = error::Error::new(error::Code::NotFound, Reason::CONTACT_NOT_FOUND, "not found");
        assert_eq!(ours(said.into()).code(), Code::NotFound);
    }
}
