//! What may be written of an activity, by whom, and when no more.

use std::time::Duration;

use anyhow::Result;
use proto::activities::v1 as pb;
use proto::identity::v1::{FieldAccess, Scope};
use serde_json::json;

use super::world::{May, World, moment, planned};

fn titled(subject: &str) -> pb::Activity {
    pb::Activity { subject: Some(subject.to_owned()), ..Default::default() }
}

#[tokio::test]
async fn an_activity_is_planned_with_all_that_was_sent() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (ada, deal, user) = (world.known.add("contact"), world.known.add("deal"), world.known.add("user"));
    let link = |object: &str, id: &str, role: Option<&str>| pb::ActivityLink {
        object: object.to_owned(),
        id: id.to_owned(),
        role: role.map(str::to_owned),
        deleted: false,
    };
    let participant = |object: &str, id: &str, response: pb::ParticipantResponse| pb::Participant {
        object: object.to_owned(),
        id: id.to_owned(),
        response: response.into(),
        deleted: false,
    };
    let sent = pb::Activity {
        body: Some("About\nmoney".to_owned()),
        priority: Some(pb::ActivityPriority::High.into()),
        due_at: Some(moment("2026-12-01T09:00:00Z")),
        timezone: Some("europe/vienna".to_owned()),
        assignee_id: Some(user.clone()),
        links: vec![link("contact", &ada, Some("subject")), link("deal", &deal, None)],
        participants: vec![
            participant("user", &user, pb::ParticipantResponse::Accepted),
            participant("contact", &ada, pb::ParticipantResponse::Unspecified),
        ],
        reminders: vec![pb::Reminder { minutes_before: 15 }, pb::Reminder { minutes_before: 0 }],
        ..planned("call")
    };
    let made = admin.create_activity(sent.clone()).await?;
    assert_eq!(made.state(), pb::ActivityState::Planned);
    assert_eq!(made.timezone.as_deref(), Some("Europe/Vienna"));
    assert_eq!((&made.links, &made.reminders, made.due_at), (&sent.links, &sent.reminders, sent.due_at));
    assert_eq!(made.participants[1].response(), pb::ParticipantResponse::NeedsAction);
    assert_eq!(made.owner_id, Some(admin.id.to_string()));
    assert_eq!(admin.activity(&made.id).await?, made);
    let task = admin.create_activity(planned("task")).await?;
    assert_eq!((task.priority(), task.overdue), (pb::ActivityPriority::Normal, false));
    // What is unset goes back to what it is without.
    let lowered =
        admin.change_activity(&made.id, pb::Activity::default(), &["priority", "duration_seconds"]).await?;
    assert_eq!(lowered.priority(), pb::ActivityPriority::Normal);
    Ok(())
}

#[tokio::test]
async fn everything_that_is_wrong_with_an_activity_is_told_at_once() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let nothing = admin.create_activity(pb::Activity::default()).await.unwrap_err();
    assert_eq!(nothing.violations(), [("/kind", "REQUIRED")]);
    let bare = pb::Activity { kind: Some(pb::ActivityKind::Meeting.into()), ..Default::default() };
    assert_eq!(
        admin.create_activity(bare).await.unwrap_err().violations(),
        [("/subject", "REQUIRED"), ("/starts_at", "REQUIRED"), ("/ends_at", "REQUIRED")]
    );
    let ada = world.known.add("contact");
    let one = |object: &str, id: &str| pb::Participant {
        object: object.to_owned(),
        id: id.to_owned(),
        ..Default::default()
    };
    let wrong = pb::Activity {
        timezone: Some("Europe/Nowhere".to_owned()),
        ends_at: Some(moment("2026-05-05T10:00:00Z")),
        participants: vec![one("company", &ada), one("contact", &ada), one("contact", &ada)],
        links: vec![pb::ActivityLink { object: "deal".to_owned(), id: ada.clone(), ..Default::default() }],
        reminders: vec![pb::Reminder { minutes_before: 5 }, pb::Reminder { minutes_before: 5 }],
        ..planned("meeting")
    };
    let mut refused: Vec<(String, String)> = Vec::new();
    let told = admin.create_activity(wrong).await.unwrap_err();
    refused.extend(told.violations().iter().map(|(at, reason)| ((*at).to_owned(), (*reason).to_owned())));
    refused.sort();
    let expected = [
        ("/ends_at", "ENDS_BEFORE_START"),
        ("/links/0/id", "REFERENCE_NOT_FOUND"),
        ("/participants/0/object", "ENUM_VALUE_UNKNOWN"),
        ("/participants/2/id", "REPEATED"),
        ("/reminders/1", "REPEATED"),
        ("/timezone", "TIMEZONE_INVALID"),
    ];
    let refused: Vec<(&str, &str)> =
        refused.iter().map(|(at, reason)| (at.as_str(), reason.as_str())).collect();
    assert_eq!(refused, expected);
    // A kind that needs more is not taken on without it.
    let task = admin.create_activity(planned("task")).await?;
    let meeting = pb::Activity { kind: Some(pb::ActivityKind::Meeting.into()), ..Default::default() };
    let refused = admin.change_activity(&task.id, meeting, &["kind"]).await.unwrap_err();
    assert_eq!(refused.violations(), [("/starts_at", "REQUIRED"), ("/ends_at", "REQUIRED")]);
    let cleared = admin.change_activity(&task.id, pb::Activity::default(), &["subject", "kind"]).await;
    assert_eq!(cleared.unwrap_err().violations(), [("/kind", "REQUIRED")]);
    Ok(())
}

