//! What a service does when identity changes permissions.

use anyhow::Result;
use auth::{Call, PrincipalKind};
use config::SecretString;
use events::{Change, NewEvent, permissions};
use proto::identity::v1::PermissionSnapshot;
use tonic::metadata::MetadataMap;

use super::consuming::delete_queues;
use super::world::{Running, World, until};
use crate::gate::TestGate;

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
    let mut admin = world.admin().await?;
    let (tenant, principal) = sqlx::query_as("SELECT tenant_id, principal_id FROM events_it.authz_fence")
        .fetch_one(&mut admin)
        .await?;
    assert_eq!((tenant, principal), (world.tenant.id().uuid(), user));
    running.stop().await?;
    delete_queues(&world, NAME).await
}
