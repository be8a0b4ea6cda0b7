//! The small set of codes, and what each is over gRPC and HTTP.

use reasons::Reason;

/// What kind of failure an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// 400: cannot be understood.
    InvalidArgument,
    /// 422: understood, not valid. On the wire INVALID_ARGUMENT with a `BadRequest` detail.
    Unprocessable,
    /// 401.
    Unauthenticated,
    /// 403.
    PermissionDenied,
    /// 404.
    NotFound,
    /// 409: the thing exists.
    AlreadyExists,
    /// 409: the thing is in the wrong state.
    FailedPrecondition,
    /// 409: somebody else was faster; 412 when the request was conditional (`VERSION_STALE`).
    Aborted,
    /// 429.
    ResourceExhausted,
    /// 499.
    Cancelled,
    /// 500.
    Internal,
    /// 501.
    Unimplemented,
    /// 503.
    Unavailable,
    /// 504.
    DeadlineExceeded,
}

/// Reasons whose HTTP status says more than their code's: HTTP has statuses that gRPC has no code for.
const STATUS_OF_REASON: [(Reason, u16); 7] = [
    (Reason::METHOD_NOT_ALLOWED, 405),
    (Reason::CURSOR_EXPIRED, 410),
    (Reason::VERSION_STALE, 412),
    (Reason::BODY_TOO_SLOW, 408),
    (Reason::BODY_TOO_LARGE, 413),
    (Reason::CONTENT_TYPE_UNSUPPORTED, 415),
    (Reason::CONTENT_ENCODING_UNSUPPORTED, 415),
];

impl Code {
    /// The gRPC code.
    pub fn grpc(self) -> tonic::Code {
        match self {
            Self::InvalidArgument | Self::Unprocessable => tonic::Code::InvalidArgument,
            Self::Unauthenticated => tonic::Code::Unauthenticated,
            Self::PermissionDenied => tonic::Code::PermissionDenied,
            Self::NotFound => tonic::Code::NotFound,
            Self::AlreadyExists => tonic::Code::AlreadyExists,
            Self::FailedPrecondition => tonic::Code::FailedPrecondition,
            Self::Aborted => tonic::Code::Aborted,
            Self::ResourceExhausted => tonic::Code::ResourceExhausted,
            Self::Cancelled => tonic::Code::Cancelled,
            Self::Internal => tonic::Code::Internal,
            Self::Unimplemented => tonic::Code::Unimplemented,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::DeadlineExceeded => tonic::Code::DeadlineExceeded,
        }
    }

    /// The code of a gRPC answer; `has_bad_request` tells 422 from 400.
    pub(crate) fn from_grpc(code: tonic::Code, has_bad_request: bool) -> Self {
        match code {
            tonic::Code::InvalidArgument if has_bad_request => Self::Unprocessable,
            tonic::Code::InvalidArgument | tonic::Code::OutOfRange => Self::InvalidArgument,
            tonic::Code::Unauthenticated => Self::Unauthenticated,
            tonic::Code::PermissionDenied => Self::PermissionDenied,
            tonic::Code::NotFound => Self::NotFound,
            tonic::Code::AlreadyExists => Self::AlreadyExists,
            tonic::Code::FailedPrecondition => Self::FailedPrecondition,
            tonic::Code::Aborted => Self::Aborted,
            tonic::Code::ResourceExhausted => Self::ResourceExhausted,
            tonic::Code::Cancelled => Self::Cancelled,
            tonic::Code::Unimplemented => Self::Unimplemented,
            tonic::Code::Unavailable => Self::Unavailable,
            tonic::Code::DeadlineExceeded => Self::DeadlineExceeded,
            tonic::Code::Ok | tonic::Code::Unknown | tonic::Code::Internal | tonic::Code::DataLoss => {
                Self::Internal
            }
        }
    }

    /// The HTTP status of an error with this code and `reason`.
    pub fn http(self, reason: &str) -> u16 {
        if let Some((_, status)) = STATUS_OF_REASON.iter().find(|(name, _)| *name == reason) {
            return *status;
        }
        match self {
            Self::InvalidArgument => 400,
            Self::Unprocessable => 422,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::NotFound => 404,
            Self::AlreadyExists | Self::FailedPrecondition | Self::Aborted => 409,
            Self::ResourceExhausted => 429,
            Self::Cancelled => 499,
            Self::Internal => 500,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
            Self::DeadlineExceeded => 504,
        }
    }

    /// The reason of an answer that says none.
    pub(crate) fn reason(self) -> Reason {
        match self {
            Self::InvalidArgument | Self::Unprocessable => Reason::INVALID_ARGUMENT,
            Self::Unauthenticated => Reason::UNAUTHENTICATED,
            Self::PermissionDenied => Reason::PERMISSION_DENIED,
            Self::NotFound => Reason::NOT_FOUND,
            Self::AlreadyExists => Reason::ALREADY_EXISTS,
            Self::FailedPrecondition => Reason::FAILED_PRECONDITION,
            Self::Aborted => Reason::ABORTED,
            Self::ResourceExhausted => Reason::RESOURCE_EXHAUSTED,
            Self::Cancelled => Reason::CANCELLED,
            Self::Internal => Reason::INTERNAL,
            Self::Unimplemented => Reason::UNIMPLEMENTED,
            Self::Unavailable => Reason::UNAVAILABLE,
            Self::DeadlineExceeded => Reason::DEADLINE_EXCEEDED,
        }
    }

    /// The name in problem documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument | Self::Unprocessable => "INVALID_ARGUMENT",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::Cancelled => "CANCELLED",
            Self::Internal => "INTERNAL",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Unavailable => "UNAVAILABLE",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
        }
    }
}
