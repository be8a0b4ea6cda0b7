//! Stores the states that events of other services tell of.

use std::sync::Arc;

use db::TenantTx;
use events::{Delivery, Event, Handler, HandlerError};
use ids::Clock;
use tokio::sync::Notify;

use super::store::{self, Change};
use super::{SETTLED, State};
use crate::Object;
use crate::follow::{Named, is_named};

/// Stores the newest state of each record, and wakes the job.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The objects of other services that records here may name.
    pub peers: &'static [&'static str],
    /// The objects here whose records name them.
    pub objects: &'static [&'static Object],
    /// When an event was heard.
    pub clock: Clock,
    /// Wakes the [`super::Reconciler`].
    pub heard: Arc<Notify>,
}

impl Handler for Listener {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        let event = &delivery.event;
        let Some(state) = self.tells(event) else { return Ok(()) };
        let now = self.clock.now_micros();
        let change = Change {
            object: &event.object,
            record_id: event.record_id,
            version: event.version,
            state,
            actor: event.actor,
            heard_at: now,
            // Nothing needs to be done for a live record that nothing names: whoever names it from now on sees it live.
            next_at: (state != State::Live).then_some(now + SETTLED),
        };
        if !store::note(tx, &change).await? {
            return Ok(());
        }
        // Only now: the row is locked, so no pass for an older state commits after this look.
        let ids = [event.record_id];
        let named = Named { object: &event.object, ids: &ids, state };
        if is_named(tx, self.objects, named).await? {
            store::expedite(tx, &change).await?;
        }
        Ok(())
    }

    fn committed(&self, delivery: &Delivery) {
        // For a record that nothing names, too: the job's look then finds nothing that is due.
        if self.tells(&delivery.event).is_some() {
            self.heard.notify_one();
        }
    }
}

impl Listener {
    /// The state that an event tells of a record that may be named here.
    fn tells(&self, event: &Event) -> Option<State> {
        State::after(event.verb()).filter(|_| self.peers.contains(&event.object.as_str()))
    }
}