#[tokio::test]
async fn only_the_call_that_completes_it_says_what_came_of_it() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let told = pb::Activity {
        state: pb::ActivityState::Completed.into(),
        outcome: Some("Made up".to_owned()),
        completed_at: Some(moment("2026-01-01T00:00:00Z")),
        cancelled_reason: Some("Made up".to_owned()),
        ..planned("task")
    };
    let made = admin.create_activity(told.clone()).await?;
    assert_eq!((made.state(), made.outcome, made.completed_at), (pb::ActivityState::Planned, None, None));
    let paths = ["state", "outcome", "completed_at", "cancelled_reason"];
    let same = admin.change_activity(&made.id, told, &paths).await?;
    assert_eq!((same.state(), same.version), (pb::ActivityState::Planned, 1));
    let request = |completed_at| pb::CompleteActivityRequest {
        id: made.id.clone(),
        outcome: Some("Sold".to_owned()),
        duration_seconds: None,
        completed_at: Some(completed_at),
    };
    let ahead = proto::timestamp(world.clock.now() + Duration::from_secs(60));
    let refused = admin.complete(request(ahead)).await.unwrap_err();
    assert_eq!(refused.violations(), [("/completed_at", "DATE_IN_FUTURE")]);
    let nil =
        pb::CompleteActivityRequest { duration_seconds: Some(0), ..request(moment("2026-01-01T00:00:00Z")) };
    let call = admin.create_activity(planned("call")).await?;
    let refused = admin.complete(pb::CompleteActivityRequest { id: call.id, ..nil }).await.unwrap_err();
    assert_eq!(refused.violations(), [("/duration_seconds", "REQUIRED_FOR_STATE")]);
    let done = admin.complete(request(moment("2026-01-01T00:00:00Z"))).await?;
    assert_eq!(done.completed_at, Some(moment("2026-01-01T00:00:00Z")));
    // How long it took may be known before.
    let timed = pb::Activity { duration_seconds: Some(90), ..planned("call") };
    let call = admin.create_activity(timed).await?;
    let done = admin.happen(&call.id, "complete", &["outcome"]).await?;
    assert_eq!((done.duration_seconds, done.outcome.as_deref()), (Some(90), Some("Said yes")));
    Ok(())
}

#[tokio::test]
async fn what_is_over_stays_as_it_was() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (user, team, ada) = (world.known.add("user"), world.known.add("team"), world.known.add("contact"));
    for (event, state) in [("complete", "completed"), ("cancel", "cancelled")] {
        let made = admin.create_activity(planned("task")).await?;
        let closed = admin.happen(&made.id, event, &["outcome", "reason"]).await?;
        let changes = [
            (titled("Other"), "subject"),
            (titled(""), "subject"),
            (pb::Activity { body: Some("x".to_owned()), ..Default::default() }, "body"),
            (pb::Activity { kind: Some(pb::ActivityKind::Call.into()), ..Default::default() }, "kind"),
            (pb::Activity { due_at: Some(moment("2026-01-01T00:00:00Z")), ..Default::default() }, "due_at"),
            (pb::Activity { assignee_id: Some(user.clone()), ..Default::default() }, "assignee_id"),
            (pb::Activity { duration_seconds: Some(5), ..Default::default() }, "duration_seconds"),
            (pb::Activity { timezone: Some("Nowhere".to_owned()), ..Default::default() }, "timezone"),
            (pb::Activity { custom: r#"{"seats":5}"#.into(), ..Default::default() }, "custom"),
            (pb::Activity { reminders: vec![pb::Reminder::default()], ..Default::default() }, "reminders"),
        ];
        for (change, path) in changes {
            let refused = admin.change_activity(&made.id, change, &[path]).await.unwrap_err();
            assert_eq!(refused.is(), (409, "ACTIVITY_CLOSED"), "{state} {path}");
            assert_eq!(refused.problem()["meta"], json!({"state": state}));
        }
        assert_eq!(admin.activity(&made.id).await?, closed);
        let link = pb::ActivityLink { object: "contact".to_owned(), id: ada.clone(), ..Default::default() };
        let still = pb::Activity {
            tags: vec!["late".to_owned()],
            owner_id: Some(user.clone()),
            team_id: Some(team.clone()),
            links: vec![link],
            // As it is.
            subject: closed.subject.clone(),
            ..Default::default()
        };
        let changed = admin
            .change_activity(&made.id, still, &["tags", "owner_id", "team_id", "links", "subject"])
            .await?;
        assert_eq!((changed.version, changed.links.len(), &changed.outcome), (3, 1, &closed.outcome));
        admin.delete_activity(&made.id).await?;
        assert_eq!(admin.restore_activity(&made.id).await?.state(), closed.state());
    }
    Ok(())
}

#[tokio::test]
async fn a_stale_event_is_told_so_before_anything_else() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create_activity(planned("task")).await?;
    admin.happen(&made.id, "start", &[]).await?;
    let request = pb::CompleteActivityRequest { id: made.id.clone(), ..Default::default() };
    let stale = admin.complete_if(request.clone(), &[("if-match", "\"1\"")]).await.unwrap_err();
    assert_eq!(stale.is(), (412, "VERSION_STALE"));
    let missing = admin.complete_if(request.clone(), &[("if-match", "\"2\"")]).await.unwrap_err();
    assert_eq!(missing.violations(), [("/outcome", "REQUIRED_FOR_STATE")]);
    let request = pb::CompleteActivityRequest { outcome: Some("Done".to_owned()), ..request };
    assert_eq!(admin.complete_if(request, &[("if-match", "\"2\"")]).await?.version, 3);
    Ok(())
}

