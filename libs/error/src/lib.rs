#![doc = include_str!("../README.md")]

mod bounds;
mod causes;
mod code;
mod problem;
mod wire;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

pub use bounds::MAX_ENCODED;
pub use causes::{chain, timeless};
pub use code::Code;
pub use problem::Problem;
pub use reasons::{Reason, Use as ReasonUse};

/// Metadata of an error's details on the wire; `domain` of every `ErrorInfo`.
pub(crate) const DOMAIN: &str = "globcrm.dev";

/// The result of anything that can fail towards a caller.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error as a caller may see it, with the cause that only the log sees.
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    reason: Cow<'static, str>,
    message: Cow<'static, str>,
    violations: Vec<Violation>,
    metadata: BTreeMap<String, String>,
    retry_after: Option<Duration>,
    details: Vec<prost_types::Any>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// One thing that is wrong with the input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// JSON pointer (RFC 6901) into the resource that was sent, e.g. `/emails/0/address`.
    pub pointer: String,
    /// Stable; a listed reason, unless another service's list is newer.
    pub reason: Cow<'static, str>,
    /// For people.
    pub detail: Cow<'static, str>,
}

impl Violation {
    /// A violation at `pointer`.
    pub fn new(pointer: impl Into<String>, reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { pointer: pointer.into(), reason: reason.as_str().into(), detail: detail.into() }
    }

    /// An id in a body that names nothing the caller may refer to. Another tenant's, a deleted, a hidden and a made-up one answer in
    /// the same bytes.
    pub fn reference_not_found(pointer: impl Into<String>) -> Self {
        Self::new(pointer, Reason::REFERENCE_NOT_FOUND, "there is no such record, or you may not refer to it")
    }
}

impl Error {
    /// An error with a public `message`. The list says which statuses its `reason` has.
    pub fn new(code: Code, reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        let status = code.http(reason.as_str());
        debug_assert!(reason.has_status(status), "the list of reasons knows no status {status} of {reason}");
        Self::received(code, reason.as_str().into(), message.into())
    }

    /// An error as another service said it, whose list of reasons may be newer.
    fn received(code: Code, reason: Cow<'static, str>, message: Cow<'static, str>) -> Self {
        Self(Box::new(Inner {
            code,
            reason,
            message,
            violations: Vec::new(),
            metadata: BTreeMap::new(),
            retry_after: None,
            details: Vec::new(),
            source: None,
        }))
    }

    /// 400: the request cannot be understood.
    pub fn malformed(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidArgument, reason, message)
    }

    /// 422: understood, and not valid: all violations of the stage at once.
    pub fn validation(violations: Vec<Violation>) -> Self {
        let message = match violations.len() {
            1 => Cow::Borrowed("1 field is not valid"),
            n => Cow::Owned(format!("{n} fields are not valid")),
        };
        let mut error = Self::new(Code::Unprocessable, Reason::VALIDATION_FAILED, message);
        error.0.violations = violations;
        error
    }

    /// 404. Foreign, invisible, deleted and random ids all answer these same bytes.
    pub fn not_found(reason: Reason) -> Self {
        Self::new(Code::NotFound, reason, "not found")
    }

    /// 403 naming the missing permission `<object>.<action>`.
    pub fn permission_denied(object: &str, action: &str) -> Self {
        Self::new(
            Code::PermissionDenied,
            Reason::PERMISSION_DENIED,
            format!("missing permission {object}.{action}"),
        )
        .with_metadata("permission", format!("{object}.{action}"))
    }

    /// 401.
    pub fn unauthenticated(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unauthenticated, reason, message)
    }

    /// 503 with `Retry-After`.
    pub fn unavailable(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable, reason, message).with_retry_after(Duration::from_secs(1))
    }

    /// 500. The caller learns nothing but the request id; the log gets `source`.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::Internal, Reason::INTERNAL, "internal error").with_source(source)
    }

    /// 500: the answer exists, but is larger than the parts on its way take.
    pub fn answer_too_large() -> Self {
        let text = "the answer is too large; ask for less at once (page_size, fields)";
        Self::new(Code::Internal, Reason::ANSWER_TOO_LARGE, text)
    }

    /// The same answer for another who waited for it; the cause stays with the first.
    #[must_use]
    pub fn again(&self) -> Self {
        let Inner { code, reason, message, violations, metadata, retry_after, details, source: _ } = &*self.0;
        Self(Box::new(Inner {
            code: *code,
            reason: reason.clone(),
            message: message.clone(),
            violations: violations.clone(),
            metadata: metadata.clone(),
            retry_after: *retry_after,
            details: details.clone(),
            source: None,
        }))
    }

    /// Adds the cause, for the log only.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds one violation.
    #[must_use]
    pub fn with_violation(mut self, violation: Violation) -> Self {
        self.0.violations.push(violation);
        self
    }

    /// Adds a machine-readable fact (public).
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.metadata.insert(key.into(), value.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Adds a message of `globcrm.common.v1` (conflicts, candidates) to the answer.
    #[must_use]
    pub fn with_detail<M: prost::Message>(mut self, full_name: &str, message: &M) -> Self {
        let any = prost_types::Any {
            type_url: format!("type.googleapis.com/{full_name}"),
            value: message.encode_to_vec(),
        };
        self.0.details.push(any);
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The stable reason.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// The public text.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// All violations.
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// Public facts.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.0.metadata
    }

    /// When to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Encoded details beyond the standard ones.
    pub fn details(&self) -> &[prost_types::Any] {
        &self.0.details
    }

    /// Puts `prefix` before the pointer of every violation.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        for violation in &mut self.0.violations {
            violation.pointer.insert_str(0, prefix);
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.reason, self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|s| s.as_ref() as &(dyn StdError + 'static))
    }
}
