//! Moments on the wire.

use prost_types::Timestamp;
use time::OffsetDateTime;

/// A moment on the wire.
pub fn timestamp(at: OffsetDateTime) -> Timestamp {
    // Below 10^9 by its type.
    Timestamp { seconds: at.unix_timestamp(), nanos: at.nanosecond() as i32 }
}

/// A moment from the wire; `None` for one beyond the years 1 to 9999, and for nanoseconds that are not within a second.
pub fn moment(wire: &Timestamp) -> Option<OffsetDateTime> {
    let nanos = u32::try_from(wire.nanos).ok()?;
    let at = OffsetDateTime::from_unix_timestamp(wire.seconds).ok()?.replace_nanosecond(nanos).ok()?;
    (1..=9999).contains(&at.year()).then_some(at)
}
