//! An error on one line, for a log.

use std::error::Error as StdError;
use std::fmt;

/// The error with all its causes: `not saved: the database is not available: connection refused`. A `Display` alone tells the first.
pub fn chain<'a>(error: &'a (dyn StdError + 'a)) -> impl fmt::Display + 'a {
    Chain(error)
}

struct Chain<'a>(&'a (dyn StdError + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn every_cause_is_told_in_order() {
        let inner = std::io::Error::other("connection refused");
        let error = Error::internal(Error::unavailable(crate::Reason::OVERLOADED, "away").with_source(inner));
        assert_eq!(
            chain(&error).to_string(),
            "INTERNAL: internal error: OVERLOADED: away: connection refused"
        );
    }
}
