//! A unary REST call: JSON -> wire -> the service -> wire -> JSON.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use bytes::{Bytes, BytesMut};
use error::{Error, Reason, Violation};
use proto::common::v1::RateClass;
use secrecy::ExposeSecret;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use transcode::{RequestError, ResponseMeta};

use crate::app::Incoming;
use crate::operations::by_object::{self, Work};
use crate::places::{Kind, holding};
use crate::reply::{self, Reply};
use crate::{body, etag, operations};

/// Characters of a header that go on to a service. No valid one is longer, and services take only so much of all headers.
const MAX_FORWARDED: usize = 255;

/// What a request came to cost, where its service says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost(pub(crate) u32);

/// Calls the method and answers with its JSON.
pub(crate) async fn unary(incoming: &Incoming<'_>, body: Body) -> Result<Reply, Error> {
    let (app, method, party) = (incoming.app, incoming.method, &incoming.party);
    // Read before a place is taken: who sends slowly must hold nothing that others need.
    let body = body::read(party, &incoming.parts.headers, body).await?;
    let place = party.take(Kind::Call, 1)?;
    // Whoever does not read the answers that wait gets no further ones made.
    drop(party.take(Kind::Unread, 0)?);
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
    let metadata = metadata(incoming)?;
    let deadline = deadline(method.rate_class);
    let request = request.freeze();
    let (answered, wire) = if operations::list::is_list(method) {
        operations::list::list(incoming, &metadata, &request, deadline).await?
    } else {
        let (channel, path) = callee(incoming, &request)?;
        ask(channel, &path, &metadata, &request, deadline).await?
    };
    let mut json = Vec::with_capacity(wire.len() * 2 + 64);
    let meta = app
        .api
        .decode_response(method, &wire, asked.selection.as_ref(), &mut json)
        .map_err(Error::internal)?;
    // A read can be made again; what a write answers must not be thrown away.
    let unread = match incoming.parts.method {
        Method::GET => party.take(Kind::Unread, json.len())?,
        _ => party.take_anyway(Kind::Unread, json.len()),
    };
    Ok(success(incoming, &answered, &meta, holding(json, (place, unread))))
}

/// Calls a service, once more where its first answer rests on permissions that have changed.
pub(crate) async fn ask(
    channel: &rpc::Channel,
    path: &str,
    metadata: &MetadataMap,
    request: &Bytes,
    deadline: Duration,
) -> Result<(MetadataMap, Bytes), Error> {
    let call = || rpc::raw::unary(channel, path, metadata.clone(), request.clone(), deadline);
    match call().await.map_err(Error::from) {
        // Nothing was written, and the service has dropped the permissions that were too old.
        Err(error) if error.reason() == Reason::PERMISSIONS_CHANGED => call().await.map_err(Error::from),
        answered => answered,
    }
}

fn success(incoming: &Incoming<'_>, answered: &MetadataMap, meta: &ResponseMeta, json: Bytes) -> Reply {
    let method = incoming.method;
    let text = |name: &str| answered.get(name).and_then(|v| v.to_str().ok());
    let version = meta.version.map(|v| v.to_string()).or_else(|| text("version").map(str::to_owned));
    let read = incoming.parts.method == Method::GET;
    let etag = version.and_then(|version| {
        if !read {
            return Some(etag::of_write(&version));
        }
        let query = incoming.parts.uri.query().unwrap_or_default();
        // Without a permission version it is not known what the answer depends on.
        Some(etag::of_read(&version, text("permission-version")?, incoming.caller.as_ref()?.principal, query))
    });
    let mut reply = if method.success_status == 204 {
        reply::empty(StatusCode::NO_CONTENT)
    } else if read && etag.as_deref().is_some_and(|tag| etag::is_held(&incoming.parts.headers, tag)) {
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
    if let Some(cost) = text("request-cost").and_then(|cost| cost.parse().ok()) {
        reply.extensions_mut().insert(Cost(cost));
    }
    for name in ["permission-version", "idempotency-replayed"] {
        if let Some(value) = text(name) {
            reply::put(&mut reply, HeaderName::from_static(name), value);
        }
    }
    reply
}

/// The channel of the service that answers, and the path of the call. `request` is its message, of a call that has one.
pub(crate) fn callee<'a>(
    incoming: &'a Incoming<'_>,
    request: &[u8],
) -> Result<(&'a rpc::Channel, Cow<'a, str>), Error> {
    let method = incoming.method;
    let (service, path) = match Work::of(method) {
        Some(work) => by_object::callee(fleet::FLEET, &incoming.app.api, (work, method), request)?,
        None => operations::callee(fleet::FLEET, method, &incoming.params)?,
    };
    let channel = incoming.app.channels.get(service);
    Ok((channel.ok_or_else(|| Error::internal(format!("no channel to {service}")))?, path))
}

