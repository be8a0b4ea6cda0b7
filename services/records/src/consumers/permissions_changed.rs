//! `identity.permissions.changed`: raises the fence of this schema, and drops what the gate holds.

use auth::Gate;
use db::TenantTx;
use events::broadcast::Notice;
use events::{Consumer, Delivery, Event, Handler, HandlerError};
use uuid::Uuid;

/// What both ways listen to.
pub(crate) const PATTERNS: &[&str] = &["identity.permissions.changed.v1"];

/// Once for all instances: the fence is in the database.
pub(crate) const FENCE: Consumer = Consumer::new("records.permissions", PATTERNS);

/// Raises the fence, so that no change commits on older permissions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RaiseFence;

impl Handler for RaiseFence {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        let event = &delivery.event;
        if narrows(event) {
            db::fence::raise(tx, principal(event), event.version).await?;
        }
        Ok(())
    }
}

/// For every instance: drops the snapshots that are no longer true. What is missed while the broker is away is bounded by
/// the lease of a snapshot.
pub(crate) fn forget(gate: &Gate, notice: Notice) {
    if let Notice::Event(event) = notice {
        // An API key shares its owner's fate, and the event names one of them only: the whole tenant is fetched again.
        gate.forget(event.tenant.uuid(), None);
    }
}

/// Whether something was taken away. After a change that only gives, older permissions do no harm, and no write needs to be
/// refused for it. What is not told counts as taken away.
fn narrows(event: &Event) -> bool {
    event.change("narrows").and_then(|change| change.after.as_deref()) != Some("false")
}

/// Whom the change concerns; the event names the tenant where it means everyone in it.
fn principal(event: &Event) -> Option<Uuid> {
    (event.record_id != event.tenant.uuid()).then_some(event.record_id)
}
