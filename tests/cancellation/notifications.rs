//! The RPCs of notifications.

use anyhow::Result;
use proto::notifications::v1 as pb;
use proto::notifications::v1::notifications_service_client::NotificationsServiceClient;
use proto::notifications::v1::notifications_service_server::NotificationsServiceServer;

use super::dropping::{Call, Watch, at_every_point, call, rpcs};
use crate::database::Database;
use crate::notifications::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn notifications_leave_nothing() -> Result<()> {
    let database =
        Database::fresh("globcrm_test_dropped_notifications", &[notifications::MIGRATIONS]).await?;
    let world = World::on(database.clone())?;
    let mut watch = Watch::new(&database, &world.db, "notifications").await?;
    for rpc in rpcs("NotificationsService") {
        at_every_point(&mut watch, &rpc, &[], async || prepare(&world, &rpc).await).await?;
    }
    Ok(())
}

/// A call of `rpc` by somebody new, in a tenant of their own.
async fn prepare(world: &World, rpc: &str) -> Call {
    let who = world.admin().unwrap();
    let mut client = NotificationsServiceClient::new(NotificationsServiceServer::new(who.service.clone()));
    match rpc {
        "ListEventTypes" => call!(client, list_event_types, who.request(pb::ListEventTypesRequest {}, &[])),
        "Sync" => call!(client, sync, who.request(pb::SyncRequest::default(), &[])),
        other => panic!("{other} has no call here"),
    }
}
