//! What PostgreSQL can answer, sorted by what a caller can do about it.

use error::Reason;

use crate::session::sqlstate;

/// A database failure.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection, or none in time: try again.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The statement ran too long.
    #[error("the database took too long")]
    Timeout(#[source] sqlx::Error),
    /// A unique constraint refused the row.
    #[error("unique constraint {constraint}")]
    Duplicate {
        /// The constraint or unique index.
        constraint: String,
        /// The cause. Its detail text holds row values: log `constraint` only.
        #[source]
        source: sqlx::Error,
    },
    /// A foreign key refused the row.
    #[error("foreign key {constraint}")]
    Reference {
        /// The constraint.
        constraint: String,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
    /// Two transactions met: try the whole transaction again.
    #[error("serialization failure or deadlock")]
    Retry(#[source] sqlx::Error),
    /// The tenant itself holds all connections that it may: fewer calls at once.
    #[error("the tenant holds its share of the connections")]
    Busy,
    /// The permissions that the transaction began on were not confirmed before its commit.
    #[error("the commit was refused")]
    Refused(#[source] error::Error),
    /// Anything else: a defect of ours.
    #[error("database error")]
    Other(#[source] sqlx::Error),
}

impl DbError {
    /// The violated unique constraint.
    pub fn duplicate(&self) -> Option<&str> {
        match self {
            Self::Duplicate { constraint, .. } => Some(constraint),
            _ => None,
        }
    }

    /// A lock was waited for too long (`lock_timeout`); any other time-out is the call's.
    pub fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Timeout(cause) if sqlstate(cause).as_deref() == Some("55P03"))
    }

    /// The violated foreign key.
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::Reference { constraint, .. } => Some(constraint),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let code = sqlstate(&error);
        let constraint = || {
            error
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::constraint)
                .unwrap_or_default()
                .to_owned()
        };
        match code.as_deref() {
            Some("23505") => Self::Duplicate { constraint: constraint(), source: error },
            Some("23503") => Self::Reference { constraint: constraint(), source: error },
            Some("40001" | "40P01") => Self::Retry(error),
            Some("57014" | "55P03") => Self::Timeout(error),
            // Shutdown, crash recovery, connection exceptions, too many connections.
            Some(code) if code.starts_with("57P") || code.starts_with("08") || code == "53300" => {
                Self::Unavailable(error)
            }
            Some(_) => Self::Other(error),
            None => match error {
                sqlx::Error::Io(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::Tls(_) => Self::Unavailable(error),
                _ => Self::Other(error),
            },
        }
    }
}

impl From<DbError> for error::Error {
    /// How a failure that an operation does not handle looks from outside.
    fn from(cause: DbError) -> Self {
        match cause {
            DbError::Unavailable(_) => {
                Self::unavailable(Reason::DATABASE_UNAVAILABLE, "the database is not available")
                    .with_source(cause)
            }
            DbError::Busy => Self::new(
                error::Code::ResourceExhausted,
                Reason::TENANT_BUSY,
                "your organization has too many calls running at once; try again",
            )
            .with_retry_after(std::time::Duration::from_secs(1)),
            DbError::Refused(refusal) => refusal,
            DbError::Timeout(_) => Self::new(
                error::Code::DeadlineExceeded,
                Reason::DATABASE_TIMEOUT,
                "the database took too long",
            )
            .with_source(cause),
            DbError::Retry(_) => Self::new(
                error::Code::Aborted,
                Reason::CONCURRENT_CHANGE,
                "someone else changed the same thing; try again",
            )
            .with_source(cause),
            DbError::Duplicate { .. } | DbError::Reference { .. } | DbError::Other(_) => {
                Self::internal(cause)
            }
        }
    }
}
