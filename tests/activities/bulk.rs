//! Many activities or notes at once: chosen, shown, changed, taken back. What happens to records of any object is tested with deals.

use std::time::Duration;

use anyhow::Result;
use proto::activities::v1 as pb;
use proto::activities::v1::activities_service_server::ActivitiesService;
use proto::common::v1 as common;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::world::{ALL, Caller, Refusal, World, about, planned};
use crate::database::Database;
use crate::waiting;
use crate::world::done;

/// A service on a database of its own: its worker works for every tenant.
async fn alone(name: &'static str) -> Result<World> {
    World::on(Database::fresh(name, &[activities::MIGRATIONS]).await?)
}

fn asked(object: &str, action: &str, ids: &[&str], changes: &Value) -> pb::CreateBulkOperationRequest {
    pb::CreateBulkOperationRequest {
        object: object.to_owned(),
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        action: action.to_owned(),
        changes: if changes.is_null() { Vec::new() } else { changes.to_string().into_bytes() }.into(),
        ..Default::default()
    }
}

impl Caller {
    async fn ask(
        &self,
        request: pb::CreateBulkOperationRequest,
    ) -> Result<pb::CreateBulkOperationResponse, Refusal> {
        done(self.service.create_bulk_operation(self.request(request, &[])).await)
    }

    async fn operation(&self, id: &str) -> Result<common::Operation, Refusal> {
        let request = pb::GetOperationRequest { id: id.to_owned() };
        Ok(done(self.service.get_operation(self.request(request, &[])).await)?.operation.unwrap())
    }
}

/// The operation when it is over, with a worker at work.
async fn finished(world: &World, who: &Caller, id: &str) -> Result<common::Operation> {
    let over = waiting::outcome(Duration::from_secs(60), "the operation is over", async || {
        let operation = who.operation(id).await.map_err(|refused| format!("{refused:?}"))?;
        if operation.finished_at.is_some() { Ok(operation) } else { Err(format!("{operation:?}")) }
    });
    Ok(tokio::select! {
        () = world.bulk.clone().work(CancellationToken::new()) => unreachable!(),
        operation = over => operation,
    })
}

/// Asks, and gives the operation when it is over.
async fn run(
    world: &World,
    who: &Caller,
    request: pb::CreateBulkOperationRequest,
) -> Result<common::Operation> {
    let queued = who.ask(request).await?.operation.unwrap();
    finished(world, who, &queued.id).await
}

async fn undone(world: &World, who: &Caller, id: &str) -> Result<common::Operation> {
    let request = who.request(pb::UndoOperationRequest { id: id.to_owned() }, &[]);
    let queued = done(who.service.undo_operation(request).await)?.operation.unwrap();
    finished(world, who, &queued.id).await
}

/// How many were updated, skipped and refused.
fn counts(operation: &common::Operation) -> [i64; 3] {
    let result = operation.result.unwrap_or_default();
    [result.updated, result.skipped, result.failed]
}

/// The record and reason of each error.
fn errors(operation: &common::Operation) -> Vec<(&str, &str)> {
    let mut errors: Vec<_> = operation.errors.iter().map(|e| (e.record_id(), e.reason.as_str())).collect();
    errors.sort_unstable();
    errors
}

#[tokio::test]
async fn what_is_over_is_closed_in_bulk_as_well() -> Result<()> {
    let world = alone("globcrm_test_bulk_activities").await?;
    let who = world.admin()?;
    let colleague = world.caller(who.tenant, &ALL)?;
    world.known.insert("user", colleague.id);
    let open = who.create_activity(planned("task")).await?;
    let over = who.create_activity(planned("task")).await?;
    who.happen(&over.id, "complete", &["outcome"]).await?;
    let ids = [open.id.as_str(), over.id.as_str()];

    let update = asked("activities", "update", &ids, &json!({"priority": "high"}));
    let preview =
        who.ask(pb::CreateBulkOperationRequest { dry_run: true, ..update.clone() }).await?.preview.unwrap();
    let refusals: Vec<_> = preview.refusals.iter().map(|r| (r.reason.as_str(), r.ids.clone())).collect();
    assert_eq!(refusals, [("ACTIVITY_CLOSED", vec![over.id.clone()])]);
    let updated = run(&world, &who, update).await?;
    assert!(updated.id.starts_with("activities."), "{}", updated.id);
    assert_eq!((counts(&updated), errors(&updated)), ([1, 0, 1], vec![(&*over.id, "ACTIVITY_CLOSED")]));
    assert_eq!(who.activity(&open.id).await?.priority(), pb::ActivityPriority::High);

    // Whose it is and how it is found may change for ever, and back again.
    let owner = Some(colleague.id.to_string());
    for (action, changes, changed) in [
        ("transfer", json!({"owner_id": owner}), (owner.clone(), vec![])),
        ("tag", json!({"add": ["x"]}), (over.owner_id.clone(), vec!["x".to_owned()])),
    ] {
        let done = run(&world, &who, asked("activity", action, &ids, &changes)).await?;
        assert_eq!(counts(&done), [2, 0, 0], "{done:?}");
        let now = who.activity(&over.id).await?;
        assert_eq!((now.owner_id, now.tags), changed);
        assert_eq!(counts(&undone(&world, &who, &done.id).await?), [2, 0, 0]);
        let back = who.activity(&over.id).await?;
        assert_eq!((back.owner_id, back.tags), (over.owner_id.clone(), vec![]));
        assert_eq!(back.state, pb::ActivityState::Completed as i32);
    }

    let deleted = run(&world, &who, asked("activities", "delete", &ids, &Value::Null)).await?;
    assert_eq!(counts(&deleted), [2, 0, 0]);
    assert_eq!(who.activity(&open.id).await.unwrap_err().reason(), "ACTIVITY_NOT_FOUND");
    assert_eq!(counts(&undone(&world, &who, &deleted.id).await?), [2, 0, 0]);
    who.activity(&open.id).await?;
    Ok(())
}

