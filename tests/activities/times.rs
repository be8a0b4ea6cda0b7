//! Days of a time zone, which are not all of 24 hours.

use anyhow::Result;
use proto::activities::v1 as pb;

use super::world::{World, moment, planned};

fn whole(zone: &str, starts_at: &str, ends_at: &str) -> pb::Activity {
    pb::Activity {
        all_day: true,
        timezone: Some(zone.to_owned()),
        starts_at: Some(moment(starts_at)),
        ends_at: Some(moment(ends_at)),
        ..planned("meeting")
    }
}

/// The beginning and the end, as texts.
fn limits(activity: &pb::Activity) -> [String; 2] {
    [activity.starts_at, activity.ends_at]
        .map(|at| field_types::moment::datetime_text(proto::moment(&at.unwrap()).unwrap()))
}

#[tokio::test]
async fn a_whole_day_is_as_long_as_it_is_in_its_zone() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    // Zone, a moment of the day, its beginning and its end; by the clock of the zone, from the tz database's documentation.
    let days = [
        // The clock goes forward, and back: 23 and 25 hours.
        ("Europe/Vienna", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("Europe/Vienna", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("America/New_York", "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
        ("America/New_York", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        ("Australia/Sydney", "2026-04-04T20:00:00Z", "2026-04-04T13:00:00Z", "2026-04-05T14:00:00Z"),
        ("Australia/Sydney", "2026-10-04T02:00:00Z", "2026-10-03T14:00:00Z", "2026-10-04T13:00:00Z"),
        // Half an hour only: 23.5 and 24.5 hours.
        ("Australia/Lord_Howe", "2026-10-04T02:00:00Z", "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T20:00:00Z", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z"),
        // The clock goes forward at midnight, so that the day begins at one; and back at midnight, so that the day before has 25 hours.
        ("Asia/Beirut", "2026-03-29T12:00:00Z", "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"),
        ("Asia/Beirut", "2026-10-24T12:00:00Z", "2026-10-23T21:00:00Z", "2026-10-24T22:00:00Z"),
        ("Asia/Kolkata", "2026-03-29T12:00:00Z", "2026-03-28T18:30:00Z", "2026-03-29T18:30:00Z"),
    ];
    for (zone, within, starts_at, ends_at) in days {
        let later = field_types::moment::datetime(within)? + time::Duration::seconds(1);
        let sent = whole(zone, within, &field_types::moment::datetime_text(later));
        let made = admin.create_activity(sent.clone()).await?;
        assert_eq!(limits(&made), [starts_at, ends_at], "{zone} {within}");
        // The same again is no change.
        let sent = pb::Activity { starts_at: made.starts_at, ends_at: made.ends_at, ..sent };
        let same = admin.change_activity(&made.id, sent, &["starts_at", "ends_at", "all_day"]).await?;
        assert_eq!(same, made, "{zone}");
    }
    Ok(())
}

#[tokio::test]
async fn whole_days_stay_the_same_days_in_another_zone() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made =
        admin.create_activity(whole("Europe/Vienna", "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z")).await?;
    assert_eq!(limits(&made), ["2026-03-27T23:00:00Z", "2026-03-29T22:00:00Z"]);
    let zone = |name: &str| pb::Activity { timezone: Some(name.to_owned()), ..Default::default() };
    let moved = admin.change_activity(&made.id, zone("America/New_York"), &["timezone"]).await?;
    assert_eq!(limits(&moved), ["2026-03-28T04:00:00Z", "2026-03-30T04:00:00Z"]);
    // Without a zone days are those of UTC.
    let moved = admin.change_activity(&made.id, pb::Activity::default(), &["timezone"]).await?;
    assert_eq!(limits(&moved), ["2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z"]);
    let no_longer = admin.change_activity(&made.id, zone("Asia/Tokyo"), &["timezone", "all_day"]).await?;
    assert_eq!(limits(&no_longer), limits(&moved));
    Ok(())
}

#[tokio::test]
async fn an_end_comes_after_its_beginning() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create_activity(planned("meeting")).await?;
    let change =
        |starts_at: Option<&str>| pb::Activity { starts_at: starts_at.map(moment), ..Default::default() };
    for late in ["2026-05-05T11:00:00Z", "2026-05-06T00:00:00Z"] {
        let refused = admin.change_activity(&made.id, change(Some(late)), &["starts_at"]).await.unwrap_err();
        assert_eq!(refused.violations(), [("/ends_at", "ENDS_BEFORE_START")]);
    }
    let refused = admin.change_activity(&made.id, change(None), &["starts_at"]).await.unwrap_err();
    assert_eq!(refused.violations(), [("/starts_at", "REQUIRED")]);
    // Whole days end at the beginning of another one.
    let day = "2026-05-05T00:00:00Z";
    let refused = admin.create_activity(whole("UTC", day, day)).await.unwrap_err();
    assert_eq!(refused.violations(), [("/ends_at", "ENDS_BEFORE_START")]);
    Ok(())
}
