//! What an entry of a calendar says of its activity.

use anyhow::Result;
use proto::activities::v1 as pb;
use serde_json::{Value, json};

use super::{Calendar, ahead, exported, feed, file, text};
use crate::activities::world::{Caller, World, planned};

/// A subject and a body that would end lines and values if they were written as they are.
const SUBJECT: &str = "Ask, for; \"budget\" \\ 50:50 \u{1f600}";
const BODY: &str =
    "One\r\nBEGIN:VEVENT\nTwo, three; ünïcödé that is long enough to be folded, and then some more of it";

fn full(world: &World, kind: &str) -> pb::Activity {
    let reminder = |minutes_before| pb::Reminder { minutes_before };
    pb::Activity {
        subject: Some(SUBJECT.to_owned()),
        body: Some(BODY.to_owned()),
        tags: vec!["a,b".to_owned(), "c;d".to_owned()],
        priority: Some(pb::ActivityPriority::Urgent.into()),
        starts_at: ahead(world, 48),
        ends_at: ahead(world, 49),
        due_at: ahead(world, 50),
        reminders: vec![reminder(15), reminder(0)],
        ..planned(kind)
    }
}

fn only(calendar: &Calendar) -> Value {
    let entries = calendar.entries();
    assert_eq!(entries.len(), 1, "{}", calendar.text);
    entries[0].clone()
}

#[tokio::test]
async fn texts_times_and_reminders_come_through_whole() -> Result<()> {
    let world = World::new().await?;
    for (kind, is_busy) in [("meeting", true), ("call", true), ("task", false)] {
        let admin = world.admin()?;
        let made = admin.create_activity(full(&world, kind)).await?;
        let read = only(&feed(&world, &admin).await?);
        assert_eq!((&read["kind"], &read["uid"]), (&json!("VEVENT"), &json!(made.id)));
        assert_eq!(
            (&read["summary"], &read["description"]),
            (&json!(SUBJECT), &json!(BODY.replace("\r\n", "\n")))
        );
        assert_eq!(read["categories"], json!(["a,b", "c;d"]));
        assert_eq!(read["dtstart"], text(made.starts_at));
        assert_eq!(read["dtend"], text(made.ends_at));
        assert_eq!(
            (&read["status"], &read["priority"], &read["sequence"]),
            (&json!("CONFIRMED"), &json!(1), &json!(0))
        );
        assert_eq!(read["transp"], if is_busy { "OPAQUE" } else { "TRANSPARENT" });
        assert_eq!(read["dtstamp"], text(made.updated_at));
        assert_eq!(
            (&read["created"], &read["last-modified"]),
            (&json!(text(made.created_at)), &read["dtstamp"])
        );
        // Of a meeting before it begins, of anything else before it is due, which is not where the entry begins.
        let alarms = if kind == "meeting" {
            json!([{"minutes": -15, "related": "START"}, {"minutes": 0, "related": "START"}])
        } else {
            let before = |minutes: i64| {
                let due = made.due_at.unwrap();
                json!({"at": text(Some(prost_types::Timestamp { seconds: due.seconds - minutes * 60, nanos: 0 }))})
            };
            json!([before(15), before(0)])
        };
        assert_eq!(read["alarms"], alarms, "{kind}");
    }
    Ok(())
}

#[tokio::test]
async fn a_file_of_a_task_is_a_task_and_of_anything_else_an_event() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let task = admin.create_activity(full(&world, "task")).await?;
    let calendar = file(&admin, &task.id).await?;
    assert_eq!(calendar.content_type, "text/calendar; charset=utf-8");
    let read = only(&calendar);
    assert_eq!((&read["kind"], &read["status"]), (&json!("VTODO"), &json!("NEEDS-ACTION")));
    assert_eq!((&read["dtstart"], &read["due"]), (&json!(text(task.starts_at)), &json!(text(task.due_at))));
    assert_eq!(read["alarms"], json!([{"minutes": -15, "related": "END"}, {"minutes": 0, "related": "END"}]));
    admin.happen(&task.id, "start", &[]).await?;
    assert_eq!(exported(&admin, &task).await?["status"], "IN-PROCESS");
    let done = admin.happen(&task.id, "complete", &["outcome"]).await?;
    let read = exported(&admin, &task).await?;
    assert_eq!((&read["status"], &read["completed"]), (&json!("COMPLETED"), &json!(text(done.completed_at))));
    assert_eq!((&read["sequence"], &read["alarms"]), (&json!(done.version - 1), &json!([])));
    for kind in ["meeting", "call"] {
        let made = admin.create_activity(full(&world, kind)).await?;
        assert_eq!(exported(&admin, &made).await?["kind"], "VEVENT");
    }
    // Without any time it is nothing that a day could show.
    let bare = admin.create_activity(planned("call")).await?;
    let read = exported(&admin, &bare).await?;
    assert_eq!((&read["kind"], &read["due"]), (&json!("VTODO"), &Value::Null));
    let other = world.admin()?;
    assert_eq!(file(&other, &bare.id).await.err().unwrap().is(), (404, "ACTIVITY_NOT_FOUND"));
    Ok(())
}

async fn entry(world: &World, who: &Caller) -> Result<(Value, String)> {
    let calendar = feed(world, who).await?;
    Ok((only(&calendar), calendar.etag))
}

#[tokio::test]
async fn an_entry_keeps_its_name_and_tells_what_became_of_it() -> Result<()> {
    let world = World::new().await?;
    for (event, summary, status) in [
        ("complete", "\u{2713} A call", "CONFIRMED"),
        ("cancel", "A call", "CANCELLED"),
        ("start", "A call", "CONFIRMED"),
    ] {
        let admin = world.admin()?;
        let call = pb::Activity { due_at: ahead(&world, 5), ..planned("call") };
        let made = admin.create_activity(call).await?;
        let (before, tag) = entry(&world, &admin).await?;
        assert_eq!(entry(&world, &admin).await?.1, tag, "the same bytes until something is changed");
        admin.happen(&made.id, event, &["outcome", "duration_seconds", "reason"]).await?;
        let (after, new) = entry(&world, &admin).await?;
        assert_ne!(new, tag);
        assert_eq!(
            (&after["uid"], &after["summary"], &after["status"]),
            (&before["uid"], &json!(summary), &json!(status))
        );
        assert_eq!((&before["sequence"], &after["sequence"]), (&json!(0), &json!(1)));
        assert_eq!(after["dtstart"], text(made.due_at), "due is when it is shown");
    }
    Ok(())
}

#[tokio::test]
async fn a_long_text_is_whole_in_a_file_and_cut_among_others() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let body = "ü".repeat(50_000);
    let call = pb::Activity { body: Some(body.clone()), due_at: ahead(&world, 5), ..planned("call") };
    let made = admin.create_activity(call).await?;
    assert_eq!(exported(&admin, &made).await?["description"], json!(body));
    let read = only(&feed(&world, &admin).await?);
    assert_eq!(read["description"], json!(format!("{}\u{2026}", "ü".repeat(2_000))));
    Ok(())
}
