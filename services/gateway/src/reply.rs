//! Answers: JSON, problems, and the headers that every answer has.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use error::{Error, Problem};

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

/// The problem document of an error.
pub(crate) fn problem(error: &Error, request_id: &str) -> Reply {
    let problem = Problem::new(error, request_id);
    let status = problem.status();
    let mut reply = with_body(status, "application/problem+json", problem.to_json());
    if let Some(after) = error.retry_after() {
        put(&mut reply, header::RETRY_AFTER, &after.as_secs().max(1).to_string());
    }
    if status == 401 {
        put(&mut reply, header::WWW_AUTHENTICATE, "Bearer realm=\"globcrm\"");
    }
    reply
}

/// Sets a header; text that cannot be a header value is left out.
pub(crate) fn put(reply: &mut Reply, name: impl Into<HeaderName>, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name.into(), value);
    }
}
