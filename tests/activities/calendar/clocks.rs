//! Times of calendars across both changes of the clock in five zones, as the tz database and the calendar's own description of a zone have them.

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use proto::activities::v1 as pb;
use serde_json::Value;

use super::{exported, feed, foreign, text};
use crate::activities::world::{Caller, World, planned};

/// North and south, by an hour and by half an hour, in the night and at midnight.
const ZONES: [&str; 5] =
    ["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Pacific/Auckland", "Asia/Beirut"];

#[allow(clippy::unnecessary_wraps, reason = "as fields of messages have it")]
fn sent(moment: Timestamp) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: moment.as_second(), nanos: 0 })
}

/// The next two changes of a zone's clock. What is planned around them is in the feed, which reaches a year ahead.
fn changes(world: &World, zone: &str) -> [Timestamp; 2] {
    // None of the moments around the first lies behind the feed.
    let now = Timestamp::new(world.clock.now().unix_timestamp(), 0).unwrap() - 60.hours();
    let zone = TimeZone::get(zone).unwrap();
    let mut changes = zone.following(now).map(|change| change.timestamp());
    [changes.next().unwrap(), changes.next().unwrap()]
}

#[tokio::test]
async fn every_moment_around_a_change_of_the_clock_is_read_as_it_is() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mut planned_for = BTreeMap::new();
    for zone in ZONES {
        for change in changes(&world, zone) {
            // The hour before and the hour after, when the clock shows times twice or skips them.
            for minutes in [-1_500, -90, -61, -60, -31, -30, -1, 0, 1, 29, 30, 59, 60, 90, 1_500] {
                let starts = change + SignedDuration::from_mins(minutes);
                let meeting = pb::Activity {
                    timezone: Some(zone.to_owned()),
                    starts_at: sent(starts),
                    ends_at: sent(starts + SignedDuration::from_mins(45)),
                    ..planned("meeting")
                };
                let made = admin.create_activity(meeting).await?;
                planned_for.insert(made.id, (text(made.starts_at), text(made.ends_at), zone));
            }
        }
    }
    let calendar = feed(&world, &admin).await?;
    let read = foreign::read(&calendar.text);
    assert_eq!(read["errors"], serde_json::json!([]));
    let mut zones = ZONES;
    zones.sort_unstable();
    assert_eq!(read["zones"], serde_json::json!(zones), "each is described once");
    let entries = read["entries"].as_array().unwrap();
    assert_eq!(entries.len(), planned_for.len());
    for entry in entries {
        let (starts, ends, zone) = &planned_for[entry["uid"].as_str().unwrap()];
        assert_eq!(
            (&entry["dtstart"], &entry["dtend"]),
            (&Value::from(&**starts), &Value::from(&**ends)),
            "{zone}"
        );
    }
    // A time that the clock shows for the second time has no name by the clock; all others have one.
    let by_clock = calendar.text.matches("DTSTART;TZID=").count();
    assert!(by_clock > planned_for.len() / 2 && by_clock < planned_for.len(), "{by_clock}");
    for line in calendar.text.split("\r\n") {
        assert!(line.len() <= 75 && !line.contains('\n'), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn whole_days_are_days_whatever_the_clock_does() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    for zone in ZONES {
        for change in changes(&world, zone) {
            let day = change.to_zoned_datetime(TimeZone::get(zone)?);
            let whole = pb::Activity {
                all_day: true,
                timezone: Some(zone.to_owned()),
                starts_at: sent(change),
                ends_at: sent(change + 26.hours()),
                ..planned("meeting")
            };
            let read = exported(&admin, &admin.create_activity(whole).await?).await?;
            // The end of a calendar's days is the day after the last one.
            let ends = (change + 26.hours()).to_zoned_datetime(TimeZone::get(zone)?).date().tomorrow()?;
            assert_eq!(
                (&read["dtstart"], &read["dtend"]),
                (&day.date().to_string().into(), &ends.to_string().into()),
                "{zone}"
            );
        }
    }
    Ok(())
}

/// The moments at which an activity is due, and those that follow it, each when the one before is completed.
async fn followed(who: &Caller, first: &pb::Activity) -> Result<Vec<String>> {
    let (mut now, mut moments) = (first.clone(), Vec::new());
    loop {
        moments.push(text(now.due_at));
        let done = who.happen(&now.id, "complete", &["outcome", "duration_seconds"]).await?;
        let Some(next) = done.next_id.filter(|_| moments.len() < 5) else { return Ok(moments) };
        now = who.activity(&next).await?;
    }
}

#[tokio::test]
async fn what_comes_again_is_read_as_it_comes() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    for zone in ZONES {
        let clock = TimeZone::get(zone)?;
        for change in changes(&world, zone) {
            // Nine o'clock two days before, so that the change comes in between.
            let day = change.to_zoned_datetime(clock.clone()).date() - 2.days();
            let due = |days: i64| {
                Ok::<_, anyhow::Error>(
                    (day + days.days()).at(9, 0, 0, 0).to_zoned_datetime(clock.clone())?.timestamp(),
                )
            };
            let last = due(3)?.strftime("%Y%m%dT%H%M%SZ").to_string();
            let last_clock = (day + 3.days()).strftime("%Y%m%dT090000").to_string();
            let last_day = (day + 3.days()).strftime("%Y%m%d").to_string();
            for rule in [
                "FREQ=DAILY;COUNT=4".to_owned(),
                format!("FREQ=DAILY;UNTIL={last}"),
                format!("FREQ=DAILY;UNTIL={last_clock}"),
                format!("FREQ=DAILY;UNTIL={last_day}"),
            ] {
                let call = pb::Activity {
                    recurrence: Some(rule.clone()),
                    timezone: Some(zone.to_owned()),
                    due_at: sent(due(0)?),
                    ..planned("call")
                };
                let call = admin.create_activity(call).await?;
                let read = exported(&admin, &call).await?;
                let moments = followed(&admin, &call).await?;
                assert_eq!(moments.len(), 4, "{zone} {rule}");
                assert_eq!(read["occurrences"], serde_json::json!(moments), "{zone} {rule}");
                // Once it is completed the next one is its own entry.
                assert_eq!(exported(&admin, &call).await?["rrule"], Value::Null);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_the_clock_skips_or_shows_twice_is_at_its_moment_and_comes_again_later() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let zone = "Europe/Vienna";
    for change in changes(&world, zone) {
        // Half past two: skipped in spring, in autumn shown twice.
        let day = change.to_zoned_datetime(TimeZone::get(zone)?).date() - 1.days();
        let due = day.at(2, 30, 0, 0).to_zoned_datetime(TimeZone::get(zone)?)?.timestamp();
        let call = pb::Activity {
            recurrence: Some("FREQ=DAILY".to_owned()),
            timezone: Some(zone.to_owned()),
            due_at: sent(due),
            ..planned("call")
        };
        let call = admin.create_activity(call).await?;
        let done = admin.happen(&call.id, "complete", &["outcome", "duration_seconds"]).await?;
        let next = admin.activity(&done.next_id.unwrap()).await?;
        let read = exported(&admin, &next).await?;
        assert_eq!(read["dtstart"], text(next.due_at));
        assert_eq!(read["rrule"].is_null(), next.recurs_at.is_some(), "{read}");
    }
    Ok(())
}
