//! Uploads and operations go when they are old and nobody needs them, whenever their removal breaks off.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use blobs::Blobs;
use fleet::Role;
use ids::TenantId;
use prost::bytes::Bytes;
use proto::common::v1 as common;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use records::{DryRuns, UploadPurge};
use sqlx::PgConnection;
use uuid::Uuid;

use super::imports::{import, upload};
use super::world::{Caller, Refusal, World, blob_directory, row_id};
use crate::database::until_waited_for;
use crate::waiting::until;

const WEEK: Duration = Duration::from_secs(7 * 86_400);
const MONTH: Duration = Duration::from_secs(30 * 86_400);
const BOUND: Duration = Duration::from_secs(60);

/// A world on a database that no other test's removal looks at: removals look across tenants.
pub(super) async fn alone(database: &'static str) -> Result<World> {
    World::alone(database).await
}

pub(super) fn upload_purge(world: &World) -> Result<UploadPurge> {
    Ok(UploadPurge {
        db: world.db.clone(),
        worker: world.worker()?,
        clock: world.clock.clone(),
        blobs: world.blobs.clone(),
        retention: WEEK,
    })
}

pub(super) fn operation_purge(world: &World) -> Result<operations::Purge<DryRuns>> {
    Ok(operations::Purge {
        role: Role::Records,
        db: world.db.clone(),
        worker: world.worker()?,
        clock: world.clock.clone(),
        retention: MONTH,
        kept: DryRuns,
    })
}

/// Makes an upload one of eight days ago.
async fn age(sql: &mut PgConnection, upload: Uuid) -> Result<()> {
    sqlx::query("UPDATE records.upload SET created_at = created_at - interval '8 days' WHERE id = $1")
        .bind(upload)
        .execute(sql)
        .await?;
    Ok(())
}

async fn sha256(sql: &mut PgConnection, upload: Uuid) -> Result<Option<String>> {
    let query = sqlx::query_scalar("SELECT sha256 FROM records.upload WHERE id = $1");
    Ok(query.bind(upload).fetch_optional(sql).await?)
}

async fn has(world: &World, tenant: TenantId, sha256: &str) -> bool {
    world.blobs.read(tenant, sha256, 0).await.is_ok()
}

async fn queue(caller: &Caller, upload: Uuid) -> Result<common::Operation, Refusal> {
    caller.queue_import(import(upload, &[("Mail", "emails.address")])).await
}

async fn cancel(caller: &Caller, operation: &common::Operation) -> Result<(), Refusal> {
    let request = pb::CancelOperationRequest { id: operation.id.clone() };
    caller.service.cancel_operation(caller.request(request, &[])).await?;
    Ok(())
}

#[tokio::test]
async fn an_old_upload_goes_with_its_bytes_and_every_other_stays() -> Result<()> {
    let world = World::alone("globcrm_test_retention_uploads").await?;
    let (admin, stranger) = (world.admin()?, world.admin()?);
    let mut sql = world.sql().await?;
    let file = |text: &str| format!("Mail\n{text}@x.test\n");
    let old = upload(&world, &admin, &file("old")).await?;
    let young = upload(&world, &admin, &file("young")).await?;
    let used = upload(&world, &admin, &file("used")).await?;
    // The same bytes again: younger, and of somebody else.
    let (first, second) =
        (upload(&world, &admin, &file("twice")).await?, upload(&world, &admin, &file("twice")).await?);
    let foreign = upload(&world, &stranger, &file("old")).await?;
    let mut names = Vec::new();
    for id in [old, young, used, first, second, foreign] {
        names.push(sha256(&mut sql, id).await?.unwrap());
    }
    let operation = queue(&admin, used).await?;
    for id in [old, used, first] {
        age(&mut sql, id).await?;
    }
    assert_eq!(upload_purge(&world)?.round().await?, 2);
    let mut left = Vec::new();
    for id in [old, young, used, first, second, foreign] {
        left.push(sha256(&mut sql, id).await?.is_some());
    }
    assert_eq!(left, [false, true, true, false, true, true]);
    assert!(!has(&world, admin.tenant, &names[0]).await, "the bytes of nobody");
    for (tenant, name) in
        [(&admin, &names[1]), (&admin, &names[2]), (&admin, &names[4]), (&stranger, &names[5])]
    {
        assert!(has(&world, tenant.tenant, name).await);
    }
    let refused = queue(&admin, old).await.unwrap_err();
    assert_eq!((refused.http(), refused.violations()), (422, vec![("/upload_id", "REFERENCE_NOT_FOUND")]));

    // What was in use goes when the import is over, and the bytes of two when both are old.
    cancel(&admin, &operation).await?;
    age(&mut sql, second).await?;
    assert_eq!(upload_purge(&world)?.round().await?, 2);
    assert_eq!((sha256(&mut sql, used).await?, sha256(&mut sql, second).await?), (None, None));
    for name in [&names[2], &names[4]] {
        assert!(!has(&world, admin.tenant, name).await);
    }
    Ok(())
}

/// Where the world's store has an object.
fn place(tenant: TenantId, sha256: &str) -> PathBuf {
    blob_directory().join(tenant.to_string()).join(&sha256[..2]).join(sha256)
}

