//! What comes again: once for each that is completed, at the same time by the clock of its zone, until its rule ends.

use anyhow::Result;
use proto::activities::v1 as pb;

use super::world::{Caller, World, moment, planned};

/// A task that comes again by a rule, due at a moment, in a zone.
fn task(rule: &str, zone: &str, due_at: &str) -> pb::Activity {
    pb::Activity {
        recurrence: Some(rule.to_owned()),
        timezone: Some(zone.to_owned()),
        due_at: Some(moment(due_at)),
        ..planned("task")
    }
}

/// Completes an activity; the one that follows, if there is one.
async fn follow(who: &Caller, id: &str) -> Result<Option<pb::Activity>> {
    let done = who.happen(id, "complete", &["outcome", "duration_seconds"]).await?;
    match &done.next_id {
        Some(next) => Ok(Some(who.activity(next).await?)),
        None => Ok(None),
    }
}

/// The moments at which what was planned comes again, at most so many.
async fn moments(who: &Caller, activity: pb::Activity, most: usize) -> Result<Vec<String>> {
    let mut now = who.create_activity(activity).await?;
    let mut moments = Vec::new();
    while let Some(next) = follow(who, &now.id).await? {
        let at = proto::moment(&next.due_at.unwrap()).unwrap();
        moments.push(field_types::moment::datetime_text(at));
        if moments.len() == most {
            break;
        }
        now = next;
    }
    Ok(moments)
}

#[tokio::test]
async fn what_comes_again_keeps_its_time_across_both_changes_of_the_clock() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    // Nine o'clock by the clock of the zone, a week apart.
    for (zone, before, after) in [
        ("Europe/Vienna", "2026-03-25T08:00:00Z", "2026-04-01T07:00:00Z"),
        ("Europe/Vienna", "2026-10-21T07:00:00Z", "2026-10-28T08:00:00Z"),
        ("America/New_York", "2026-03-04T14:00:00Z", "2026-03-11T13:00:00Z"),
        ("America/New_York", "2026-10-28T13:00:00Z", "2026-11-04T14:00:00Z"),
        ("Australia/Sydney", "2026-03-31T22:00:00Z", "2026-04-07T23:00:00Z"),
        ("Australia/Sydney", "2026-09-29T23:00:00Z", "2026-10-06T22:00:00Z"),
        ("Australia/Lord_Howe", "2026-03-31T22:00:00Z", "2026-04-07T22:30:00Z"),
        ("Australia/Lord_Howe", "2026-09-29T22:30:00Z", "2026-10-06T22:00:00Z"),
        ("Asia/Beirut", "2026-03-25T07:00:00Z", "2026-04-01T06:00:00Z"),
        ("Asia/Beirut", "2026-10-21T06:00:00Z", "2026-10-28T07:00:00Z"),
        ("Asia/Kolkata", "2026-03-25T03:30:00Z", "2026-04-01T03:30:00Z"),
    ] {
        assert_eq!(
            moments(&admin, task("FREQ=WEEKLY;COUNT=2", zone, before), 9).await?,
            [after],
            "{zone} {before}"
        );
    }
    // Half past two, which the clock skips on one day, after which it is half past two again; and has twice on another, of which it is the first.
    assert_eq!(
        moments(&admin, task("FREQ=DAILY;COUNT=4", "Europe/Vienna", "2026-03-27T01:30:00Z"), 9).await?,
        ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
    );
    assert_eq!(
        moments(&admin, task("FREQ=DAILY;COUNT=4", "Europe/Vienna", "2026-10-23T00:30:00Z"), 9).await?,
        ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    Ok(())
}

