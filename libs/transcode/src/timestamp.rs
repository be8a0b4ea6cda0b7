//! RFC 3339 text <-> `google.protobuf.Timestamp`.

use time::{Date, Month};

/// The Julian day of 1970-01-01.
const EPOCH_JULIAN_DAY: i64 = 2_440_588;
const DAY: i64 = 86_400;
/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z in seconds.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

/// Seconds since the epoch and nanoseconds of `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)`; at most nine digits.
pub(crate) fn parse(text: &str) -> Option<(i64, i32)> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || !text.is_ascii() {
        return None;
    }
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| bytes[at] != byte) || !matches!(bytes[10], b'T' | b't') {
        return None;
    }
    let (year, month, day) = (digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..10])?);
    let (hour, minute, second) = (digits(&bytes[11..13])?, digits(&bytes[14..16])?, digits(&bytes[17..19])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = &bytes[19..];
    let mut nanos = 0_i64;
    if let [b'.', fraction @ ..] = rest {
        let length = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if length == 0 || length > 9 {
            return None;
        }
        nanos = digits(&fraction[..length])? * 10_i64.pow(9 - length as u32);
        rest = &fraction[length..];
    }
    let offset = offset(rest)?;
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()?;
    let days = i64::from(date.to_julian_day()) - EPOCH_JULIAN_DAY;
    let seconds = days * DAY + hour * 3600 + minute * 60 + second - offset;
    (FIRST..=LAST).contains(&seconds).then_some((seconds, i32::try_from(nanos).ok()?))
}

/// Whether the moment has a text of this form.
pub(crate) fn has_text(seconds: i64, nanos: i32) -> bool {
    (FIRST..=LAST).contains(&seconds) && (0..1_000_000_000).contains(&nanos)
}

/// Seconds east of UTC.
fn offset(text: &[u8]) -> Option<i64> {
    match text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    let mut value = 0;
    for byte in bytes {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some(value)
}

/// Writes the moment in UTC, without quotes; `None` outside the years 1 to 9999 or with nanoseconds out of range.
pub(crate) fn write(out: &mut Vec<u8>, seconds: i64, nanos: i32) -> Option<()> {
    if !(FIRST..=LAST).contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
        return None;
    }
    let days = seconds.div_euclid(DAY);
    let of_day = seconds.rem_euclid(DAY);
    let date = Date::from_julian_day(i32::try_from(days + EPOCH_JULIAN_DAY).ok()?).ok()?;
    let (year, month, day) = date.to_calendar_date();
    let mut text = *b"0000-00-00T00:00:00";
    put_digits(&mut text[..4], i64::from(year));
    put_digits(&mut text[5..7], i64::from(u8::from(month)));
    put_digits(&mut text[8..10], i64::from(day));
    put_digits(&mut text[11..13], of_day / 3600);
    put_digits(&mut text[14..16], of_day / 60 % 60);
    put_digits(&mut text[17..19], of_day % 60);
    out.extend_from_slice(&text);
    if nanos != 0 {
        let mut fraction = *b".000000000";
        put_digits(&mut fraction[1..], i64::from(nanos));
        let length = match nanos {
            n if n % 1_000_000 == 0 => 3,
            n if n % 1_000 == 0 => 6,
            _ => 9,
        };
        out.extend_from_slice(&fraction[..=length]);
    }
    out.push(b'Z');
    Some(())
}

fn put_digits(place: &mut [u8], mut value: i64) {
    for byte in place.iter_mut().rev() {
        *byte = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(seconds: i64, nanos: i32) -> Option<String> {
        let mut out = Vec::new();
        write(&mut out, seconds, nanos)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn offsets_and_fractions_are_read() {
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some((0, 0)));
        assert_eq!(parse("2026-01-01T00:00:00Z"), Some((1_767_225_600, 0)));
        assert_eq!(parse("2026-01-01T01:30:00.5+01:30"), Some((1_767_225_600, 500_000_000)));
        assert_eq!(parse("2025-12-31T23:00:00.000000001-01:00"), Some((1_767_225_600, 1)));
        assert_eq!(parse("0001-01-01T00:00:00Z"), Some((FIRST, 0)));
        assert_eq!(parse("9999-12-31T23:59:59Z"), Some((LAST, 0)));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2026-01-01",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.0123456789Z",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+0100",
            "0000-12-31T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "2026-01-01T00:00:00Zé",
            "+026-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn fractions_are_printed_in_three_six_or_nine_digits() {
        assert_eq!(printed(1_767_225_600, 0).as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(printed(-1, 120_000_000).as_deref(), Some("1969-12-31T23:59:59.120Z"));
        assert_eq!(printed(0, 1_000).as_deref(), Some("1970-01-01T00:00:00.000001Z"));
        assert_eq!(printed(0, 1).as_deref(), Some("1970-01-01T00:00:00.000000001Z"));
        assert_eq!(printed(LAST + 1, 0), None);
        assert_eq!(printed(0, -1), None);
    }
}
