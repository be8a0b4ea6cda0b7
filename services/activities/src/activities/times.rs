//! When an activity is: its end comes after its beginning, and one that takes whole days takes those of its time zone, which are not all
//! of 24 hours.

use error::Reason;
use field_types::moment::datetime_text;
use input::Violations;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use record::Record;
use record::prepare::Write;
use serde_json::Value;

use super::text;

/// Puts the beginning and the end of an all-day activity to the limits of days, and looks at the order of both.
pub(super) fn check(write: &mut Write<'_>, violations: &mut Violations) {
    if takes_days(write.after) {
        for name in ["starts_at", "ends_at"] {
            if let Some(limit) = limit_of_day(write, name) {
                write.after.set(name, limit.into());
            }
        }
    }
    let (start, end) = (moment(write.after, "starts_at"), moment(write.after, "ends_at"));
    if start.zip(end).is_some_and(|(start, end)| end <= start) && !violations.concern("/ends_at") {
        violations.note("/ends_at", Reason::ENDS_BEFORE_START, "must be later than starts_at");
    }
}

/// The beginning of the day of a beginning, or the end of the day of an end; `None` where there is no such moment.
fn limit_of_day(write: &Write<'_>, name: &str) -> Option<String> {
    let zone = zone(write.after);
    let moment = moment(write.after, name)?;
    let was = write.before.filter(|before| takes_days(before));
    let day = match was {
        // It goes on to take the same days, in another zone.
        Some(before) if self::moment(before, name) == Some(moment) && self::zone(before) != zone => {
            let there = moment.to_zoned_datetime(self::zone(before));
            there.datetime().to_zoned_datetime(zone).ok()?
        }
        _ => moment.to_zoned_datetime(zone),
    };
    let limit = if name == "starts_at" { day.start_of_day().ok()? } else { end_of_day(&day)? };
    moment_text(limit.timestamp())
}

/// A moment of the years that there are, as it is kept.
pub(super) fn moment_text(moment: Timestamp) -> Option<String> {
    let moment = time::OffsetDateTime::from_unix_timestamp_nanos(moment.as_nanosecond()).ok()?;
    (1..=9999).contains(&moment.year()).then(|| datetime_text(moment))
}

/// A moment at which a day begins is the end of the day before.
fn end_of_day(day: &ZonedDateTime) -> Option<ZonedDateTime> {
    let start = day.start_of_day().ok()?;
    if start == *day { Some(start) } else { day.tomorrow().ok()?.start_of_day().ok() }
}

/// Whether an activity takes whole days.
pub(super) fn takes_days(activity: &Record) -> bool {
    activity.fields.get("all_day") == Some(&Value::Bool(true))
}

/// The zone of an activity.
pub(super) fn zone(activity: &Record) -> TimeZone {
    let named = text(activity, "timezone").and_then(|name| TimeZone::get(name).ok());
    named.unwrap_or(TimeZone::UTC)
}

/// A moment of an activity.
pub(super) fn moment(activity: &Record, name: &str) -> Option<Timestamp> {
    text(activity, name)?.parse().ok()
}
