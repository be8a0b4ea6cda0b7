//! Hears what services say of their records.

use db::TenantTx;
use events::{Delivery, Handler, HandlerError};
use ids::Clock;

use super::fact::Fact;
use super::{purge, take};

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
    "activities.timeline.purge_continued.v1",
];

/// Follows records into timelines.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Dates the events with which a long purge goes on.
    pub clock: Clock,
}

impl Handler for Listener {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        let event = &delivery.event;
        if (event.object.as_str(), event.verb()) == purge::NEXT_STEP {
            return Ok(purge::go_on(tx, &self.clock, (event.record_id, event.id)).await?);
        }
        match Fact::of(event) {
            Some(fact) if fact.is_purge() => Ok(purge::begin(tx, &self.clock, &fact).await?),
            Some(fact) => Ok(take::first(tx, &fact).await?),
            None => Ok(()),
        }
    }
}
