//! What is sent.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, header};

/// Headers that say how a message is framed, where it goes or how it may be packed. Those are this crate's to say; whoever could set one could make
/// two requests of one.
const OWN: [HeaderName; 14] = [
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// A header that a request may not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header {0} is set by this service")]
pub struct HeaderRefused(pub HeaderName);

/// A request, without the place that it goes to.
#[derive(Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl fmt::Debug for Request {
    /// Headers can hold what a customer authorizes us by, and bodies are records.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Request {
    /// A POST.
    pub fn post(headers: HeaderMap, body: Bytes) -> Result<Self, HeaderRefused> {
        Self::new(Method::POST, headers, body)
    }

    /// A GET.
    pub fn get(headers: HeaderMap) -> Result<Self, HeaderRefused> {
        Self::new(Method::GET, headers, Bytes::new())
    }

    fn new(method: Method, headers: HeaderMap, body: Bytes) -> Result<Self, HeaderRefused> {
        match headers.keys().find(|name| !Self::takes(name)) {
            Some(name) => Err(HeaderRefused(name.clone())),
            None => Ok(Self { method, headers, body }),
        }
    }

    /// Whether a request may have this header, for whoever reads names of headers from a customer.
    pub fn takes(name: &HeaderName) -> bool {
        !OWN.contains(name)
    }
}
