//! Why something was not sealed or opened. No text holds anything of a secret.

use crate::{KeyId, MAX_SECRET_BYTES};

/// Why something was not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The tenant's key was wrapped by a key that SEAL_KEYS does not have.
    #[error("SEAL_KEYS has no key {0}, which this tenant's key was wrapped by")]
    UnknownKey(KeyId),
    /// It was changed, or belongs to another tenant, place or row.
    #[error("it does not open: it was changed, or sealed for another place")]
    DoesNotOpen,
    /// It is not of a known form.
    #[error("it is not of a form that this program knows")]
    Malformed,
    /// More bytes than a small secret has.
    #[error("a secret has at most {MAX_SECRET_BYTES} bytes")]
    TooLong,
    /// The operating system gave no random bytes, or the cipher refused what this crate gave it.
    #[error("nothing could be sealed: {0}")]
    Failed(&'static str),
}

impl From<SealError> for error::Error {
    /// None of them is the caller's doing.
    fn from(cause: SealError) -> Self {
        Self::internal(cause)
    }
}
