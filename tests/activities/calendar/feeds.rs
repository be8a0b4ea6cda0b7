//! Which activities are in the calendar of a user: the user's own, as the user may read them now.

use anyhow::Result;
use proto::activities::v1 as pb;
use proto::identity::v1::{FieldAccess, Scope};

use super::{ahead, feed, opened};
use crate::activities::world::{ALL, Caller, May, World, planned};

/// A call that is due in some hours.
fn call(world: &World, subject: &str, hours: i64) -> pb::Activity {
    pb::Activity { subject: Some(subject.to_owned()), due_at: ahead(world, hours), ..planned("call") }
}

fn of(user: &Caller) -> Vec<pb::Participant> {
    vec![pb::Participant { object: "user".to_owned(), id: user.id.to_string(), ..Default::default() }]
}

/// One activity for each way in which it can be a user's, made by somebody else, and others.
async fn plan(world: &World, admin: &Caller, user: &Caller) -> Result<()> {
    let id = Some(user.id.to_string());
    world.known.insert("user", user.id);
    let activities = Vec::from([
        pb::Activity { assignee_id: id.clone(), ..call(world, "assigned", 1) },
        pb::Activity { owner_id: id.clone(), ..call(world, "owned", 2) },
        pb::Activity { participants: of(user), ..call(world, "with", 3) },
        pb::Activity {
            assignee_id: id.clone(),
            owner_id: id.clone(),
            participants: of(user),
            ..call(world, "all", 4)
        },
        call(world, "of another", 5),
        pb::Activity { assignee_id: id.clone(), ..planned("task") },
        pb::Activity { assignee_id: id.clone(), ..call(world, "long ago", -91 * 24) },
        pb::Activity { assignee_id: id.clone(), ..call(world, "past", -89 * 24) },
        pb::Activity { assignee_id: id.clone(), ..call(world, "far", 366 * 24) },
        pb::Activity { assignee_id: id.clone(), ..call(world, "next year", 364 * 24) },
    ]);
    for activity in activities {
        Box::pin(admin.create_activity(activity)).await?;
    }
    let deleted = pb::Activity { assignee_id: id, ..call(world, "deleted", 6) };
    let gone = Box::pin(admin.create_activity(deleted)).await?;
    Box::pin(admin.delete_activity(&gone.id)).await?;
    Ok(())
}

/// The same row for each minute after it: a thousand calls would take their time.
async fn copy(world: &World, admin: &Caller, id: &str, times: i32) -> Result<()> {
    let copies = "INSERT INTO activities.activities SELECT (jsonb_populate_record(a, jsonb_build_object(
                      'id', gen_random_uuid(), 'due_at', a.due_at + make_interval(mins => n)))).*
                  FROM activities.activities AS a, generate_series(1, $3) AS n WHERE a.tenant_id = $1 AND a.id = $2";
    let id: uuid::Uuid = id.parse()?;
    let query = sqlx::query(copies).bind(admin.tenant.uuid()).bind(id).bind(times);
    query.execute(&mut world.sql().await?).await?;
    Ok(())
}

#[tokio::test]
async fn a_calendar_has_what_its_user_is_to_do_owns_or_takes_part_in() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let user = world.caller(admin.tenant, &ALL)?;
    plan(&world, &admin, &user).await?;
    let own = ["past", "assigned", "owned", "with", "all", "next year"];
    assert_eq!(feed(&world, &user).await?.summaries(), own);
    let foreign = world.admin()?;
    assert!(feed(&world, &foreign).await?.entries().is_empty());
    let unknown = opened(&world, "token-of-nobody").await.err().unwrap();
    assert_eq!(unknown.is(), (404, "CALENDAR_FEED_NOT_FOUND"));
    Ok(())
}

#[tokio::test]
async fn a_calendar_shows_what_its_user_may_read_now() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let shown = async |may: &May<'_>| -> Result<Vec<String>> {
        let user = world.caller(admin.tenant, may)?;
        plan(&world, &admin, &user).await?;
        Ok(feed(&world, &user).await?.summaries())
    };
    let own = [("activity", "read", Scope::Own)];
    assert_eq!(shown(&May { actions: &own, fields: &[] }).await?, ["owned", "all"]);
    let all = [("activity", "read", Scope::All)];
    // Whose an activity is must not be told by its being there.
    let hidden = |field: &'static str| [("activity", field, FieldAccess::None)];
    let shown_without =
        async |field: &'static str| shown(&May { actions: &all, fields: &hidden(field) }).await;
    assert_eq!(shown_without("assignee_id").await?, ["owned", "with", "all"]);
    assert_eq!(shown_without("participants").await?, ["past", "assigned", "owned", "all", "next year"]);
    assert_eq!(shown_without("subject").await?, ["Call"; 6]);
    // What nobody may place is nowhere.
    assert!(shown_without("due_at").await?.is_empty());
    Ok(())
}

/// What is left out for a time that is hidden would tell it.
#[tokio::test]
async fn a_time_that_is_hidden_chooses_nothing() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let without = |field: &'static str| {
        let fields: [(&str, &str, FieldAccess); 1] = [("activity", field, FieldAccess::None)];
        world.caller(admin.tenant, &May { actions: &[("activity", "read", Scope::All)], fields: &fields })
    };
    let (due, starts) = (without("due_at")?, without("starts_at")?);
    for user in [&due, &starts] {
        world.known.insert("user", user.id);
        let assignee_id = Some(user.id.to_string());
        let first = pb::Activity { assignee_id: assignee_id.clone(), ..call(&world, "due", 1) };
        let first = Box::pin(admin.create_activity(first)).await?;
        copy(&world, &admin, &first.id, 999).await?;
        let meeting = pb::Activity {
            subject: Some("begins".to_owned()),
            starts_at: ahead(&world, 200),
            ends_at: ahead(&world, 201),
            assignee_id,
            ..planned("meeting")
        };
        Box::pin(admin.create_activity(meeting)).await?;
    }
    assert_eq!(feed(&world, &due).await?.summaries(), ["begins"], "a thousand that are due go before it");
    assert!(feed(&world, &starts).await?.entries().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_calendar_is_empty_while_its_user_may_read_nothing() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let user =
        world.caller(admin.tenant, &May { actions: &[("contact", "read", Scope::All)], fields: &[] })?;
    plan(&world, &admin, &user).await?;
    let calendar = feed(&world, &user).await?;
    assert!(calendar.text.starts_with("BEGIN:VCALENDAR\r\n") && calendar.entries().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_calendar_has_a_bound_and_the_next_go_before_the_past() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    for n in 0..3 {
        admin.create_activity(call(&world, &format!("past {n}"), -1 - n)).await?;
    }
    let first = admin.create_activity(call(&world, "first", 1)).await?;
    copy(&world, &admin, &first.id, 998).await?;
    let summaries = feed(&world, &admin).await?.summaries();
    assert_eq!(summaries.len(), 1_000);
    assert_eq!(summaries[..2], ["past 0", "first"], "of the past the last goes first");
    Ok(())
}
