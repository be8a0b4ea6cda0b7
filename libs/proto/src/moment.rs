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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_the_wire_also_before_1970() {
        for (seconds, nanos) in [(0, 0), (1_700_000_000, 999_999_999), (-1, 1), (-62_135_596_800, 0)] {
            let wire = Timestamp { seconds, nanos };
            assert_eq!(moment(&wire).map(timestamp), Some(wire));
        }
    }

    #[test]
    fn what_is_not_a_moment_of_the_calendar_is_refused() {
        for (seconds, nanos) in
            [(0, -1), (0, 1_000_000_000), (-62_135_596_801, 0), (253_402_300_800, 0), (i64::MAX, 0)]
        {
            assert_eq!(moment(&Timestamp { seconds, nanos }), None, "{seconds} {nanos}");
        }
    }
}
