//! Rules of recurrence (RFC 5545, 3.3.10), as texts such as `FREQ=WEEKLY;BYDAY=MO;COUNT=10`.
//!
//! The library reckons with times that know no zone: where clocks change it would count an hour twice or leave it out. How often and until when
//! is therefore not left to it either.

use std::fmt;

use error::Reason;
use field_types::FieldError;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rrule::RRuleSet;

/// How times are written in rules.
const FORM: &str = "%Y%m%dT%H%M%S";
/// The most that may be counted.
const MAX_COUNT: u32 = 9_999;
/// What a rule may say besides how often, how many times and until when.
const PARTS: [&str; 9] =
    ["INTERVAL", "WKST", "BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH", "BYSETPOS", "BYHOUR"];
const FREQUENCIES: [&str; 4] = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"];

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    /// Without its end.
    pattern: String,
    end: End,
}

/// Where it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Never,
    /// After so many, this one included.
    Count(u32),
    Day(Date),
    Clock(DateTime),
    Moment(Timestamp),
}

impl Rule {
    /// Reads a rule.
    pub(crate) fn parse(text: &str) -> Result<Self, FieldError> {
        Self::read(text).ok_or_else(|| {
            let detail = "a rule of RFC 5545 is expected, such as FREQ=WEEKLY;BYDAY=MO;COUNT=10: daily or rarer, with COUNT or UNTIL or neither";
            FieldError::new(Reason::RECURRENCE_INVALID, detail)
        })
    }

    fn read(text: &str) -> Option<Self> {
        let text = text.to_ascii_uppercase();
        let text = text.strip_prefix("RRULE:").unwrap_or(&text);
        let (mut pattern, mut end, mut names) = (Vec::new(), End::Never, Vec::new());
        for part in text.split(';') {
            let (name, value) = part.split_once('=')?;
            let is_value = |c: char| c.is_ascii_alphanumeric() || ",+-".contains(c);
            if names.contains(&name) || value.is_empty() || !value.chars().all(is_value) {
                return None;
            }
            // The library takes a 0 and reckons as if it were not there; of what is named here, only the hours begin with one.
            let is_zero = |one: &str| {
                let digits = one.trim_start_matches(['+', '-']);
                !digits.is_empty() && digits.chars().all(|c| c == '0')
            };
            if name != "BYHOUR" && value.split(',').any(is_zero) {
                return None;
            }
            names.push(name);
            match name {
                "COUNT" | "UNTIL" if end != End::Never => return None,
                "COUNT" => end = End::Count(value.parse().ok().filter(|n| (1..=MAX_COUNT).contains(n))?),
                "UNTIL" => end = until(value)?,
                "FREQ" if FREQUENCIES.contains(&value) => pattern.push(part),
                name if PARTS.contains(&name) => pattern.push(part),
                _ => return None,
            }
        }
        let pattern = names.contains(&"FREQ").then(|| pattern.join(";"))?;
        occurrences(&pattern, DateTime::constant(2026, 1, 1, 0, 0, 0, 0))?;
        Some(Self { pattern, end })
    }

    /// The time that follows one by the clock of a zone, the moment of it, and the rule that goes on from there.
    pub(super) fn next(&self, time: DateTime, zone: &TimeZone) -> Option<(DateTime, Timestamp, Self)> {
        let time = time.with().subsec_nanosecond(0).build().ok()?;
        // The first one may be the time itself.
        let found = occurrences(&self.pattern, time)?.all(2).dates.into_iter();
        let mut times = found.filter_map(|at| DateTime::strptime(FORM, at.format(FORM).to_string()).ok());
        let next = times.find(|next| *next > time)?;
        // A time that the clock skips is that after as long as it is behind; of a time that comes twice it is the first (RFC 5545, 3.3.5).
        let moment = next.to_zoned_datetime(zone.clone()).ok()?.timestamp();
        let end = match self.end {
            End::Count(1) => return None,
            End::Count(count) => End::Count(count - 1),
            End::Day(last) if next.date() > last => return None,
            End::Clock(last) if next > last => return None,
            End::Moment(last) if moment > last => return None,
            end => end,
        };
        Some((next, moment, Self { pattern: self.pattern.clone(), end }))
    }
}

