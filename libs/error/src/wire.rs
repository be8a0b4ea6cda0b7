//! The error on the gRPC wire: `google.rpc.Status` with its details, both ways.

use std::collections::HashMap;
use std::time::Duration;

use prost::Message;
use prost_types::Any;

use crate::{Code, DOMAIN, Error, Violation, chain};

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.rpc.ErrorInfo`: in every error (AIP-193).
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

/// `google.rpc.BadRequest`.
#[derive(Clone, PartialEq, Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    field_violations: Vec<FieldViolation>,
}

/// `google.rpc.BadRequest.FieldViolation`; `field` holds a JSON pointer.
#[derive(Clone, PartialEq, Message)]
struct FieldViolation {
    #[prost(string, tag = "1")]
    field: String,
    #[prost(string, tag = "2")]
    description: String,
    #[prost(string, tag = "3")]
    reason: String,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

fn any<M: Message>(type_url: &str, message: &M) -> Any {
    Any { type_url: type_url.to_owned(), value: message.encode_to_vec() }
}

impl From<Error> for tonic::Status {
    /// The wire form. This is a service's boundary: the internal cause is logged here, once, and goes no further.
    fn from(error: Error) -> Self {
        if error.code() == Code::Internal {
            tracing::error!(error.reason = error.reason(), error.cause = %chain(&error), "request failed");
        } else if std::error::Error::source(&error).is_some() {
            tracing::warn!(error.reason = error.reason(), error.cause = %chain(&error), "request refused");
        }
        let error = error.bounded();
        let metadata = error.metadata().iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let info = ErrorInfo { reason: error.reason().to_owned(), domain: DOMAIN.to_owned(), metadata };
        let mut details = vec![any(ERROR_INFO, &info)];
        if error.code() == Code::Unprocessable {
            let field_violations = error
                .violations()
                .iter()
                .map(|v| FieldViolation {
                    field: v.pointer.clone(),
                    description: v.detail.clone().into_owned(),
                    reason: v.reason.clone().into_owned(),
                })
                .collect();
            details.push(any(BAD_REQUEST, &BadRequest { field_violations }));
        }
        if let Some(after) = error.retry_after() {
            let retry_delay = prost_types::Duration::try_from(after).ok();
            details.push(any(RETRY_INFO, &RetryInfo { retry_delay }));
        }
        details.extend(error.details().iter().cloned());
        let code = error.code().grpc();
        let status = RpcStatus { code: code as i32, message: error.message().to_owned(), details };
        tonic::Status::with_details(code, error.message(), status.encode_to_vec().into())
    }
}

impl From<tonic::Status> for Error {
    /// Reads what another service answered. A status without details (a transport failure) gets the reason of its code.
    fn from(status: tonic::Status) -> Self {
        let decoded = RpcStatus::decode(status.details()).unwrap_or_default();
        let (mut info, mut bad_request, mut retry, mut details) = (None, None, None, Vec::new());
        for detail in decoded.details {
            match detail.type_url.as_str() {
                ERROR_INFO => info = ErrorInfo::decode(detail.value.as_slice()).ok(),
                BAD_REQUEST => bad_request = BadRequest::decode(detail.value.as_slice()).ok(),
                RETRY_INFO => retry = RetryInfo::decode(detail.value.as_slice()).ok(),
                _ => details.push(detail),
            }
        }
        let code = Code::from_grpc(status.code(), bad_request.is_some());
        let Some(info) = info else {
            let public = if code == Code::Internal { "internal error" } else { "the service did not answer" };
            let mut error = Error::new(code, code.reason(), public).with_source(status);
            if code == Code::Unavailable {
                error.0.retry_after = Some(Duration::from_secs(1));
            }
            return error;
        };
        let mut error = Error::received(code, info.reason.into(), status.message().to_owned().into());
        error.0.metadata = info.metadata.into_iter().collect();
        error.0.violations = bad_request
            .unwrap_or_default()
            .field_violations
            .into_iter()
            .map(|v| Violation { pointer: v.field, reason: v.reason.into(), detail: v.description.into() })
            .collect();
        error.0.retry_after = retry.and_then(|r| r.retry_delay).and_then(|d| Duration::try_from(d).ok());
        error.0.details = details;
        error
    }
}

#[cfg(test)]
mod tests {
    use reasons::Reason;

    use super::*;

    #[test]
    fn every_code_survives_the_wire_with_all_it_carries() {
        for code in [
            Code::InvalidArgument,
            Code::Unprocessable,
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::NotFound,
            Code::AlreadyExists,
            Code::FailedPrecondition,
            Code::Aborted,
            Code::ResourceExhausted,
            Code::Cancelled,
            Code::Internal,
            Code::Unimplemented,
            Code::Unavailable,
            Code::DeadlineExceeded,
        ] {
            let mut sent = Error::received(code, "A_NEWER_REASON".into(), "a text".into())
                .with_metadata("key", "value")
                .with_retry_after(Duration::from_millis(1500));
            if code == Code::Unprocessable {
                sent = sent.with_violation(Violation::new("/a/0", Reason::TOO_LONG, "is too long"));
            }
            let violations = sent.violations().to_vec();
            let got = Error::from(tonic::Status::from(sent));
            assert_eq!(got.code(), code);
            assert_eq!(got.reason(), "A_NEWER_REASON");
            assert_eq!(got.message(), "a text");
            assert_eq!(got.metadata().get("key").map(String::as_str), Some("value"));
            assert_eq!(got.retry_after(), Some(Duration::from_millis(1500)));
            assert_eq!(got.violations(), violations);
        }
    }

    #[test]
    fn the_cause_of_an_internal_error_stays_inside() {
        let status = tonic::Status::from(Error::internal("password=hunter2"));
        let text = format!("{status:?}{}", String::from_utf8_lossy(status.details()));
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_bare_transport_failure_is_unavailable_and_says_when_to_retry() {
        let error = Error::from(tonic::Status::unavailable("tcp connect error 10.0.0.1"));
        assert_eq!((error.code(), error.reason()), (Code::Unavailable, "UNAVAILABLE"));
        assert!(!error.message().contains("10.0.0.1"));
        assert!(error.retry_after().is_some());
    }
}