#[tokio::test]
async fn a_removal_that_breaks_off_is_taken_up_again_and_holds_up_no_other() -> Result<()> {
    let world = World::alone("globcrm_test_retention_broken").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    let file = |text: &str| format!("Mail\n{text}@y.test\n");
    // The bytes are gone and the row is still there.
    let half = upload(&world, &admin, &file("half")).await?;
    let name = sha256(&mut sql, half).await?.unwrap();
    world.blobs.delete(admin.tenant, &name).await?;
    // The store cannot remove the bytes: then the row must stay, or nobody would ever know of them.
    let stuck = upload(&world, &admin, &file("stuck")).await?;
    let name = sha256(&mut sql, stuck).await?.unwrap();
    let object = place(admin.tenant, &name);
    let aside = object.with_extension("aside");
    std::fs::rename(&object, &aside)?;
    std::fs::create_dir_all(object.join("in the way"))?;
    let next = upload(&world, &admin, &file("next")).await?;
    for id in [half, stuck, next] {
        age(&mut sql, id).await?;
    }
    assert_eq!(upload_purge(&world)?.round().await?, 2);
    let ids = [half, stuck, next];
    let mut left = Vec::new();
    for id in ids {
        left.push(sha256(&mut sql, id).await?.is_some());
    }
    assert_eq!(left, [false, true, false]);
    std::fs::remove_dir_all(&object)?;
    std::fs::rename(&aside, &object)?;
    assert_eq!(upload_purge(&world)?.round().await?, 1);
    assert_eq!(sha256(&mut sql, stuck).await?, None);
    assert!(!has(&world, admin.tenant, &name).await);
    Ok(())
}

/// Somebody uploads the same bytes in the moment in which they are removed: the removal waits, and then finds them in use.
#[tokio::test]
async fn bytes_that_come_again_while_they_are_removed_stay() -> Result<()> {
    let world = World::alone("globcrm_test_retention_again").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    let text = "Mail\nagain@x.test\n";
    let old = upload(&world, &admin, text).await?;
    let name = sha256(&mut sql, old).await?.unwrap();
    age(&mut sql, old).await?;
    let mut coming = world.tx(admin.tenant).await?;
    let lock = sqlx::query_scalar("SELECT hashtextextended($1, 0)");
    let lock: i64 = lock.bind(format!("upload/{}/{name}", admin.tenant)).fetch_one(coming.conn()).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock).execute(coming.conn()).await?;
    let purge = upload_purge(&world)?;
    let removal = tokio::spawn(async move { purge.round().await });
    until_waited_for(&mut sql, lock).await;
    let new = world.clock.new_uuid();
    sqlx::query(
        "INSERT INTO records.upload (tenant_id, id, principal_id, content_type, size, sha256, created_at)
         VALUES ($1, $2, $3, 'text/csv', $4, $5, now())",
    )
    .bind(admin.tenant.uuid())
    .bind(new)
    .bind(admin.id)
    .bind(text.len() as i64)
    .bind(&name)
    .execute(coming.conn())
    .await?;
    coming.commit().await?;
    assert_eq!(removal.await??, 1);
    assert_eq!(sha256(&mut sql, old).await?, None);
    assert!(has(&world, admin.tenant, &name).await);
    queue(&admin, new).await?;
    Ok(())
}

#[tokio::test]
async fn the_worker_sees_how_old_uploads_are_and_nothing_else_of_them() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    upload(&world, &admin, "Mail\nseen@x.test\n").await?;
    let mut tx = world.worker()?.begin().await?;
    let seen: i64 =
        sqlx::query_scalar("SELECT count(tenant_id) FROM records.upload").fetch_one(tx.conn()).await?;
    assert!(seen >= 1);
    let refused = sqlx::query("SELECT sha256 FROM records.upload").execute(tx.conn()).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|e| e.code()).as_deref(), Some("42501"));
    Ok(())
}

#[tokio::test]
async fn what_broken_uploads_left_is_swept_a_day_later() -> Result<()> {
    let world = World::new().await?;
    let dir = std::env::temp_dir().join(format!("globcrm-test-sweep-{}", std::process::id()));
    let blobs = Blobs::in_directory(&dir)?;
    let purge = UploadPurge { blobs: blobs.clone(), ..upload_purge(&world)? };
    let tenant = world.tenant();
    let mut staged = Vec::new();
    for hours in [23, 25] {
        let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"bytes"))]);
        let id = world.clock.new_uuid();
        staged.push(blobs.stage(tenant, id, 100, pieces).await?);
        let file = std::fs::File::options().write(true).open(dir.join(format!("incoming/{tenant}/{id}")))?;
        let now = SystemTime::from(world.clock.now());
        file.set_modified(now - Duration::from_secs(hours * 3_600))?;
    }
    assert_eq!((purge.sweep().await, purge.sweep().await), (1, 0));
    let old = staged.pop().unwrap();
    assert!(old.publish().await.is_err());
    staged.pop().unwrap().publish().await?;
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

