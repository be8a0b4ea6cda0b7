//! Hears every event of every service.

use std::sync::Arc;

use db::TenantTx;
use events::{Consumer, Delivery, Handler, HandlerError};

use super::entry::Entry;
use super::store;
use crate::waiting::Waiting;

/// The task, the queues and the inbox rows: never rename it. All events, also those of services to come. The tenants of four queues are written
/// at once; those of one wait for each other's commits, whatever the queues.
pub const CONSUMER: Consumer = Consumer { queues: 4, ..Consumer::new("notifications.journal", &["#"]) };

/// Writes events into the journal.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    /// Who waits for something to come.
    pub waiting: Arc<Waiting>,
}

impl Handler for Listener {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        // The last statement before the commit: the tenant's other writers wait for no more than that.
        store::append(tx, &Entry::of(&delivery.event)).await?;
        Ok(())
    }

    fn committed(&self, delivery: &Delivery) {
        self.waiting.moved(delivery.event.tenant);
    }
}