impl Rule {
    /// The rule as a calendar has it, in which it ends by a day where it recurs by days, and else at a moment (RFC 5545, 3.3.10). `None` where
    /// a calendar cannot have it.
    pub(crate) fn in_calendar(&self, by_days: bool, zone: &TimeZone) -> Option<String> {
        if by_days && self.pattern.contains("BYHOUR=") {
            return None;
        }
        let moment = |time: DateTime| Some(time.to_zoned_datetime(zone.clone()).ok()?.timestamp());
        let end = match self.end {
            End::Day(day) if !by_days => End::Moment(moment(day.at(23, 59, 59, 0))?),
            End::Clock(time) if by_days => End::Day(time.date()),
            End::Clock(time) => End::Moment(moment(time)?),
            End::Moment(at) if by_days => End::Day(at.to_zoned_datetime(zone.clone()).date()),
            end => end,
        };
        Some(Self { pattern: self.pattern.clone(), end }.to_string())
    }
}

/// What recurs by a pattern from a time on.
fn occurrences(pattern: &str, from: DateTime) -> Option<RRuleSet> {
    format!("DTSTART:{}Z\nRRULE:{pattern}", from.strftime(FORM)).parse().ok()
}

/// A day, a time by the clock of the activity's zone, or a moment.
fn until(value: &str) -> Option<End> {
    let clock = || DateTime::strptime(FORM, value.trim_end_matches('Z')).ok();
    match value.len() {
        8 => Date::strptime("%Y%m%d", value).ok().map(End::Day),
        15 => clock().map(End::Clock),
        16 if value.ends_with('Z') => {
            clock()?.to_zoned_datetime(TimeZone::UTC).ok().map(|at| End::Moment(at.timestamp()))
        }
        _ => None,
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)?;
        match self.end {
            End::Never => Ok(()),
            End::Count(count) => write!(f, ";COUNT={count}"),
            End::Day(day) => write!(f, ";UNTIL={}", day.strftime("%Y%m%d")),
            End::Clock(time) => write!(f, ";UNTIL={}", time.strftime(FORM)),
            End::Moment(moment) => {
                write!(f, ";UNTIL={}Z", moment.to_zoned_datetime(TimeZone::UTC).datetime().strftime(FORM))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_in_one_form_and_what_cannot_recur_is_none() {
        for (text, form) in [
            ("freq=weekly;byday=mo,we;count=3", "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=3"),
            ("RRULE:FREQ=DAILY;UNTIL=20261231T230000Z", "FREQ=DAILY;UNTIL=20261231T230000Z"),
            ("COUNT=2;FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=2"),
            ("FREQ=YEARLY;UNTIL=20301231", "FREQ=YEARLY;UNTIL=20301231"),
            ("FREQ=YEARLY;UNTIL=20301231T101112", "FREQ=YEARLY;UNTIL=20301231T101112"),
        ] {
            assert_eq!(Rule::parse(text).unwrap().to_string(), form);
            assert_eq!(Rule::parse(form).unwrap().to_string(), form);
        }
        for text in [
            "",
            "weekly",
            "FREQ=HOURLY",
            "FREQ=DAILY;COUNT=0",
            "FREQ=DAILY;COUNT=10000",
            "FREQ=DAILY;COUNT=3;UNTIL=20261231",
            "FREQ=DAILY;UNTIL=20261331",
            "FREQ=DAILY;UNTIL=2026",
            "FREQ=DAILY;FREQ=DAILY",
            "FREQ=DAILY;BYDAY=XX",
            "FREQ=DAILY;INTERVAL=-1",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=MONTHLY;BYMONTHDAY=1,0",
            "FREQ=YEARLY;BYWEEKNO=-00",
            "FREQ=DAILY;X-A=1",
            "FREQ=DAILY\nDTSTART:20260101T000000Z",
            "INTERVAL=2",
        ] {
            assert_eq!(Rule::parse(text).unwrap_err().reason, "RECURRENCE_INVALID", "{text}");
        }
    }

    #[test]
    fn in_a_calendar_a_rule_ends_as_it_recurs() {
        let vienna = TimeZone::get("Europe/Vienna").unwrap();
        for (rule, by_clock, by_days) in [
            ("FREQ=DAILY;COUNT=3", "FREQ=DAILY;COUNT=3", Some("FREQ=DAILY;COUNT=3")),
            ("FREQ=DAILY", "FREQ=DAILY", Some("FREQ=DAILY")),
            (
                "FREQ=DAILY;UNTIL=20260701",
                "FREQ=DAILY;UNTIL=20260701T215959Z",
                Some("FREQ=DAILY;UNTIL=20260701"),
            ),
            (
                "FREQ=DAILY;UNTIL=20260701T090000",
                "FREQ=DAILY;UNTIL=20260701T070000Z",
                Some("FREQ=DAILY;UNTIL=20260701"),
            ),
            (
                "FREQ=DAILY;UNTIL=20260701T230000Z",
                "FREQ=DAILY;UNTIL=20260701T230000Z",
                Some("FREQ=DAILY;UNTIL=20260702"),
            ),
            ("FREQ=DAILY;BYHOUR=9", "FREQ=DAILY;BYHOUR=9", None),
        ] {
            let rule = Rule::parse(rule).unwrap();
            assert_eq!(rule.in_calendar(false, &vienna).as_deref(), Some(by_clock));
            assert_eq!(rule.in_calendar(true, &vienna).as_deref(), by_days);
        }
    }

    /// The times that follow one, by the clock.
    fn after(rule: &str, from: &str) -> Vec<String> {
        let (mut rule, mut time) = (Rule::parse(rule).unwrap(), from.parse::<DateTime>().unwrap());
        let mut times = Vec::new();
        while let Some((next, _, rest)) = rule.next(time, &TimeZone::UTC).filter(|_| times.len() < 4) {
            times.push(next.to_string());
            (rule, time) = (rest, next);
        }
        times
    }

    #[test]
    fn one_time_follows_another_as_the_standard_says() {
        let at = |days: &[&str]| days.iter().map(|day| format!("{day}T09:00:00")).collect::<Vec<_>>();
        for (rule, from, days) in [
            (
                "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4",
                "2026-05-04",
                &["2026-05-06", "2026-05-11", "2026-05-13"][..],
            ),
            ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;COUNT=3", "2026-05-06", &["2026-05-18", "2026-05-20"]),
            ("FREQ=MONTHLY;COUNT=3", "2026-01-31", &["2026-03-31", "2026-05-31"]),
            ("FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3", "2026-01-31", &["2026-02-28", "2026-03-31"]),
            ("FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20260731", "2026-05-29", &["2026-06-26", "2026-07-31"]),
            ("FREQ=YEARLY;COUNT=2", "2024-02-29", &["2028-02-29"]),
            ("FREQ=DAILY;UNTIL=20260506T085959", "2026-05-04", &["2026-05-05"]),
            ("FREQ=DAILY;UNTIL=20260506T090000Z", "2026-05-04", &["2026-05-05", "2026-05-06"]),
            ("FREQ=DAILY;COUNT=1", "2026-05-04", &[]),
            ("FREQ=DAILY", "2026-05-04", &["2026-05-05", "2026-05-06", "2026-05-07", "2026-05-08"]),
            // One that is not of the rule itself is followed by the first that is.
            ("FREQ=WEEKLY;BYDAY=MO;COUNT=2", "2026-05-05", &["2026-05-11"]),
            // There is no such day.
            ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "2026-05-05", &[]),
        ] {
            assert_eq!(after(rule, &format!("{from}T09:00:00")), at(days), "{rule}");
        }
    }
}
