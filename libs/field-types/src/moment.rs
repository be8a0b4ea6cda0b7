//! Days and instants.

use reasons::Reason;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, UtcOffset};

use crate::FieldError;

const DAY: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]");

/// A day as `YYYY-MM-DD`, years 0001 to 9999.
pub fn date(value: &str) -> Result<Date, FieldError> {
    let invalid = || FieldError::new(Reason::DATE_INVALID, "a date as YYYY-MM-DD is expected");
    if value.starts_with("--") {
        let detail = "a date as YYYY-MM-DD is expected; a day without its year cannot be stored";
        return Err(FieldError::new(Reason::DATE_INVALID, detail));
    }
    if value.len() != 10 {
        return Err(invalid());
    }
    Date::parse(value, DAY).ok().filter(|day| (1..=9999).contains(&day.year())).ok_or_else(invalid)
}

/// The canonical text of a day.
pub fn date_text(day: Date) -> String {
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

/// An instant after RFC 3339, which always names its offset; in UTC, cut to the microsecond that PostgreSQL keeps.
pub fn datetime(value: &str) -> Result<OffsetDateTime, FieldError> {
    let invalid = || {
        let detail = "a date and time with offset as in RFC 3339 is expected, such as 2026-01-31T08:00:00Z";
        FieldError::new(Reason::TIMESTAMP_INVALID, detail)
    };
    if value.len() > 64 {
        return Err(invalid());
    }
    let moment = OffsetDateTime::parse(value, &Rfc3339).map_err(|_| invalid())?;
    let utc = moment.checked_to_offset(UtcOffset::UTC).ok_or_else(invalid)?;
    if !(1..=9999).contains(&utc.year()) {
        return Err(invalid());
    }
    utc.replace_nanosecond(utc.nanosecond() / 1_000 * 1_000).map_err(|_| invalid())
}

/// The canonical text of an instant in UTC: no fraction, or 3 or 6 digits of it, as protobuf's JSON has it.
pub fn datetime_text(moment: OffsetDateTime) -> String {
    let utc = moment.to_offset(UtcOffset::UTC);
    let (hour, minute, second) = utc.time().as_hms();
    let micros = utc.microsecond();
    let fraction = match (micros, micros % 1_000) {
        (0, _) => String::new(),
        (_, 0) => format!(".{:03}", micros / 1_000),
        _ => format!(".{micros:06}"),
    };
    format!("{}T{hour:02}:{minute:02}:{second:02}{fraction}Z", date_text(utc.date()))
}
