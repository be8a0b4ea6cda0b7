//! Questions to other services that an answer can do without.

use std::future::Future;
use std::time::Duration;

use error::{Code, Error, Reason};

/// How long another service may take for such a question.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks, and gives up after a second, or after half of the time that the call has left.
pub(crate) async fn within<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let left = host::deadline::remaining();
    let patience = left.map_or(PATIENCE, |left| PATIENCE.min(left / 2));
    let late = || Error::new(Code::DeadlineExceeded, Reason::DEADLINE_EXCEEDED, "the service did not answer");
    tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| Err(late()))
}

/// Whether the failure is of the service that was asked, and not of what it was asked.
pub(crate) fn is_outage(error: &Error) -> bool {
    use Code::{Cancelled, DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unimplemented};
    matches!(
        error.code(),
        Unavailable | DeadlineExceeded | ResourceExhausted | Cancelled | Internal | Unimplemented
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_question_waits_for_a_second() {
        let never = std::future::pending::<Result<(), Error>>;
        let asked = tokio::time::Instant::now();
        assert_eq!(within(never()).await.unwrap_err().reason(), "DEADLINE_EXCEEDED");
        assert_eq!(asked.elapsed().as_secs(), 1);
        assert_eq!(within(async { Ok(5) }).await.unwrap(), 5);
    }

    #[test]
    fn an_outage_is_of_the_service_and_a_refusal_of_the_question() {
        assert!(is_outage(&Error::unavailable(Reason::DATABASE_UNAVAILABLE, "")));
        assert!(is_outage(&Error::internal("a defect")));
        assert!(is_outage(&Error::new(Code::DeadlineExceeded, Reason::DEADLINE_EXCEEDED, "")));
        assert!(!is_outage(&Error::malformed(Reason::TOO_MANY_IDS, "")));
        assert!(!is_outage(&Error::permission_denied("contact", "read")));
        assert!(!is_outage(&Error::unauthenticated(Reason::UNAUTHENTICATED, "")));
    }
}