#[tokio::test]
async fn who_may_not_change_the_fields_of_an_event_lets_none_happen() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create_activity(planned("task")).await?;
    let everything: &[(&str, &str, Scope)] = &[("*", "*", Scope::All)];
    for (field, members, fields) in [
        ("state", &["outcome"][..], "state"),
        ("outcome", &["outcome"], "outcome"),
        ("duration_seconds", &["outcome", "duration_seconds"], "duration_seconds"),
    ] {
        let rules = [("activity", field, FieldAccess::Read)];
        let reader = world.caller(admin.tenant, &May { actions: everything, fields: &rules })?;
        let refused = reader.happen(&made.id, "complete", members).await.unwrap_err();
        assert_eq!(refused.is(), (403, "FIELD_READ_ONLY"), "{field}");
        assert_eq!(refused.metadata()["fields"], fields);
    }
    // Others see neither what they may not see, nor what would tell it.
    let rules = [("activity", "due_at", FieldAccess::None)];
    let blind = world.caller(admin.tenant, &May { actions: everything, fields: &rules })?;
    let late = pb::Activity { due_at: Some(moment("2020-01-01T00:00:00Z")), ..planned("task") };
    let late = admin.create_activity(late).await?;
    assert!(late.overdue && !blind.activity(&late.id).await?.overdue);
    assert_eq!(blind.subjects("overdue = true", "").await.unwrap_err().http(), 400);
    let own: &[(&str, &str, Scope)] = &[("activity", "*", Scope::Own)];
    let stranger = world.caller(admin.tenant, &May { actions: own, fields: &[] })?;
    let refused = stranger.happen(&made.id, "start", &[]).await.unwrap_err();
    assert_eq!(refused.is(), (404, "ACTIVITY_NOT_FOUND"));
    Ok(())
}

#[tokio::test]
async fn others_are_told_of_each_completed_activity_with_all_that_it_is_about() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (ada, acme) = (world.known.add("contact"), world.known.add("company"));
    let link = |object: &str, id: &str| pb::ActivityLink {
        object: object.to_owned(),
        id: id.to_owned(),
        ..Default::default()
    };
    let made =
        admin.create_activity(pb::Activity { links: vec![link("contact", &ada)], ..planned("task") }).await?;
    let told = async || -> Result<Vec<(i64, Vec<String>)>> {
        let envelopes: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT envelope FROM activities.outbox
             WHERE record_id = $1::text::uuid AND type = 'activities.activity.completed.v1' ORDER BY seq",
        )
        .bind(&made.id)
        .fetch_all(&mut world.sql().await?)
        .await?;
        let read = |bytes: &Vec<u8>| {
            let event = events::Event::decode(bytes).unwrap();
            assert!(event.change("completed_at").unwrap().after.is_some());
            let links = event.change("links").unwrap().after.clone().unwrap();
            let links: serde_json::Value = serde_json::from_str(&links).unwrap();
            let ids =
                links.as_array().into_iter().flatten().map(|link| link["id"].as_str().unwrap().to_owned());
            (event.version, ids.collect())
        };
        Ok(envelopes.iter().map(read).collect())
    };
    admin.happen(&made.id, "start", &[]).await?;
    assert!(told().await?.is_empty());
    admin.happen(&made.id, "complete", &["outcome"]).await?;
    let tagged = pb::Activity { tags: vec!["x".to_owned()], ..Default::default() };
    admin.change_activity(&made.id, tagged, &["tags"]).await?;
    let links = vec![link("company", &acme)];
    admin.change_activity(&made.id, pb::Activity { links, ..Default::default() }, &["links"]).await?;
    admin.delete_activity(&made.id).await?;
    admin.restore_activity(&made.id).await?;
    let (ada, acme) = (vec![ada], vec![acme]);
    assert_eq!(told().await?, [(3, ada), (5, acme.clone()), (7, acme)]);
    Ok(())
}
