//! The JSON body of a request: read whole before a place among the calls is taken, within bounds of its own.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use error::{Code, Error, Reason};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::places::{Kind, Party};

/// A JSON body may have this many bytes (`api.md`: body limit).
pub(crate) const MAX_BODY: usize = 1 << 20;
/// A body must have come within this time.
const DEADLINE: Duration = Duration::from_secs(15);
/// Its first byte must have come within this time, and from then on so many bytes for each second.
const FIRST_BYTE: Duration = Duration::from_secs(3);
const BYTES_A_SECOND: u32 = 4 << 10;

/// The body of a request.
pub(crate) async fn read(party: &Party, headers: &HeaderMap, body: Body) -> Result<Bytes, Error> {
    plain(headers)?;
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let _place = party.take(Kind::Body, 1)?;
    let bytes = collect(party, body).await?;
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let essence = given.map(|t| t.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let fits = matches!(essence.as_deref(), None | Some("application/json" | "application/merge-patch+json"));
    if !bytes.is_empty() && !fits {
        return Err(Error::malformed(Reason::CONTENT_TYPE_UNSUPPORTED, "the body must be application/json"));
    }
    Ok(bytes)
}

async fn collect(party: &Party, mut body: Body) -> Result<Bytes, Error> {
    let began = Instant::now();
    let mut held = party.take(Kind::BodyBytes, 0)?;
    // Most bodies come as one piece, which is not copied.
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    let mut size = 0;
    loop {
        let due = began + DEADLINE.min(FIRST_BYTE + Duration::from_secs(1) * size as u32 / BYTES_A_SECOND);
        let frame = timeout_at(due, body.frame()).await.map_err(|_| too_slow())?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| Error::malformed(Reason::BODY_BROKEN, "the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        size += data.len();
        if size > MAX_BODY {
            return Err(Error::new(
                Code::InvalidArgument,
                Reason::BODY_TOO_LARGE,
                "the body may have at most 1 MiB",
            ));
        }
        held.grow(data.len())?;
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// The refusal of a body that does not come.
pub(crate) fn too_slow() -> Error {
    Error::malformed(Reason::BODY_TOO_SLOW, "the body did not arrive in time")
}

/// Bodies are taken as they are: what is packed (`Content-Encoding: gzip`) is refused with 415 before it is read.
pub(crate) fn plain(headers: &HeaderMap) -> Result<(), Error> {
    let packed = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|v| !v.to_str().is_ok_and(|t| t.trim().eq_ignore_ascii_case("identity")));
    if packed {
        let text = "the body must be sent without Content-Encoding";
        return Err(Error::malformed(Reason::CONTENT_ENCODING_UNSUPPORTED, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::Places;
    use futures_util::StreamExt;

    fn party() -> Party {
        let config = crate::config::tests::config();
        Places::new(&config).party([192, 0, 2, 1].into(), None)
    }

    async fn refusal(body: Body) -> (String, u16, Duration) {
        let began = Instant::now();
        let error = read(&party(), &HeaderMap::new(), body).await.unwrap_err();
        (error.reason().to_owned(), error.code().http(error.reason()), began.elapsed())
    }

    /// A body that brings `bytes` each second, for ever.
    fn drip(bytes: usize) -> Body {
        Body::from_stream(futures_util::stream::repeat(()).then(move |()| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, std::io::Error>(Bytes::from(vec![b' '; bytes]))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_or_only_drips_is_refused() {
        let silent = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(refusal(silent).await, ("BODY_TOO_SLOW".to_owned(), 408, FIRST_BYTE));
        let (reason, status, took) = refusal(drip(1)).await;
        assert_eq!((reason.as_str(), status), ("BODY_TOO_SLOW", 408));
        assert!(took < FIRST_BYTE + Duration::from_secs(2), "{took:?}");
        assert_eq!(refusal(drip(8 << 10)).await, ("BODY_TOO_SLOW".to_owned(), 408, DEADLINE));
        let (reason, status, _) = refusal(drip(200 << 10)).await;
        assert_eq!((reason.as_str(), status), ("BODY_TOO_LARGE", 413));
    }

    #[tokio::test]
    async fn a_body_in_parts_is_whole() {
        let parts = ["{\"a\"", ":", "1}"].map(|t| Ok::<_, std::io::Error>(Bytes::from_static(t.as_bytes())));
        let body = Body::from_stream(futures_util::stream::iter(parts));
        assert_eq!(read(&party(), &HeaderMap::new(), body).await.unwrap(), "{\"a\":1}");
    }
}
