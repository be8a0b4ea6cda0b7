//! A unary REST call: JSON -> wire -> the service -> wire -> JSON.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use bytes::{Bytes, BytesMut};
use error::{Code, Error, Violation};
use http_body_util::{BodyExt, Limited};
use proto::common::v1::RateClass;
use secrecy::ExposeSecret;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use transcode::{RequestError, ResponseMeta};

use crate::app::Incoming;
use crate::reply::{self, Reply};

/// A JSON body may have this many bytes (`api.md`: body limit).
const MAX_BODY: usize = 1 << 20;
/// A JSON body must have come within this time: who sends it slowly holds one of the requests that may be in work.
const BODY_DEADLINE: Duration = Duration::from_secs(15);
/// Characters of a header that go on to a service. No valid one is longer, and services take only so much of all headers.
const MAX_FORWARDED: usize = 255;

/// Calls the method and answers with its JSON.
pub(crate) async fn unary(incoming: &Incoming<'_>, body: Body) -> Result<Reply, Error> {
    let (app, method) = (incoming.app, incoming.method);
    let body = read_body(incoming, body).await?;
    let mut request = BytesMut::with_capacity(body.len() + 256);
    let query = incoming.parts.uri.query().unwrap_or_default();
    let asked = app
        .api
        .encode_request(
            method,
            &incoming.params,
            query,
            (!body.is_empty()).then_some(&body[..]),
            &mut request,
        )
        .map_err(refused)?;
    let channel = channel(incoming)?;
    let metadata = metadata(incoming)?;
    let deadline = deadline(method.rate_class);
    let request = request.freeze();
    let call = || rpc::raw::unary(channel, &method.full_name, metadata.clone(), request.clone(), deadline);
    let answered = match call().await.map_err(Error::from) {
        // Nothing was written, and the service has dropped the permissions that were too old.
        Err(error) if error.reason() == "PERMISSIONS_CHANGED" => call().await.map_err(Error::from),
        answered => answered,
    };
    let (answered, wire) = answered?;
    let mut json = Vec::with_capacity(wire.len() * 2 + 64);
    let meta = app
        .api
        .decode_response(method, &wire, asked.selection.as_ref(), &mut json)
        .map_err(Error::internal)?;
    Ok(success(incoming, &answered, &meta, json))
}

fn success(incoming: &Incoming<'_>, answered: &MetadataMap, meta: &ResponseMeta, json: Vec<u8>) -> Reply {
    let method = incoming.method;
    let text = |name: &str| answered.get(name).and_then(|v| v.to_str().ok());
    let etag = meta.version.map(|v| v.to_string()).or_else(|| text("version").map(str::to_owned));
    let etag = etag.map(|version| format!("\"{version}\""));
    let mut reply = if method.success_status == 204 {
        reply::empty(StatusCode::NO_CONTENT)
    } else if etag.as_deref().is_some_and(|etag| not_modified(incoming, etag)) {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        reply::with_body(method.success_status, "application/json", json)
    };
    if let Some(etag) = etag {
        reply::put(&mut reply, header::ETAG, &etag);
        reply::put(&mut reply, header::CACHE_CONTROL, "private, no-cache");
    }
    if let Some(location) = &meta.location {
        reply::put(&mut reply, header::LOCATION, location);
    }
    for name in ["permission-version", "idempotency-replayed"] {
        if let Some(value) = text(name) {
            reply::put(&mut reply, HeaderName::from_static(name), value);
        }
    }
    reply
}

/// Whether the client holds this version already (RFC 9110, 13.1.2; weak comparison).
fn not_modified(incoming: &Incoming<'_>, etag: &str) -> bool {
    incoming.parts.method == axum::http::Method::GET
        && incoming.parts.headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).is_some_and(
            |held| held.split(',').any(|t| t.trim().trim_start_matches("W/") == etag || t.trim() == "*"),
        )
}

async fn read_body(incoming: &Incoming<'_>, body: Body) -> Result<Bytes, Error> {
    plain(&incoming.parts.headers)?;
    let bytes = collect(body).await?;
    let given = incoming.parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let essence = given.map(|t| t.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let fits = matches!(essence.as_deref(), None | Some("application/json" | "application/merge-patch+json"));
    if !bytes.is_empty() && !fits {
        return Err(Error::malformed("CONTENT_TYPE_UNSUPPORTED", "the body must be application/json"));
    }
    Ok(bytes)
}

async fn collect(body: Body) -> Result<Bytes, Error> {
    let whole = tokio::time::timeout(BODY_DEADLINE, Limited::new(body, MAX_BODY).collect()).await;
    let whole =
        whole.map_err(|_| Error::malformed("BODY_TOO_SLOW", "the body did not come within 15 seconds"))?;
    let whole = whole.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            Error::new(Code::InvalidArgument, "BODY_TOO_LARGE", "the body may have at most 1 MiB")
        } else {
            Error::malformed("BODY_BROKEN", "the body broke off")
        }
    })?;
    Ok(whole.to_bytes())
}