/// What travels with the call.
pub(crate) fn metadata(incoming: &Incoming<'_>) -> Result<MetadataMap, Error> {
    let (headers, method) = (&incoming.parts.headers, incoming.method);
    let mut metadata = MetadataMap::new();
    let mut put = |name: &'static str, value: &str| {
        let unprintable = |_| {
            Error::malformed(Reason::HEADER_MALFORMED, format!("the header {name} is not printable ASCII"))
        };
        metadata.insert(name, AsciiMetadataValue::try_from(value).map_err(unprintable)?);
        Ok::<_, Error>(())
    };
    put("x-request-id", incoming.request_id)?;
    put(host::grpc::CLIENT_ADDRESS, &incoming.client_address)?;
    if let Some(token) = incoming.caller.as_ref().and_then(|caller| caller.token.as_ref()) {
        put("authorization", &format!("Bearer {}", token.expose_secret()))?;
    }
    if let Some(agent) = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()) {
        put("x-user-agent", &agent[..agent.len().min(MAX_FORWARDED)])?;
    }
    if let Some(condition) = etag::condition(headers)? {
        if !method.conditional {
            let text = "If-Match is not supported here: the call changes nothing that has a version";
            return Err(Error::malformed(Reason::IF_MATCH_NOT_SUPPORTED, text));
        }
        put("if-match", &condition)?;
    }
    let name = HeaderName::from_static("idempotency-key");
    let visible = "Idempotency-Key must be 1 to 255 visible ASCII characters";
    if let Some(key) = only(headers, &name, Reason::IDEMPOTENCY_KEY_MALFORMED, visible)? {
        if !method.idempotent {
            let text = "Idempotency-Key is not supported here: the answer holds a secret, or the call can safely be repeated without it";
            return Err(Error::malformed(Reason::IDEMPOTENCY_KEY_NOT_SUPPORTED, text));
        }
        put("idempotency-key", key)?;
    }
    Ok(metadata)
}

/// The text of a header that decides what is written: sent once and legible, or refused, never dropped silently.
fn only<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    reason: Reason,
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
        // A service ends every call after 30.
        RateClass::Wait => 29,
        RateClass::Bulk => 60,
    })
}

/// What the transcoder refused.
pub(crate) fn refused(error: RequestError) -> Error {
    let list = |violations: Vec<transcode::Violation>| {
        violations.into_iter().map(|v| Violation::new(v.place, v.reason, v.detail)).collect::<Vec<_>>()
    };
    let error = match error {
        RequestError::Json(json) => Error::malformed(Reason::JSON_MALFORMED, json.to_string()),
        RequestError::Body(body) => Error::malformed(Reason::BODY_MALFORMED, body.to_string()),
        RequestError::Query(violations) => {
            let violations = list(violations);
            let text: Vec<String> =
                violations.iter().map(|v| format!("{}: {}", v.pointer, v.detail)).collect();
            violations
                .into_iter()
                .fold(Error::malformed(Reason::QUERY_MALFORMED, text.join("; ")), Error::with_violation)
        }
        RequestError::Invalid(violations) => Error::validation(list(violations)),
    };
    error.bounded()
}
