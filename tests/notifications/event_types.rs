//! The catalogue of event types, as a caller gets it.

use anyhow::Result;
use proto::identity::v1::Scope;
use proto::notifications::v1::ListEventTypesRequest;
use proto::notifications::v1::notifications_service_server::NotificationsService;

use super::world::World;
use crate::world::{May, NOTHING, done};

#[tokio::test]
async fn whoever_may_read_something_gets_all_types_and_nobody_else_any() -> Result<()> {
    let world = World::new().await?;
    let reader = May { actions: &[("note", "read", Scope::Own)], fields: &[] };
    let list = async |may: &May<'_>| {
        let who = world.caller(world.tenant(), may)?;
        Ok::<_, anyhow::Error>(done(
            who.service.list_event_types(who.request(ListEventTypesRequest {}, &[])).await,
        ))
    };
    let listed = list(&reader).await??.event_types;
    assert_eq!(listed.len(), proto::event_types()?.len());
    assert!(listed.iter().any(|of| of.r#type == "pipeline.deal.stage_changed.v1" && of.object == "deal"));
    let refusal = list(&NOTHING).await?.unwrap_err();
    assert_eq!(refusal.is(), (403, "PERMISSION_DENIED"));
    Ok(())
}
