//! What an operation gives back besides the message.

/// An answer with the headers that belong to it.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) message: T,
    /// The record's version, for `ETag`.
    pub(crate) version: i64,
    /// Whether this is the first answer to an `Idempotency-Key`, again.
    pub(crate) replayed: bool,
}

impl<T> Answer<T> {
    pub(crate) fn new(message: T, version: i64) -> Self {
        Self { message, version, replayed: false }
    }

    pub(crate) fn replay(message: T, version: i64) -> Self {
        Self { message, version, replayed: true }
    }
}
