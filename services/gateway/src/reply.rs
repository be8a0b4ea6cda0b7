//! Answers: JSON, problems, and the headers that every answer has.

use axum::body::{Body, HttpBody};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use error::{Error, Problem, Reason};

/// The version of the contract, echoed in every answer.
pub(crate) const API_VERSION: &str = "1";

/// An answer being built.
pub(crate) type Reply = Response<Body>;

/// An answer with a body of this type.
pub(crate) fn with_body(status: u16, content_type: &'static str, body: impl Into<Body>) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = status;
    reply
}

/// What `HEAD` gets of the answer to `GET`: everything but the body, with its length where that is known.
pub(crate) fn without_body(reply: Reply) -> Reply {
    let (mut parts, body) = reply.into_parts();
    let length =
        body.size_hint().exact().filter(|_| parts.status.as_u16() != 304 && parts.status.as_u16() != 204);
    if let Some(length) = length {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, Body::empty())
}

/// The problem document of an error.
pub(crate) fn problem(error: &Error, request_id: &str) -> Reply {
    let problem = Problem::new(error, request_id);
    let status = problem.status();
    let mut reply = with_body(status, "application/problem+json", problem.to_json());
    if let Some(after) = error.retry_after() {
        put(&mut reply, header::RETRY_AFTER, &after.as_secs().max(1).to_string());
    }
    if error.reason() == Reason::CONTENT_ENCODING_UNSUPPORTED {
        put(&mut reply, header::ACCEPT_ENCODING, "identity");
    }
    if status == 401 {
        // RFC 6750, section 3: what was presented is named as wrong, what was not is only asked for.
        let challenge = if error.reason() == Reason::CREDENTIALS_MISSING {
            "Bearer realm=\"globcrm\""
        } else {
            "Bearer realm=\"globcrm\", error=\"invalid_token\""
        };
        put(&mut reply, header::WWW_AUTHENTICATE, challenge);
    }
    reply
}

/// Sets a header; text that cannot be a header value is left out.
pub(crate) fn put(reply: &mut Reply, name: impl Into<HeaderName>, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name.into(), value);
    }
}