/// Makes an operation one that was over `days` ago, with errors.
async fn over(sql: &mut PgConnection, operation: &common::Operation, days: i32, errors: i32) -> Result<Uuid> {
    let id = row_id(&operation.id)?;
    sqlx::query(
        "UPDATE records.operation
         SET state = 'failed', failed = $3, finished_at = now() - make_interval(days => $2) WHERE id = $1",
    )
    .bind(id)
    .bind(days)
    .bind(i64::from(errors))
    .execute(&mut *sql)
    .await?;
    sqlx::query(
        "INSERT INTO records.operation_error (tenant_id, operation_id, line, number, column_name, reason, detail)
         SELECT tenant_id, id, n, 1, 'Mail', 'EMAIL_INVALID', 'x' FROM records.operation, generate_series(1, $2) AS n
         WHERE id = $1",
    )
    .bind(id)
    .bind(errors)
    .execute(sql)
    .await?;
    Ok(id)
}

async fn errors(sql: &mut PgConnection, operation: Uuid) -> Result<i64> {
    let query = sqlx::query_scalar("SELECT count(*) FROM records.operation_error WHERE operation_id = $1");
    Ok(query.bind(operation).fetch_one(sql).await?)
}

async fn get(caller: &Caller, operation: &common::Operation) -> Result<common::Operation, Refusal> {
    let request = pb::GetOperationRequest { id: operation.id.clone() };
    let answer = caller.service.get_operation(caller.request(request, &[])).await?;
    Ok(answer.into_inner().operation.unwrap_or_default())
}

/// How all three ways to an operation answer: the same as one that never was.
async fn is_gone(caller: &Caller, operation: &common::Operation) -> Result<()> {
    assert_eq!(get(caller, operation).await.unwrap_err().is(), (404, "OPERATION_NOT_FOUND"));
    assert_eq!(cancel(caller, operation).await.unwrap_err().is(), (404, "OPERATION_NOT_FOUND"));
    let request = pb::GetOperationErrorsRequest { id: operation.id.clone() };
    let answer = caller.service.get_operation_errors(caller.request(request, &[])).await;
    assert_eq!(answer.map(drop).map_err(Refusal::from).unwrap_err().is(), (404, "OPERATION_NOT_FOUND"));
    Ok(())
}

#[tokio::test]
async fn an_operation_that_was_over_long_ago_goes_with_all_of_its_errors() -> Result<()> {
    let world = World::alone("globcrm_test_retention_operations").await?;
    let (admin, stranger) = (world.admin()?, world.admin()?);
    let mut sql = world.sql().await?;
    let file = upload(&world, &admin, "Mail\nop@x.test\n").await?;
    let (old, young, open) =
        (queue(&admin, file).await?, queue(&admin, file).await?, queue(&admin, file).await?);
    let file = upload(&world, &stranger, "Mail\nop@x.test\n").await?;
    let foreign = queue(&stranger, file).await?;
    // More errors than one transaction removes.
    let old_id = over(&mut sql, &old, 31, 12_000).await?;
    let young_id = over(&mut sql, &young, 29, 3).await?;
    let foreign_id = over(&mut sql, &foreign, 29, 3).await?;
    assert_eq!(get(&admin, &old).await?.errors.len(), 100);
    assert_eq!(operation_purge(&world)?.round().await?, 1);
    is_gone(&admin, &old).await?;
    assert_eq!(errors(&mut sql, old_id).await?, 0);
    assert_eq!((errors(&mut sql, young_id).await?, errors(&mut sql, foreign_id).await?), (3, 3));
    for (caller, operation) in [(&admin, &young), (&admin, &open), (&stranger, &foreign)] {
        get(caller, operation).await?;
    }
    Ok(())
}

/// Nobody takes the errors that are still there for all.
#[tokio::test]
async fn an_operation_whose_removal_broke_off_is_gone_already_and_goes_with_the_rest() -> Result<()> {
    let world = World::alone("globcrm_test_retention_half").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    let file = upload(&world, &admin, "Mail\nhalf@x.test\n").await?;
    let operation = queue(&admin, file).await?;
    let id = over(&mut sql, &operation, 31, 6_000).await?;
    // Between two pieces, the second of which somebody holds up.
    let mut held = world.tx(admin.tenant).await?;
    sqlx::query("SELECT 1 FROM records.operation_error WHERE tenant_id = $1 AND operation_id = $2 AND line = 5500 FOR UPDATE")
        .bind(admin.tenant.uuid())
        .bind(id)
        .execute(held.conn())
        .await?;
    let purge = operation_purge(&world)?;
    let removal = tokio::spawn(async move { purge.round().await });
    until(BOUND, "the first piece is removed", async || {
        errors(&mut sql, id).await.expect("errors are counted") <= 1_000
    })
    .await;
    removal.abort();
    assert!(removal.await.is_err_and(|error| error.is_cancelled()));
    is_gone(&admin, &operation).await?;
    held.rollback().await?;
    assert_eq!(errors(&mut sql, id).await?, 1_000);
    assert_eq!(operation_purge(&world)?.round().await?, 1);
    assert_eq!(errors(&mut sql, id).await?, 0);
    is_gone(&admin, &operation).await
}
