//! Hears what services say of their records.

use db::TenantTx;
use events::{Delivery, Handler, HandlerError};

use super::fact::Fact;
use super::take;

/// The task.
pub(crate) const TASK: &str = "activities.timeline";

/// The events. Of activities and notes in the trash nothing is shown, so what brings them there and back changes no timeline.
pub(crate) const PATTERNS: &[&str] = &[
    "records.*.created.v1",
    "records.*.updated.v1",
    "records.*.deleted.v1",
    "records.*.restored.v1",
    "records.*.purged.v1",
    "pipeline.deal.created.v1",
    "pipeline.deal.updated.v1",
    "pipeline.deal.deleted.v1",
    "pipeline.deal.restored.v1",
    "pipeline.deal.purged.v1",
    "pipeline.deal.stage_changed.v1",
    "activities.*.created.v1",
    "activities.*.updated.v1",
    "activities.*.purged.v1",
];

/// Follows records into timelines.
#[derive(Clone, Copy, Debug)]
pub struct Listener;

impl Handler for Listener {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        match Fact::of(&delivery.event) {
            Some(fact) => Ok(take::first(tx, fact).await?),
            None => Ok(()),
        }
    }
}
