//! An error on one line, for a log.

use std::error::Error as StdError;
use std::fmt;

/// The error with all its causes: `not saved: the database is not available: connection refused`. A `Display` alone tells the first.
pub fn chain<'a>(error: &'a (dyn StdError + 'a)) -> impl fmt::Display + 'a {
    Chain(error)
}

/// The text without its digits: the same for what is the same but for the second it happened in. For code that tells each finding once.
pub fn timeless(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
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
    fn the_same_finding_of_another_second_is_the_same() {
        let ended = |ago: u32| format!("TLS_CERT_FILE has a certificate that ended {ago} seconds ago");
        assert_eq!(timeless(&ended(9)), timeless(&ended(14)));
        assert_ne!(timeless(&ended(9)), timeless("TLS_CERT_FILE is no certificate"));
    }

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
