//! A custom field that gets its index later.

use std::sync::Arc;

use anyhow::Result;
use proto::common::v1 as common;
use proto::fields::v1::FieldProjection;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::imports::finished;
use super::plans::fill;
use super::world::{Caller, Refusal, World, assign, custom, named, row_id};
use crate::database::Database;

const NOTE: &str = "00000000-0000-0000-0000-000000000006";

async fn index_as(
    caller: &Caller,
    object: &str,
    id: &str,
    headers: &[(&'static str, &str)],
) -> Result<common::Operation, Refusal> {
    let request = pb::IndexFieldRequest { object: object.to_owned(), id: id.to_owned() };
    let answer = caller.service.index_field(caller.request(request, headers)).await?;
    Ok(answer.into_inner().operation.unwrap())
}

async fn index(caller: &Caller, object: &str, id: &str) -> Result<common::Operation, Refusal> {
    index_as(caller, object, id, &[]).await
}

/// Changes the definition of `note` as the fields service would, in a version of its own.
fn change(world: &World, change: impl FnOnce(&mut FieldProjection)) {
    let mut set = world.definitions.lock().unwrap();
    set.version += 1;
    change(set.fields.iter_mut().find(|field| field.id == NOTE).unwrap());
}

/// Works until the operation is over.
async fn worked(
    service: records::Service,
    caller: &Caller,
    operation: &common::Operation,
) -> Result<common::Operation> {
    tokio::select! {
        () = service.work_indexing(CancellationToken::new()) => unreachable!(),
        done = finished(caller, &operation.id) => Ok(done?),
    }
}

/// Works until the first batch has committed, or more of them, and is dropped before the slot is said to be filled.
async fn work_a_batch(world: &World, operation: &common::Operation) -> Result<()> {
    let id = row_id(&operation.id)?;
    let service = world.instance_with(|slots| {
        Arc::new(move |cx, step, object, id| match step {
            records::SlotStep::Finish(_) => Box::pin(std::future::pending()),
            step => slots(cx, step, object, id),
        })
    })?;
    let position = async || -> Result<Option<uuid::Uuid>> {
        let query = sqlx::query_scalar("SELECT after_id FROM records.operation WHERE id = $1");
        Ok(query.bind(id).fetch_one(&mut world.sql().await?).await?)
    };
    tokio::select! {
        () = service.work_indexing(CancellationToken::new()) => unreachable!(),
        () = crate::waiting::until(std::time::Duration::from_secs(30), "a batch", async || {
            position().await.is_ok_and(|position| position.is_some())
        }) => Ok(()),
    }
}

fn is(state: common::OperationState) -> i32 {
    i32::from(state)
}

async fn note(caller: &Caller, text: &str) -> Result<pb::Contact> {
    Ok(caller
        .create(pb::Contact { first_name: Some("A".to_owned()), ..custom(&json!({"note": text})) })
        .await?)
}

/// The live contacts that a filter finds.
async fn found(caller: &Caller, filter: &str) -> Result<usize, Refusal> {
    let request =
        pb::ListContactsRequest { filter: filter.to_owned(), page_size: Some(200), ..Default::default() };
    Ok(caller.list(request).await?.contacts.len())
}

/// Contacts whose slot is not what their value says.
async fn wrong(world: &World, caller: &Caller) -> Result<i64> {
    wrong_in(world, caller, "txt_07").await
}

async fn wrong_in(world: &World, caller: &Caller, slot: &str) -> Result<i64> {
    let query = sqlx::query_scalar(
        "SELECT count(*) FROM records.contacts
         WHERE tenant_id = $1 AND to_jsonb(contacts)->>$2 IS DISTINCT FROM lower(custom->>'note')",
    );
    Ok(query.bind(caller.tenant.uuid()).bind(slot).fetch_one(&mut world.sql().await?).await?)
}

#[tokio::test]
async fn an_index_is_used_once_every_record_has_it() -> Result<()> {
    let world = World::alone("globcrm_test_records_indexing").await?;
    let admin = world.admin()?;
    for n in 0..5 {
        note(&admin, &format!("Blue {n}")).await?;
    }
    let gone = note(&admin, "Blue gone").await?;
    admin.delete(&gone.id, &[]).await?;
    fill(&mut world.sql().await?, admin.tenant, 450).await?;
    assert_eq!(found(&admin, "custom.note:\"blue\"").await.unwrap_err().is(), (422, "FIELD_NOT_INDEXED"));

    let operation = index(&admin, "contact", NOTE).await?;
    assert_eq!(operation.kind, "index");
    // The slot is there, but nothing reads it while records are without it: older ones, and those of an instance that has not heard of it.
    let late = note(&admin, "Blue late").await?;
    assert_eq!(wrong(&world, &admin).await?, 7);
    sqlx::query("UPDATE records.derived_check SET due_at = now() + interval '1 day', after_id = $1")
        .bind(admin.id)
        .execute(&mut world.sql().await?)
        .await?;
    assert_eq!(found(&admin, "custom.note = \"Blue 3\"").await?, 1);
    assert_eq!(found(&admin, "custom.note:\"blue\"").await.unwrap_err().is(), (422, "FIELD_NOT_INDEXED"));

    let done = worked(world.service.clone(), &admin, &operation).await?;
    assert_eq!(done.state, i32::from(common::OperationState::Succeeded), "{done:?}");
    assert_eq!(done.progress.unwrap().done, 457);
    assert_eq!(wrong(&world, &admin).await?, 0);
    assert_eq!(found(&admin, "custom.note:\"blue\"").await?, 6);
    let (is_due, after): (bool, Option<uuid::Uuid>) =
        sqlx::query_as("SELECT due_at < now() + interval '1 hour', after_id FROM records.derived_check WHERE object = 'contact'")
            .fetch_one(&mut world.sql().await?)
            .await?;
    assert_eq!(
        (is_due, after),
        (true, None),
        "nobody looks for what a program of before has written meanwhile"
    );
    // No value changed, so no version did.
    assert_eq!(admin.get(&late.id).await?.version, 1);
    Ok(())
}

#[tokio::test]
async fn a_worker_that_dies_in_between_is_followed_by_one_that_goes_on() -> Result<()> {
    let world = World::alone("globcrm_test_records_indexing_crash").await?;
    let admin = world.admin()?;
    fill(&mut world.sql().await?, admin.tenant, 450).await?;
    for n in 0..5 {
        note(&admin, &format!("Blue {n}")).await?;
    }
    let operation = index(&admin, "contact", NOTE).await?;
    work_a_batch(&world, &operation).await?;
    assert!(world.definitions.lock().unwrap().fields.iter().any(|field| field.filling));
    let done = worked(world.instance()?, &admin, &operation).await?;
    assert_eq!(done.state, i32::from(common::OperationState::Succeeded), "{done:?}");
    assert_eq!(done.progress.unwrap().done, 455, "no record twice");
    assert_eq!(wrong(&world, &admin).await?, 0);
    Ok(())
}

/// Between the last batch and the word that the slot is filled.
#[tokio::test]
async fn a_worker_that_dies_at_the_end_is_followed_by_one_that_counts_nothing_again() -> Result<()> {
    let world = World::alone("globcrm_test_records_indexing_end").await?;
    let admin = world.admin()?;
    for n in 0..5 {
        note(&admin, &format!("Blue {n}")).await?;
    }
    let operation = index(&admin, "contact", NOTE).await?;
    work_a_batch(&world, &operation).await?;
    let done = worked(world.instance()?, &admin, &operation).await?;
    assert_eq!((done.state, done.progress.unwrap().done), (is(common::OperationState::Succeeded), 5));
    assert_eq!(wrong(&world, &admin).await?, 0);
    Ok(())
}

#[tokio::test]
async fn only_fields_of_records_that_are_kept_here_are_indexed() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    admin.create(named("A", "")).await?;
    assert_eq!(index(&admin, "note", NOTE).await.unwrap_err().is(), (422, "INDEX_NOT_SUPPORTED"));
    assert_eq!(index(&admin, "user", NOTE).await.unwrap_err().is(), (404, "OBJECT_NOT_FOUND"));
    let random = world.clock.new_uuid().to_string();
    assert_eq!(index(&admin, "contact", &random).await.unwrap_err().is(), (404, "FIELD_NOT_FOUND"));
    Ok(())
}

#[tokio::test]
async fn an_operation_does_not_finish_a_slot_that_the_field_has_got_since() -> Result<()> {
    let world = World::alone("globcrm_test_records_indexing_stale").await?;
    let admin = world.admin()?;
    // Their ids come before those of the others, so the first batch has them.
    for n in 0..5 {
        note(&admin, &format!("Blue {n}")).await?;
    }
    fill(&mut world.sql().await?, admin.tenant, 450).await?;
    let operation = index(&admin, "contact", NOTE).await?;
    work_a_batch(&world, &operation).await?;
    // Archived, its slot taken by another field; restored, and indexed anew: a slot that no record has yet.
    change(&world, |field| assign(field, "txt_08", 1_000));
    let stale = worked(world.instance()?, &admin, &operation).await?;
    assert_eq!(wrong_in(&world, &admin, "txt_08").await?, 5);
    assert!(world.definitions.lock().unwrap().fields.iter().any(|field| field.filling), "half of it is read");
    assert_eq!((stale.state, stale.failure()), (is(common::OperationState::Failed), "FIELD_STATE_INVALID"));

    let again = index(&admin, "contact", NOTE).await?;
    let done = worked(world.service.clone(), &admin, &again).await?;
    assert_eq!(done.state, is(common::OperationState::Succeeded), "{done:?}");
    assert_eq!(wrong_in(&world, &admin, "txt_08").await?, 0);
    assert_eq!(found(&admin, "custom.note:\"blue\"").await?, 5);
    Ok(())
}

#[tokio::test]
async fn an_operation_vouches_only_for_records_that_it_has_looked_at() -> Result<()> {
    let world = World::alone("globcrm_test_records_indexing_vouches").await?;
    let admin = world.admin()?;
    for n in 0..5 {
        note(&admin, &format!("Blue {n}")).await?;
    }
    let operation = index(&admin, "contact", NOTE).await?;
    // A place without the assignment that it belongs to, as a program of before notes it, is none.
    sqlx::query(
        "UPDATE records.operation SET after_id = 'ffffffff-ffff-ffff-ffff-ffffffffffff' WHERE id = $1",
    )
    .bind(row_id(&operation.id)?)
    .execute(&mut world.sql().await?)
    .await?;
    // Another said so, and was wrong.
    change(&world, |field| {
        field.slot = "txt_07".to_owned();
    });
    let done = worked(world.instance()?, &admin, &operation).await?;
    assert_eq!(done.state, is(common::OperationState::Succeeded), "{done:?}");
    assert_eq!(wrong(&world, &admin).await?, 0);
    assert_eq!(done.progress.unwrap().done, 5);
    Ok(())
}

#[tokio::test]
async fn a_call_that_is_refused_or_repeated_takes_no_slot() -> Result<()> {
    let quotas = records::Quotas {
        operations: operations::Quota { open: 1, ..Default::default() },
        ..Default::default()
    };
    let world = World::with(Database::shared(records::MIGRATIONS).await?, quotas)?;
    let admin = world.admin()?;
    let key = [("idempotency-key", "the-key")];
    let first = index_as(&admin, "contact", NOTE, &key).await?;
    let before = world.definitions.lock().unwrap().clone();
    assert_eq!(index_as(&admin, "contact", NOTE, &key).await?.id, first.id);
    assert_eq!(*world.definitions.lock().unwrap(), before, "a repeated call took a slot");
    assert_eq!(index(&admin, "contact", NOTE).await.unwrap_err().is(), (429, "OPERATIONS_TOO_MANY"));
    assert_eq!(*world.definitions.lock().unwrap(), before, "a refused call took a slot");
    Ok(())
}
