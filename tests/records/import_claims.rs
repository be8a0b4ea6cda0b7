//! Who works an import, for how long, and when it is given up.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use blobs::Blobs;
use config::SecretString;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use prost::bytes::Bytes;
use proto::common::v1 as common;
use query::CursorKey;
use record::reference::Ids;
use records::{Parts, Service};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::imports::{finished, import, upload};
use super::world::{Caller, World, row_id};
use crate::waiting::until;

const COLUMNS: [(&str, &str); 2] = [("Mail", "emails.address"), ("First", "first_name")];
const BOUND: Duration = Duration::from_secs(60);
const FILE: &str = "Mail,First\na@x.test,Ada\nb@x.test,Bob\n";

async fn queue(world: &World, caller: &Caller) -> Result<(String, Uuid)> {
    let request = import(upload(world, caller, FILE).await?, &COLUMNS);
    let id = caller.queue_import(request).await?.id;
    let row = row_id(&id)?;
    Ok((id, row))
}

/// The state, the rows known of, when the claim ends, and its number.
async fn claim(world: &World, id: Uuid) -> Result<(String, i64, OffsetDateTime, i64)> {
    let query =
        sqlx::query_as("SELECT state, total, claim_until, claim_number FROM records.operation WHERE id = $1");
    Ok(query.bind(id).fetch_one(&mut world.sql().await?).await?)
}

/// The world's service with a store that takes its time with every object it opens.
async fn slow(world: &World, caller: &Caller, wait: Duration) -> Result<Service> {
    let config = ThrottleConfig { wait_get_per_call: wait, ..Default::default() };
    let blobs = Blobs::on(Arc::new(ThrottledStore::new(InMemory::new(), config)));
    let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(FILE.as_bytes()))]);
    blobs.put(caller.tenant, world.clock.new_uuid(), 1 << 20, pieces).await?;
    let definitions = world.definitions.clone();
    let token = caller.request((), &[]).metadata().get("authorization").unwrap().to_str()?.to_owned();
    let token = token.trim_start_matches("Bearer ").to_owned();
    Ok(Service::new(Parts {
        gate: world.gates.gate.clone(),
        db: world.db.clone(),
        clock: world.clock.clone(),
        cursor_key: CursorKey::new(&SecretString::from("0123456789abcdef0123456789abcdef"))?,
        region: None,
        definitions: Arc::new(move |_, _, _| {
            let set = definitions.lock().unwrap().clone();
            Box::pin(async move { Ok(set) })
        }),
        slots: super::world::slots(world.definitions.clone()),
        people: Arc::new(|_, _| Box::pin(async { Ok(Ids::new()) })),
        names: Arc::new(|_, _| Box::pin(async { Ok(Vec::new()) })),
        users: Arc::new(|_, _| Box::pin(async { Ok(Vec::new()) })),
        wake: events::Wake::default(),
        worker: world.worker()?,
        blobs,
        quotas: records::Quotas::default(),
        service_token: Arc::new(move |_, _| {
            let token = SecretString::from(token.clone());
            Box::pin(async move { Ok(token) })
        }),
    }))
}

/// A file that takes longer to look through than a claim holds (5 s): the claim is renewed meanwhile, and a second worker,
/// which would be done at once, leaves it alone.
#[tokio::test]
async fn a_claim_is_renewed_while_its_file_is_examined() -> Result<()> {
    let world = World::alone("globcrm_test_import_claims").await?;
    let admin = world.admin()?;
    let (public, id) = queue(&world, &admin).await?;
    let slow = slow(&world, &admin, Duration::from_millis(1_800)).await?;
    let watch = async {
        // The slow one has it before the other begins to look.
        until(BOUND, "the slow one has the import", async || {
            claim(&world, id).await.expect("the claim is read").0 != "queued"
        })
        .await;
        let (mut ends, other) = (Vec::new(), world.service.clone().work_imports(CancellationToken::new()));
        let examined = until(BOUND, "the file is examined", async || {
            let (_, total, until, number) = claim(&world, id).await.expect("the claim is read");
            assert_eq!(number, 1, "the claim was lost");
            if total == 0 && ends.last() != Some(&until) {
                ends.push(until);
            }
            total > 0
        });
        tokio::select! {
            () = other => unreachable!(),
            () = examined => {}
        }
        Ok::<_, anyhow::Error>((ends, finished(&admin, &public).await?))
    };
    let (ends, operation) = tokio::select! {
        () = slow.work_imports(CancellationToken::new()) => unreachable!(),
        seen = tokio::time::timeout(BOUND, watch) => seen??,
    };
    assert!(ends.len() >= 3 && ends.is_sorted(), "{ends:?}");
    assert_eq!(operation.state, i32::from(common::OperationState::Succeeded), "{operation:?}");
    assert_eq!(operation.result.unwrap().created, 2);
    // A turn for the batch, and one in which the end of the file was found, by the same worker.
    assert_eq!(claim(&world, id).await?.3, 2);
    Ok(())
}

#[tokio::test]
async fn an_import_that_was_taken_up_too_often_is_given_up() -> Result<()> {
    let world = World::alone("globcrm_test_import_attempts").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    for (claims, end, failure) in [
        (1_999_i64, common::OperationState::Succeeded, None),
        (2_000, common::OperationState::Failed, Some("TOO_MANY_ATTEMPTS")),
    ] {
        let (public, id) = queue(&world, &admin).await?;
        sqlx::query("UPDATE records.operation SET attempts = $2 WHERE id = $1")
            .bind(id)
            .bind(claims)
            .execute(&mut sql)
            .await?;
        let operation = tokio::select! {
            () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
            operation = finished(&admin, &public) => operation?,
        };
        assert_eq!((operation.state, operation.failure.as_deref()), (end.into(), failure), "{operation:?}");
    }
    Ok(())
}

/// As the removal of an upload that breaks off leaves it: the row is still there, the bytes are not.
#[tokio::test]
async fn an_import_of_bytes_that_are_gone_fails_at_once() -> Result<()> {
    let world = World::alone("globcrm_test_import_gone").await?;
    let admin = world.admin()?;
    let (public, id) = queue(&world, &admin).await?;
    let sha256: String = sqlx::query_scalar("SELECT sha256 FROM records.upload WHERE tenant_id = $1")
        .bind(admin.tenant.uuid())
        .fetch_one(&mut world.sql().await?)
        .await?;
    world.blobs.delete(admin.tenant, &sha256).await?;
    let operation = tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        operation = finished(&admin, &public) => operation?,
    };
    assert_eq!(operation.failure.as_deref(), Some("UPLOAD_GONE"), "{operation:?}");
    assert_eq!(claim(&world, id).await?.3, 1);
    Ok(())
}