#[tokio::test]
async fn a_rule_ends_by_its_count_or_its_last_day() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let from = "2026-05-04T09:00:00Z";
    for (rule, times) in [
        ("FREQ=DAILY;COUNT=1", 0),
        ("FREQ=DAILY;COUNT=3", 2),
        ("FREQ=DAILY;UNTIL=20260506", 2),
        ("FREQ=DAILY;UNTIL=20260506T085959Z", 1),
        ("FREQ=DAILY", 5),
        ("FREQ=WEEKLY;BYDAY=MO,TU;COUNT=4", 3),
    ] {
        assert_eq!(moments(&admin, task(rule, "UTC", from), 5).await?.len(), times, "{rule}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_planned_comes_again_and_what_happened_does_not() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (ada, user) = (world.known.add("contact"), world.known.add("user"));
    let guest = pb::Participant {
        object: "contact".to_owned(),
        id: ada.clone(),
        response: pb::ParticipantResponse::Accepted.into(),
        deleted: false,
    };
    let sent = pb::Activity {
        recurrence: Some("freq=monthly;bymonthday=5;count=2".to_owned()),
        timezone: Some("Europe/Vienna".to_owned()),
        links: vec![pb::ActivityLink { object: "contact".to_owned(), id: ada.clone(), ..Default::default() }],
        participants: vec![guest],
        reminders: vec![pb::Reminder { minutes_before: 10 }],
        due_at: Some(moment("2026-05-05T09:30:00Z")),
        assignee_id: Some(user),
        tags: vec!["monthly".to_owned()],
        custom: r#"{"seats":5}"#.into(),
        ..planned("meeting")
    };
    let first = admin.create_activity(sent).await?;
    assert_eq!(first.recurrence.as_deref(), Some("FREQ=MONTHLY;BYMONTHDAY=5;COUNT=2"));
    let next = follow(&admin, &first.id).await?.unwrap();
    assert_eq!((next.state(), next.version, &next.outcome), (pb::ActivityState::Planned, 1, &None));
    assert_eq!(next.recurrence.as_deref(), Some("FREQ=MONTHLY;BYMONTHDAY=5;COUNT=1"));
    assert_eq!(
        [next.starts_at, next.ends_at, next.due_at],
        ["2026-06-05T10:00:00Z", "2026-06-05T11:00:00Z", "2026-06-05T09:30:00Z"].map(|at| Some(moment(at)))
    );
    assert_eq!(
        (&next.links, &next.tags, &next.reminders, &next.assignee_id, &next.owner_id, &next.custom),
        (&first.links, &first.tags, &first.reminders, &first.assignee_id, &first.owner_id, &first.custom)
    );
    assert_eq!(next.participants[0].response(), pb::ParticipantResponse::NeedsAction);
    assert_eq!(next.duration_seconds, None);
    assert_eq!(admin.subjects(&format!("links.id = \"{ada}\""), "").await?.len(), 2);
    let events: Vec<String> = world.events(&next.id).await?.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(events, ["activities.activity.created.v1"]);
    let scheduled = world.count(&mut world.sql().await?, "reminder_due", admin.tenant).await?;
    assert_eq!(scheduled, 0, "it was due before it was planned");
    assert!(follow(&admin, &next.id).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_meeting_during_which_the_clock_goes_back_comes_again_as_long_as_it_was() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    // From a quarter to three to a quarter past two, half an hour later.
    let sent = pb::Activity {
        recurrence: Some("FREQ=DAILY;COUNT=2".to_owned()),
        timezone: Some("Europe/Vienna".to_owned()),
        starts_at: Some(moment("2026-10-25T00:45:00Z")),
        ends_at: Some(moment("2026-10-25T01:15:00Z")),
        ..planned("meeting")
    };
    let made = admin.create_activity(sent).await?;
    let next = follow(&admin, &made.id).await?.unwrap();
    let times = ["2026-10-26T01:45:00Z", "2026-10-26T02:15:00Z"].map(|at| Some(moment(at)));
    assert_eq!([next.starts_at, next.ends_at], times);
    Ok(())
}

#[tokio::test]
async fn whole_days_come_again_as_whole_days_where_the_clock_skips_midnight() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    // The limits of three days, the second of which begins at one o'clock.
    for (zone, limits) in [
        (
            "America/Sao_Paulo",
            ["2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z", "2018-11-06T02:00:00Z"],
        ),
        (
            "Atlantic/Azores",
            ["2027-03-27T01:00:00Z", "2027-03-28T01:00:00Z", "2027-03-29T00:00:00Z", "2027-03-30T00:00:00Z"],
        ),
        (
            "Africa/Cairo",
            ["2027-04-28T22:00:00Z", "2027-04-29T22:00:00Z", "2027-04-30T21:00:00Z", "2027-05-01T21:00:00Z"],
        ),
    ] {
        let mut now = pb::Activity {
            all_day: true,
            timezone: Some(zone.to_owned()),
            recurrence: Some("FREQ=DAILY".to_owned()),
            starts_at: Some(moment(limits[0])),
            ends_at: Some(moment(limits[1])),
            ..planned("meeting")
        };
        now = admin.create_activity(now).await?;
        for day in limits.windows(2).skip(1) {
            now = follow(&admin, &now.id).await?.expect("one follows");
            assert_eq!((now.starts_at, now.ends_at), (Some(moment(day[0])), Some(moment(day[1]))), "{zone}");
            assert_eq!(now.recurs_at, None, "{zone}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_activity_is_followed_once_and_only_when_it_was_completed() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = async || admin.create_activity(task("FREQ=DAILY", "UTC", "2026-05-04T09:00:00Z")).await;
    let all = async || -> Result<usize> { Ok(admin.subjects("", "").await?.len()) };
    let cancelled = made().await?;
    let ended = admin.happen(&cancelled.id, "cancel", &["reason"]).await?;
    assert_eq!((ended.next_id, all().await?), (None, 1));
    let one = made().await?;
    admin.happen(&one.id, "complete", &[]).await.unwrap_err();
    assert_eq!(all().await?, 2);
    // Two complete it at once.
    let (first, second) = tokio::join!(
        admin.happen(&one.id, "complete", &["outcome"]),
        admin.happen(&one.id, "complete", &["outcome"])
    );
    assert_eq!((u8::from(first.is_ok()) + u8::from(second.is_ok()), all().await?), (1, 3));
    let tagged = pb::Activity { tags: vec!["x".to_owned()], ..Default::default() };
    let changed = admin.change_activity(&one.id, tagged, &["tags"]).await?;
    assert!(changed.next_id.is_some());
    admin.delete_activity(&one.id).await?;
    assert_eq!(admin.restore_activity(&one.id).await?.next_id, changed.next_id);
    assert_eq!(all().await?, 3);
    Ok(())
}

#[tokio::test]
async fn a_rule_that_cannot_be_followed_is_refused() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    for rule in ["every day", "FREQ=HOURLY", "FREQ=DAILY;COUNT=2;UNTIL=20270101"] {
        let refused = admin.create_activity(task(rule, "UTC", "2026-05-04T09:00:00Z")).await.unwrap_err();
        assert_eq!(refused.violations(), [("/recurrence", "RECURRENCE_INVALID")], "{rule}");
    }
    let whenever = pb::Activity { due_at: None, ..task("FREQ=DAILY", "UTC", "2026-05-04T09:00:00Z") };
    let refused = admin.create_activity(whenever).await.unwrap_err();
    assert_eq!(refused.violations(), [("/due_at", "REQUIRED")]);
    Ok(())
}
