//! Settings that every service with operations has.

use std::time::Duration;

use ::config::{Reader, Seconds};

/// Reads how long operations that are over are kept.
pub fn retention(r: &mut Reader<'_>) -> Option<Duration> {
    let retention: Option<Seconds> = r.with_default(
        "OPERATION_RETENTION",
        "2592000",
        "How long operations that are over are kept, with the errors of their rows",
    );
    Some(retention?.0)
}
