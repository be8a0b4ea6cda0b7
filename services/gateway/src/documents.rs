//! Documents that the gateway serves itself: the OpenAPI description and a page to browse it.

use axum::http::header;

use crate::reply::{self, Reply};

/// The page: a list of operations made from the OpenAPI document by a few lines of script, nothing loaded from elsewhere.
const PAGE: &str = include_str!("documents/docs.html");

/// `GET /api/v1/openapi.json`.
pub(crate) fn openapi(text: &str) -> Reply {
    let mut reply = reply::with_body(200, "application/json", text.to_owned());
    reply::put(&mut reply, header::CACHE_CONTROL, "public, max-age=300");
    reply
}

/// `GET /docs`.
pub(crate) fn page() -> Reply {
    let mut reply = reply::with_body(200, "text/html; charset=utf-8", PAGE);
    let policy = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                  base-uri 'none'; frame-ancestors 'none'";
    reply::put(&mut reply, header::CONTENT_SECURITY_POLICY, policy);
    reply
}
