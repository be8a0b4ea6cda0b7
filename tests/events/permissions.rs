//! What a service does when identity changes permissions.

use anyhow::Result;
use auth::{Call, PrincipalKind, VerifiedTenant};
use config::SecretString;
use db::TenantTx;
use events::{Change, NewEvent, permissions};
use proto::identity::v1::PermissionSnapshot;
use tonic::metadata::MetadataMap;

use super::consuming::delete_queues;
use super::world::{Running, World, until};
use crate::world::TestGate;

const NAME: &str = "events_it.permissions";

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowing_raises_the_fence_and_every_change_drops_the_snapshot_held() -> Result<()> {
    let world = World::new("globcrm_events_permissions").await?;
    let TestGate { gate, signer, snapshots, asked } = TestGate::new(&world.clock)?;
    let user = world.clock.new_uuid();
    snapshots.lock().unwrap().insert(user, PermissionSnapshot { version: 5, ..Default::default() });
    let token = signer.sign(world.tenant.id(), PrincipalKind::User, user, None, None)?;
    let open = async || {
        let call = Call::read(&MetadataMap::new())?;
        anyhow::Ok(gate.open(call, SecretString::from(token.as_str())).await?)
    };
    let mut running = Running::new();
    world.relay(&mut running);
    running.spawn(permissions::follow(
        NAME,
        gate.clone(),
        world.db.clone(),
        world.worker.clone(),
        world.amqp.clone(),
        world.clock.clone(),
        running.shutdown.clone(),
    ));
    let changed = |version, narrows: &str| NewEvent {
        service: "identity",
        object: "permissions",
        verb: "changed",
        changes: vec![Change { field: "narrows".to_owned(), before: None, after: Some(narrows.to_owned()) }],
        ..world.event(user, version)
    };
    open().await?;
    // A queue misses what was published before it was bound, so the changes come until one has arrived.
    let mut version = 10;
    until("the held snapshot is dropped", async || {
        version += 1;
        world.write(vec![changed(version, "false")]).await?;
        open().await?;
        // After the first time one is asked for as if none were held only if it was dropped: one whose lease has ended is
        // asked for by its version.
        Ok(asked.lock().unwrap().iter().filter(|held| **held == 0).count() > 1)
    })
    .await?;
    const FENCES: &str = "SELECT COALESCE(max(min_version), 0) FROM events_it.authz_fence";
    assert_eq!(world.number(FENCES).await?, 0, "nothing was taken away");
    until("the fence is raised", async || {
        version += 1;
        world.write(vec![changed(version, "true")]).await?;
        Ok(world.number(FENCES).await? > 10)
    })
    .await?;
    let mut admin = world.sql().await?;
    let (tenant, principal) = sqlx::query_as("SELECT tenant_id, principal_id FROM events_it.authz_fence")
        .fetch_one(&mut admin)
        .await?;
    assert_eq!((tenant, principal), (world.tenant.id().uuid(), user));
    running.stop().await?;
    delete_queues(&world, NAME).await
}

/// An import of one tenant holds up its own fence only (M3 of the review by attack).
#[tokio::test(flavor = "multi_thread")]
async fn a_fence_that_must_wait_holds_up_no_other_tenants() -> Result<()> {
    const WAITS: &str = "events_it.fence_waits";
    let world = World::new("globcrm_events_fence_waits").await?;
    let gate = TestGate::new(&world.clock)?.gate;
    let mut running = Running::new();
    world.relay(&mut running);
    running.spawn(permissions::follow(
        WAITS,
        gate,
        world.db.clone(),
        world.worker.clone(),
        world.amqp.clone(),
        world.clock.clone(),
        running.shutdown.clone(),
    ));
    let narrowed = |user, version| NewEvent {
        service: "identity",
        object: "permissions",
        verb: "changed",
        ..world.event(user, version)
    };
    let [probe, writer, other] = [(); 3].map(|()| world.clock.new_uuid());
    let raised = async |user| {
        let fence = sqlx::query_scalar::<_, i64>(
            "SELECT COALESCE(max(min_version), 0) FROM events_it.authz_fence WHERE principal_id = $1",
        );
        anyhow::Ok(fence.bind(user).fetch_one(&mut world.sql().await?).await?)
    };
    let mut version = 10;
    until("the consumer hears", async || {
        version += 1;
        world.write(vec![narrowed(probe, version)]).await?;
        Ok(raised(probe).await? > 0)
    })
    .await?;
    // A long write: it has been admitted, and goes on.
    let mut import = world.begin().await?;
    sqlx::query("SELECT authz_fence_hold($1, $2)")
        .bind(import.tenant_id())
        .bind([writer].as_slice())
        .execute(import.conn())
        .await?;
    world.write(vec![narrowed(writer, 100)]).await?;
    let mut elsewhere =
        TenantTx::begin(&world.db, VerifiedTenant::from_claim(world.clock.new_uuid().into())).await?;
    events::outbox::append(&mut elsewhere, &narrowed(other, 101)).await?;
    elsewhere.commit().await?;
    until("the other tenant's fence is raised", async || Ok(raised(other).await? == 101)).await?;
    assert_eq!(raised(writer).await?, 0, "the import goes on");
    import.commit().await?;
    until("the fence that waited is raised", async || Ok(raised(writer).await? == 100)).await?;
    running.stop().await?;
    delete_queues(&world, WAITS).await
}
