//! Answers that several operations give in the same bytes.

use auth::{Call, Context, PrincipalKind};
use error::{Code, Error, Reason};

/// Refuses `Idempotency-Key` on a call whose answer holds a secret: it must not be stored. Errors: 400.
pub(crate) fn refuse_idempotency_key(call: &Call) -> Result<(), Error> {
    match call.idempotency_key {
        None => Ok(()),
        Some(_) => Err(Error::malformed(
            Reason::IDEMPOTENCY_KEY_NOT_SUPPORTED,
            "the answer holds a secret, so it cannot be repeated",
        )),
    }
}

/// Refuses an API key where its owner must have signed in: a key that leaked makes nothing that outlives it, and ends nothing
/// of its owner's. Errors: 403 `SESSION_REQUIRED`.
pub(crate) fn refuse_key(cx: &Context) -> Result<(), Error> {
    match cx.principal.kind {
        PrincipalKind::ApiKey => {
            let text = "an API key cannot do this; its owner must log in";
            Err(Error::new(Code::PermissionDenied, Reason::SESSION_REQUIRED, text))
        }
        PrincipalKind::User | PrincipalKind::Service => Ok(()),
    }
}
