//! Why work on an operation stopped before its end.

use db::DbError;
use error::{Code, Error, Reason};

use crate::RowError;

/// Why an operation failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its owner reads it as `failure`.
    pub reason: Reason,
    /// The line of the file at which it failed, where that is known.
    pub line: Option<u64>,
}

impl Failure {
    /// The line as an error of its row, where it is known.
    pub(crate) fn row_error(self) -> Option<RowError> {
        let line = i64::try_from(self.line?).ok()?;
        let (reason, detail) = (self.reason.as_str().to_owned(), self.reason.title().to_owned());
        Some(RowError { line, number: 1, column_name: String::new(), reason, detail })
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self { reason, line: None }
    }
}

/// Why work stopped.
#[derive(Debug)]
pub enum Stop {
    /// It has failed for good.
    Failed(Failure),
    /// It is another's, or cancelled: nothing to write.
    Over,
    /// Something does not answer: the claim will lapse and the work go on.
    Later(Error),
}

impl Stop {
    /// It has failed for good, for this reason.
    pub fn failed(reason: Reason) -> Self {
        Self::Failed(reason.into())
    }
}

/// What is refused to the principal on whose permissions the work runs fails it; anything else is tried again.
impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error.code() {
            Code::PermissionDenied => Self::failed(Reason::PERMISSION_DENIED),
            // Whoever asked for it was disabled, or did so by a key that has ended. Anything else that is wrong with a token is not theirs.
            Code::Unauthenticated
                if error.reason() == Reason::SESSION_REVOKED || error.reason() == Reason::API_KEY_EXPIRED =>
            {
                Self::failed(Reason::PERMISSION_DENIED)
            }
            _ => Self::Later(error),
        }
    }
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        Self::Later(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(error: Error) -> Option<Reason> {
        match Stop::from(error) {
            Stop::Failed(failure) => Some(failure.reason),
            Stop::Over | Stop::Later(_) => None,
        }
    }

    #[test]
    fn what_the_owner_may_not_do_fails_the_work_and_everything_else_is_tried_again() {
        let error = |code, reason| Error::new(code, reason, "");
        let denied = Some(Reason::PERMISSION_DENIED);
        assert_eq!(failure(error(Code::PermissionDenied, Reason::PERMISSION_DENIED)), denied);
        assert_eq!(failure(error(Code::Unauthenticated, Reason::SESSION_REVOKED)), denied);
        assert_eq!(failure(error(Code::Unauthenticated, Reason::API_KEY_EXPIRED)), denied);
        assert_eq!(failure(error(Code::Unauthenticated, Reason::TOKEN_INVALID)), None);
        assert_eq!(failure(Error::internal("a peer is away")), None);
    }
}
