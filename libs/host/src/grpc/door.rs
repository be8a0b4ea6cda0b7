//! Who may come in, and with what: the token of the service that calls, what only the gateway says of a call, and the rules of
//! the request for callers that did not come by the gateway.

use std::net::SocketAddr;

use auth::{Gate, ServiceName};
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use bytes::Bytes;
use error::{Code, Error, Reason, Violation};
use fleet::Role;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use transcode::{Check, CheckError, Checks};

use super::methods::Method;
use crate::ServeError;

/// The metadata in which a service shows its token.
pub const SERVICE_TOKEN: HeaderName = HeaderName::from_static("x-service-token");
/// Where the client is, as the gateway saw it.
pub const CLIENT_ADDRESS: &str = "x-client-address";
/// The service whose word on its clients counts, and that has checked what they sent.
const GATEWAY: &str = Role::Gateway.name();
/// Largest message that a handler takes (tonic's default).
const MAX_MESSAGE: usize = 4 << 20;
/// Compression flag and length before a message.
const PREFIX: usize = 5;

/// The way in to every call.
#[derive(Debug)]
pub(super) struct Door {
    gate: Gate,
    checks: Checks,
}

impl Door {
    pub(super) fn new(gate: Gate) -> Result<Self, ServeError> {
        let checks = Checks::compile(proto::DESCRIPTORS).map_err(|e| ServeError::Descriptors(e.into()))?;
        Ok(Self { gate, checks })
    }

    /// The call as the handler may see it.
    ///
    /// Errors: 401 `SERVICE_TOKEN_MISSING`, `SERVICE_TOKEN_INVALID`; 400 and 422 for a request that breaks its rules.
    pub(super) async fn admit(
        &self,
        mut request: Request,
        method: Option<&Method>,
    ) -> Result<Request, Error> {
        // What the descriptors do not name has no rules here, so it is not served either.
        let method = method.ok_or_else(|| {
            Error::new(Code::Unimplemented, Reason::METHOD_UNKNOWN, "this service has no such method")
        })?;
        let service = self.service(request.headers_mut(), method).await?;
        if service.is_some_and(|service| service.as_str() == GATEWAY) {
            return Ok(request);
        }
        peer_is_client(&mut request);
        match self.checks.of(&method.path) {
            Some(check) => self.checked(request, check).await,
            None => Ok(request),
        }
    }

    /// The service that calls, if it shows a token; the token goes no further.
    async fn service(&self, headers: &mut HeaderMap, method: &Method) -> Result<Option<ServiceName>, Error> {
        let mut shown = headers.get_all(SERVICE_TOKEN).iter();
        let (first, second) = (shown.next().cloned(), shown.next().is_some());
        headers.remove(SERVICE_TOKEN);
        let Some(first) = first else {
            let text = "this method is internal: it requires a service token";
            let missing = Error::unauthenticated(Reason::SERVICE_TOKEN_MISSING, text);
            return if method.internal { Err(missing) } else { Ok(None) };
        };
        // Two tokens are none; an empty text is none either.
        let token = if second { "" } else { first.to_str().unwrap_or_default() };
        self.gate.verify_service(&SecretString::from(token)).await.map(Some)
    }

    async fn checked(&self, request: Request, check: &Check) -> Result<Request, Error> {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, MAX_MESSAGE + PREFIX).await.map_err(|cause| {
            let text = "the message is too large or incomplete";
            Error::malformed(Reason::MESSAGE_MALFORMED, text).with_source(cause)
        })?;
        // A call without any message is the handler's to refuse.
        if !body.is_empty() {
            self.checks.check(check, &message(&body)?).map_err(refused)?;
        }
        Ok(Request::from_parts(head, Body::from(body)))
    }
}

/// The one message of a call.
fn message(body: &Bytes) -> Result<Bytes, Error> {
    let malformed =
        || Error::malformed(Reason::MESSAGE_MALFORMED, "a call sends one message, not compressed");
    let (prefix, _) = body.split_first_chunk::<PREFIX>().ok_or_else(malformed)?;
    let [compressed, length @ ..] = *prefix;
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| malformed())?;
    if compressed != 0 || body.len() - PREFIX != length {
        return Err(malformed());
    }
    Ok(body.slice(PREFIX..))
}

/// A caller other than the gateway is the client itself, whatever it claims.
fn peer_is_client(request: &mut Request) {
    request.headers_mut().remove(CLIENT_ADDRESS);
    let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() else { return };
    if let Ok(address) = HeaderValue::try_from(peer.ip().to_canonical().to_string()) {
        request.headers_mut().insert(CLIENT_ADDRESS, address);
    }
}

fn refused(error: CheckError) -> Error {
    match error {
        CheckError::Malformed(what) => {
            Error::malformed(Reason::MESSAGE_MALFORMED, format!("the message cannot be read: {what}"))
        }
        CheckError::Invalid(violations) => {
            let told = violations.into_iter();
            let told = told.map(|v| Violation::new(v.place, v.reason, v.detail)).collect();
            Error::validation(told).bounded()
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
