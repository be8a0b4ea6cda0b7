//! What a failed transport says of the call: whether the peer can have seen it.

use std::error::Error;

/// Why a call did not come to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The peer has not seen it: it was not sent, or refused by its number when the connection was about to close. Whatever it
    /// would have done was not done, so that it may be sent again, also if it writes.
    Unseen,
    /// There is no connection, and so nothing was sent.
    Unconnected,
    /// The time was over.
    Late,
    /// It was answered, with more headers than are taken.
    TooLarge,
    /// It broke off; the peer may have seen it.
    Broken,
}

/// Reads the chain of causes of a transport's error.
pub(crate) fn read(error: &(dyn Error + 'static)) -> Failure {
    let mut cause = Some(error);
    let mut failure = Failure::Broken;
    while let Some(inner) = cause {
        if inner.is::<tonic::TimeoutExpired>() {
            return Failure::Late;
        }
        if inner.is::<tonic::ConnectError>() {
            return Failure::Unconnected;
        }
        if let Some(h2) = inner.downcast_ref::<h2::Error>() {
            return of_stream(h2);
        }
        if inner.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            // It waited for its turn on a connection that went away.
            failure = Failure::Unseen;
        }
        cause = inner.source();
    }
    failure
}

fn of_stream(error: &h2::Error) -> Failure {
    let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
    if error.is_remote() && error.is_go_away() {
        // Only streams beyond the last one that the peer took get this error, and those that were never opened (RFC 9113, 6.8).
        return Failure::Unseen;
    }
    match (refused, error.is_remote()) {
        // RFC 9113, 8.7: nothing was done with it.
        (true, true) => Failure::Unseen,
        // Refused by this side: a head beyond `MAX_HEADERS`.
        (true, false) => Failure::TooLarge,
        (false, _) => Failure::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_so_is_unseen() {
        assert_eq!(read(&std::io::Error::from(std::io::ErrorKind::BrokenPipe)), Failure::Broken);
        let reset = h2::Error::from(h2::Reason::CANCEL);
        assert_eq!(read(&reset), Failure::Broken);
        assert_eq!(read(&std::io::Error::other(reset)), Failure::Broken, "causes are looked through");
        assert_eq!(read(&h2::Error::from(h2::Reason::REFUSED_STREAM)), Failure::TooLarge);
    }
}