/// Bodies are taken as they are: what is packed (`Content-Encoding: gzip`) is refused with 415 before it is read.
pub(crate) fn plain(headers: &HeaderMap) -> Result<(), Error> {
    let packed = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|v| !v.to_str().is_ok_and(|t| t.trim().eq_ignore_ascii_case("identity")));
    if packed {
        let text = "the body must be sent without Content-Encoding";
        return Err(Error::malformed("CONTENT_ENCODING_UNSUPPORTED", text));
    }
    Ok(())
}

/// The channel of the service that owns the method.
pub(crate) fn channel<'a>(incoming: &'a Incoming<'_>) -> Result<&'a rpc::Channel, Error> {
    let service = incoming.method.service.as_str();
    incoming.app.channels.get(service).ok_or_else(|| Error::internal(format!("no channel to {service}")))
}

/// What travels with the call.
pub(crate) fn metadata(incoming: &Incoming<'_>) -> Result<MetadataMap, Error> {
    let (headers, method) = (&incoming.parts.headers, incoming.method);
    let mut metadata = MetadataMap::new();
    let mut put = |name: &'static str, value: &str| {
        let unprintable =
            |_| Error::malformed("HEADER_MALFORMED", format!("the header {name} is not printable ASCII"));
        metadata.insert(name, AsciiMetadataValue::try_from(value).map_err(unprintable)?);
        Ok::<_, Error>(())
    };
    put("x-request-id", incoming.request_id)?;
    put("x-client-address", &incoming.client_address)?;
    if let Some(caller) = &incoming.caller {
        put("authorization", &format!("Bearer {}", caller.token.expose_secret()))?;
    }
    if let Some(agent) = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()) {
        put("x-user-agent", &agent[..agent.len().min(MAX_FORWARDED)])?;
    }
    let etag = "If-Match must be one ETag as it was given, like \"3\"";
    if let Some(condition) = only(headers, &header::IF_MATCH, "IF_MATCH_MALFORMED", etag)? {
        if !method.conditional {
            let text = "If-Match is not taken here: the call changes nothing that has a version";
            return Err(Error::malformed("IF_MATCH_NOT_SUPPORTED", text));
        }
        put("if-match", condition)?;
    }
    let name = HeaderName::from_static("idempotency-key");
    let visible = "Idempotency-Key must be 1 to 255 visible ASCII characters";
    if let Some(key) = only(headers, &name, "IDEMPOTENCY_KEY_MALFORMED", visible)? {
        if !method.idempotent {
            let text = "Idempotency-Key is not taken here: the answer holds a secret, or the call can be repeated as it is";
            return Err(Error::malformed("IDEMPOTENCY_KEY_NOT_SUPPORTED", text));
        }
        put("idempotency-key", key)?;
    }
    Ok(metadata)
}

/// The text of a header that decides what is written: sent once and legible, or refused. Dropped silently it would turn a
/// conditional write into an unconditional one.
fn only<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    reason: &'static str,
    text: &'static str,
) -> Result<Option<&'h str>, Error> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    match first.to_str() {
        Ok(value) if (1..=MAX_FORWARDED).contains(&value.len()) && values.next().is_none() => Ok(Some(value)),
        _ => Err(Error::malformed(reason, text)),
    }
}

/// How long a call of this class may take.
pub(crate) fn deadline(class: RateClass) -> Duration {
    Duration::from_secs(match class {
        RateClass::Read => 2,
        RateClass::List => 5,
        RateClass::Unspecified | RateClass::Write | RateClass::Login => 10,
        RateClass::Bulk => 60,
    })
}

/// What the transcoder refused.
pub(crate) fn refused(error: RequestError) -> Error {
    let list = |violations: Vec<transcode::Violation>| {
        violations
            .into_iter()
            .map(|v| Violation::new(v.place, v.reason.as_str(), v.detail))
            .collect::<Vec<_>>()
    };
    match error {
        RequestError::Json(json) => Error::malformed("JSON_MALFORMED", json.to_string()),
        RequestError::Body(body) => Error::malformed("BODY_MALFORMED", body.to_string()),
        RequestError::Query(violations) => {
            let violations = list(violations);
            let text: Vec<String> =
                violations.iter().map(|v| format!("{}: {}", v.pointer, v.detail)).collect();
            violations
                .into_iter()
                .fold(Error::malformed("QUERY_MALFORMED", text.join("; ")), Error::with_violation)
        }
        RequestError::Invalid(violations) => Error::validation(list(violations)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_refused() {
        let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let error = collect(body).await.unwrap_err();
        assert_eq!((error.reason(), error.code().http(error.reason())), ("BODY_TOO_SLOW", 408));
    }
}
