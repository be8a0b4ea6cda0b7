//! What an operation answers, and what its response says in the metadata.

use tonic::Response;
use tonic::metadata::AsciiMetadataValue;

use crate::Context;

/// An answer to a caller whose [`Context`] is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The message.
    pub message: T,
    /// The version of the one thing that the message is about; the gateway makes the `ETag` from it.
    pub version: Option<i64>,
    /// Whether this is the first answer to an `Idempotency-Key`, given again.
    pub replayed: bool,
}

impl<T> Answer<T> {
    /// An answer about nothing that has a version.
    pub fn new(message: T) -> Self {
        Self { message, version: None, replayed: false }
    }

    /// An answer about something in this version.
    pub fn of_version(version: impl Into<Option<i64>>, message: T) -> Self {
        Self { message, version: version.into(), replayed: false }
    }

    /// The same, given again.
    #[must_use]
    pub fn again(self) -> Self {
        Self { replayed: true, ..self }
    }

    /// The same about another message.
    #[must_use]
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { message: make(self.message), version: self.version, replayed: self.replayed }
    }

    /// The response: with the version and the mark of a replay, and the caller's permission version.
    pub fn respond(self, cx: &Context) -> Response<T> {
        let mut response = cx.answer(self.message);
        if let Some(version) = self.version {
            response.metadata_mut().insert("version", AsciiMetadataValue::from(version));
        }
        if self.replayed {
            response.metadata_mut().insert("idempotency-replayed", AsciiMetadataValue::from_static("true"));
        }
        response
    }
}
