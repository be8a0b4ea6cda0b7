//! Why work on an operation stopped before its end.

use db::DbError;
use error::{Code, Error, Reason};

use crate::RowError;

/// Why an operation failed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its owner reads it as `failure`.
    pub reason: Reason,
    /// The line of the file at which it failed, where that is known.
    pub line: Option<u64>,
    /// What exactly it failed for: each is an error of the operation.
    pub details: Vec<Detail>,
}

/// One of the things that an operation failed for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// The column of the file; empty where it is about none.
    pub column: String,
    /// The field; empty where it is about none.
    pub field: String,
    /// What is wrong with it, for people.
    pub text: String,
}

impl Detail {
    /// What is wrong with a field or a member of the request.
    pub fn of_field(field: &str, text: String) -> Self {
        Self { column: String::new(), field: field.to_owned(), text }
    }
}

/// Most details of a failure that are kept, and the characters of a text.
const MAX_DETAILS: usize = 300;
const MAX_TEXT: usize = 600;

impl Failure {
    /// The errors that say what it failed for: its details, else its line. Without a line of its own an error is about none (0).
    pub(crate) fn row_errors(&self) -> Vec<RowError> {
        let line = self.line.and_then(|line| i64::try_from(line).ok());
        let title = Detail { text: self.reason.title().to_owned(), ..Detail::default() };
        let of_line = line.filter(|_| self.details.is_empty()).map(|_| &title);
        let details = self.details.iter().take(MAX_DETAILS).chain(of_line).zip(1..);
        let cut = |text: &str| text.chars().take(MAX_TEXT).collect();
        let error = |(detail, number): (&Detail, i32)| RowError {
            line: line.unwrap_or_default(),
            record_id: None,
            number,
            column_name: cut(&detail.column),
            field: cut(&detail.field),
            reason: self.reason.as_str().to_owned(),
            detail: cut(&detail.text),
        };
        details.map(error).collect()
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self { reason, line: None, details: Vec::new() }
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
    fn a_failure_says_what_it_failed_for_or_where() {
        let errors = |failure: Failure| -> Vec<(i64, i32, String, String)> {
            let errors = failure.row_errors().into_iter();
            errors.map(|e| (e.line, e.number, e.column_name, e.detail)).collect()
        };
        let mut failure = Failure::from(Reason::COLUMN_MISSING);
        assert!(errors(failure.clone()).is_empty());
        failure.line = Some(7);
        assert_eq!(errors(failure.clone()), [(7, 1, String::new(), "Column missing".to_owned())]);
        let detail =
            |column: &str| Detail { column: column.to_owned(), text: "no".to_owned(), ..Detail::default() };
        failure.details = vec![detail("Mail"), detail("Tel")];
        let of = |number, column: &str| (7, number, column.to_owned(), "no".to_owned());
        assert_eq!(errors(failure), [of(1, "Mail"), of(2, "Tel")]);
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