#[tokio::test]
async fn an_activity_that_is_closed_since_stays_as_it_is() -> Result<()> {
    let world = alone("globcrm_test_bulk_closed").await?;
    let who = world.admin()?;
    let task = who.create_activity(planned("task")).await?;
    let update = asked("activities", "update", &[&task.id], &json!({"body": "new"}));
    let updated = run(&world, &who, update).await?;
    let closed = who.happen(&task.id, "cancel", &["reason"]).await?;
    let undo = undone(&world, &who, &updated.id).await?;
    assert_eq!((counts(&undo), errors(&undo)), ([0, 1, 0], vec![(&*task.id, "CHANGED_SINCE")]));
    assert_eq!(who.activity(&task.id).await?, closed);
    Ok(())
}

#[tokio::test]
async fn notes_are_changed_in_bulk_with_what_follows_from_their_texts() -> Result<()> {
    let world = alone("globcrm_test_bulk_notes").await?;
    let who = world.admin()?;
    let (one, two) = (who.create(about(&[])).await?, who.create(about(&[])).await?);
    let colleague = world.known.add("user");
    let changes = json!({"body": format!("*new* @[Ada](user:{colleague})"), "pinned": true});
    let request =
        pb::CreateBulkOperationRequest { filter: "*".to_owned(), ..asked("notes", "update", &[], &changes) };
    let updated = run(&world, &who, request).await?;
    assert_eq!(counts(&updated), [2, 0, 0], "{updated:?}");
    for note in [&one, &two] {
        let now = who.get(&note.id).await?;
        assert_eq!((now.pinned, now.body_html.as_str()), (true, "<p><em>new</em> @Ada</p>\n"));
        assert_eq!(now.mentions, [pb::Mention { user_id: colleague.clone() }]);
    }
    assert_eq!(counts(&undone(&world, &who, &updated.id).await?), [2, 0, 0]);
    let back = who.get(&one.id).await?;
    assert_eq!((back.body_html, back.mentions, back.pinned), (one.body_html.clone(), vec![], false));
    // An undo tells nobody, and whom a note has mentioned is not told of it again.
    let again = json!({"body": format!("again @[Ada](user:{colleague})")});
    let again = run(&world, &who, asked("notes", "update", &[&one.id], &again)).await?;
    let removed = run(&world, &who, asked("notes", "update", &[&one.id], &json!({"body": "nobody"}))).await?;
    assert_eq!(counts(&again), [1, 0, 0]);
    assert_eq!(counts(&undone(&world, &who, &removed.id).await?), [1, 0, 0]);
    for note in [&one, &two] {
        assert_eq!(world.told(&note.id, "note.mentioned").await?, [json!([{"user_id": colleague}])]);
    }
    // Whom a text names is looked at before any record is.
    let stranger = json!({"body": format!("@[X](user:{})", uuid::Uuid::now_v7())});
    let refused = who.ask(asked("notes", "update", &[&two.id], &stranger)).await.unwrap_err();
    assert_eq!(refused.violations(), [("/changes/body", "REFERENCE_NOT_FOUND")]);
    Ok(())
}

#[tokio::test]
async fn what_moves_nowhere_is_not_moved_and_is_told_what_there_is() -> Result<()> {
    let world = World::new().await?;
    let who = world.admin()?;
    for object in ["activities", "activity", "notes", "note"] {
        let id = uuid::Uuid::now_v7().to_string();
        let refused = who.ask(asked(object, "move", &[&id], &json!({"stage_id": id}))).await.unwrap_err();
        assert_eq!(refused.violations(), [("/action", "ENUM_VALUE_UNKNOWN")]);
        let problem = refused.problem();
        let detail = problem["errors"][0]["detail"].as_str().unwrap();
        assert_eq!(detail, "one of update, delete, restore, transfer, tag is expected");
    }
    Ok(())
}
