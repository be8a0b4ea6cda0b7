//! Times as calendars have them: days, times by the clock of a zone, moments.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use proto::activities::v1 as pb;

use super::lines::Lines;
use super::{CLOCK, DATE};

/// A time of an activity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum At {
    Day(Date),
    /// By the clock of the activity's zone.
    Clock(DateTime),
    Moment(Timestamp),
}

/// By what the times of an activity are reckoned.
#[derive(Debug)]
pub(super) struct Reckoning<'a> {
    /// Its name; `None` where no zone is named: then it is UTC.
    pub(super) name: Option<&'a str>,
    pub(super) zone: TimeZone,
    pub(super) all_day: bool,
}

impl<'a> Reckoning<'a> {
    pub(super) fn of(activity: &'a pb::Activity) -> Self {
        let named = activity.timezone.as_deref().and_then(|name| Some((name, TimeZone::get(name).ok()?)));
        let (name, zone) = named.unzip();
        Self { name, zone: zone.unwrap_or(TimeZone::UTC), all_day: activity.all_day }
    }

    /// A moment as it is written. Of a time that the clock shows twice a calendar can name the first only, so the second is a moment.
    pub(super) fn at(&self, moment: Timestamp) -> At {
        let clock = moment.to_zoned_datetime(self.zone.clone()).datetime();
        if self.all_day {
            return At::Day(clock.date());
        }
        let meant = clock.to_zoned_datetime(self.zone.clone()).map(|at| at.timestamp());
        if self.name.is_some() && meant.is_ok_and(|meant| meant == moment) {
            At::Clock(clock)
        } else {
            At::Moment(moment)
        }
    }

    /// A property that is a time.
    pub(super) fn write(&self, lines: &mut Lines, property: &str, at: At) {
        match (at, self.name) {
            (At::Day(day), _) => lines.put(format!("{property};VALUE=DATE"), day.strftime(DATE)),
            (At::Clock(clock), Some(zone)) => {
                lines.put(format!("{property};TZID={zone}"), clock.strftime(CLOCK));
            }
            (At::Clock(clock), None) => lines.put(property, clock.strftime(CLOCK)),
            (At::Moment(moment), _) => lines.put(property, utc(moment)),
        }
    }
}

/// A moment by UTC.
pub(super) fn utc(moment: Timestamp) -> String {
    format!("{}Z", moment.to_zoned_datetime(TimeZone::UTC).datetime().strftime(CLOCK))
}

/// A moment, to the second.
pub(super) fn moment(sent: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    Timestamp::new(sent?.seconds, 0).ok()
}
