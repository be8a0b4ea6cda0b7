//! A custom field that gets its index later.

use anyhow::Result;
use proto::common::v1 as common;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::imports::finished;
use super::plans::fill;
use super::world::{Caller, Refusal, World, custom, named, row_id};

const NOTE: &str = "00000000-0000-0000-0000-000000000006";

async fn index(caller: &Caller, object: &str, id: &str) -> Result<common::Operation, Refusal> {
    let request = pb::IndexFieldRequest { object: object.to_owned(), id: id.to_owned() };
    let answer = caller.service.index_field(caller.request(request, &[])).await?;
    Ok(answer.into_inner().operation.unwrap())
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
    let query = sqlx::query_scalar(
        "SELECT count(*) FROM records.contacts
         WHERE tenant_id = $1 AND txt_07 IS DISTINCT FROM lower(custom->>'note')",
    );
    Ok(query.bind(caller.tenant.uuid()).fetch_one(&mut world.sql().await?).await?)
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
    assert_eq!(found(&admin, "custom.note = \"Blue 3\"").await?, 1);
    assert_eq!(found(&admin, "custom.note:\"blue\"").await.unwrap_err().is(), (422, "FIELD_NOT_INDEXED"));

    let done = tokio::select! {
        () = world.service.clone().work_indexing(CancellationToken::new()) => unreachable!(),
        done = finished(&admin, &operation.id) => done?,
    };
    assert_eq!(done.state, i32::from(common::OperationState::Succeeded), "{done:?}");
    assert_eq!(done.progress.unwrap().done, 457);
    assert_eq!(wrong(&world, &admin).await?, 0);
    assert_eq!(found(&admin, "custom.note:\"blue\"").await?, 6);
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
    let id = row_id(&operation.id)?;
    let position = async || -> Result<Option<uuid::Uuid>> {
        let query = sqlx::query_scalar("SELECT after_id FROM records.operation WHERE id = $1");
        Ok(query.bind(id).fetch_one(&mut world.sql().await?).await?)
    };
    // Dropped as soon as its first batch has committed.
    tokio::select! {
        () = world.service.clone().work_indexing(CancellationToken::new()) => unreachable!(),
        () = crate::waiting::until(std::time::Duration::from_secs(30), "a batch", async || {
            position().await.is_ok_and(|position| position.is_some())
        }) => {}
    }
    assert!(world.definitions.lock().unwrap().fields.iter().any(|field| field.filling));
    let other = world.instance()?;
    let done = tokio::select! {
        () = other.work_indexing(CancellationToken::new()) => unreachable!(),
        done = finished(&admin, &operation.id) => done?,
    };
    assert_eq!(done.state, i32::from(common::OperationState::Succeeded), "{done:?}");
    assert_eq!(done.progress.unwrap().done, 455, "no record twice");
    assert_eq!(wrong(&world, &admin).await?, 0);
    Ok(())
}

#[tokio::test]
async fn only_fields_of_records_that_are_kept_here_are_indexed() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    admin.create(named("A", "")).await?;
    assert_eq!(index(&admin, "note", NOTE).await.unwrap_err().is(), (404, "OBJECT_NOT_FOUND"));
    let random = world.clock.new_uuid().to_string();
    assert_eq!(index(&admin, "contact", &random).await.unwrap_err().is(), (404, "FIELD_NOT_FOUND"));
    Ok(())
}
