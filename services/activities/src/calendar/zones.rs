//! Time zones of a calendar: each with every change of its clock in the time that the calendar is about, as it was or is planned to be. Rules
//! by which zones change would be shorter, but several zones have none.

use std::collections::BTreeMap;

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::lines::Lines;
use super::{CLOCK, DAY};

/// What comes after the last entry: who looks at a calendar looks ahead.
const AHEAD: SignedDuration = SignedDuration::from_secs(370 * DAY);
/// And what comes after one that recurs.
const AHEAD_OF_RECURRING: SignedDuration = SignedDuration::from_secs(3_660 * DAY);
/// Most changes of one clock that are written. No zone has four a year.
const MAX_CHANGES: usize = 200;

/// The zones that a calendar needs, by name.
#[derive(Debug, Default)]
pub(super) struct Zones(BTreeMap<String, Needed>);

/// From when until when.
#[derive(Debug)]
struct Needed {
    zone: TimeZone,
    from: Timestamp,
    to: Timestamp,
}

impl Zones {
    /// An entry of this zone is at a moment.
    pub(super) fn need(&mut self, name: &str, zone: &TimeZone, at: Timestamp, recurs: bool) {
        let ahead = if recurs { AHEAD_OF_RECURRING } else { AHEAD };
        let until = at.saturating_add(ahead).unwrap_or(at);
        let new = || Needed { zone: zone.clone(), from: at, to: until };
        let needed = self.0.entry(name.to_owned()).or_insert_with(new);
        needed.from = needed.from.min(at);
        needed.to = needed.to.max(until);
    }

    /// The zones as components.
    pub(super) fn write(&self, lines: &mut Lines) {
        for (name, needed) in &self.0 {
            lines.component("VTIMEZONE", |lines| {
                lines.put("TZID", name);
                needed.write(lines);
            });
        }
    }
}

impl Needed {
    fn write(&self, lines: &mut Lines) {
        let begin = self.from.saturating_add(SignedDuration::from_secs(1)).unwrap_or(self.from);
        // The last change before, by which the clock goes at the beginning; the tz database has none before 1800.
        let last = self.zone.preceding(begin).next().filter(|change| change.timestamp() > long_ago());
        let after = if let Some(last) = &last {
            self.change(lines, last.timestamp());
            last.timestamp()
        } else {
            let info = self.zone.to_offset_info(self.from);
            let (offset, name) = (info.offset(), info.abbreviation().to_owned());
            observance(lines, false, ("19700101T000000", offset, offset, &name));
            self.from
        };
        let changes = self.zone.following(after).take_while(|change| change.timestamp() <= self.to);
        for change in changes.take(MAX_CHANGES) {
            self.change(lines, change.timestamp());
        }
    }

    /// A change of the clock; its time is told by the clock before it.
    fn change(&self, lines: &mut Lines, at: Timestamp) {
        let before = at.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(at);
        let (from, to) = (self.zone.to_offset(before), self.zone.to_offset_info(at));
        let time = from.to_datetime(at).strftime(CLOCK).to_string();
        let name = to.abbreviation().to_owned();
        observance(lines, to.dst().is_dst(), (&time, from, to.offset(), &name));
    }
}

fn observance(lines: &mut Lines, is_dst: bool, (time, from, to, name): (&str, Offset, Offset, &str)) {
    lines.component(if is_dst { "DAYLIGHT" } else { "STANDARD" }, |lines| {
        lines.put("DTSTART", time);
        lines.put("TZOFFSETFROM", offset(from));
        lines.put("TZOFFSETTO", offset(to));
        lines.text("TZNAME", name);
    });
}

/// `+0530`; with seconds where there are any.
fn offset(offset: Offset) -> String {
    let seconds = offset.seconds();
    let (sign, of) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let minutes = format!("{sign}{:02}{:02}", of / 3_600, of / 60 % 60);
    if of % 60 == 0 { minutes } else { format!("{minutes}{:02}", of % 60) }
}

fn long_ago() -> Timestamp {
    Timestamp::UNIX_EPOCH.saturating_sub(SignedDuration::from_secs(170 * 366 * DAY)).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, at: &str) -> String {
        let mut zones = Zones::default();
        zones.need(name, &TimeZone::get(name).unwrap(), at.parse().unwrap(), false);
        let mut lines = Lines::default();
        zones.write(&mut lines);
        lines.into_text()
    }

    #[test]
    fn a_zone_says_how_its_clock_goes_at_the_beginning_and_when_it_changes() {
        let vienna = written("Europe/Vienna", "2026-05-05T08:00:00Z");
        let starts: Vec<&str> = vienna.split("\r\n").filter_map(|l| l.strip_prefix("DTSTART:")).collect();
        assert_eq!(starts, ["20260329T020000", "20261025T030000", "20270328T020000"]);
        assert!(vienna.starts_with(
            "BEGIN:VTIMEZONE\r\nTZID:Europe/Vienna\r\nBEGIN:DAYLIGHT\r\nDTSTART:20260329T020000\r\n\
             TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\nEND:DAYLIGHT\r\nBEGIN:STANDARD\r\n"
        ));
        // One that begins with a change begins with that change.
        let exact = written("Europe/Vienna", "2026-10-25T01:00:00Z");
        assert!(
            exact.contains("TZID:Europe/Vienna\r\nBEGIN:STANDARD\r\nDTSTART:20261025T030000\r\n"),
            "{exact}"
        );
    }

    #[test]
    fn a_zone_whose_clock_never_changes_has_one_offset() {
        let kolkata = written("Asia/Kolkata", "2026-05-05T08:00:00Z");
        assert_eq!(kolkata.matches("BEGIN:STANDARD").count(), 1);
        assert!(kolkata.contains("TZOFFSETTO:+0530\r\nTZNAME:IST"), "{kolkata}");
        assert!(written("Etc/GMT+5", "2026-05-05T08:00:00Z").contains("TZOFFSETTO:-0500\r\n"));
    }
}
