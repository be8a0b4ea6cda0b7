//! `identity.permissions.changed`: raises the fence of this schema, and drops what the gate holds.

use auth::Gate;
use db::TenantTx;
use events::broadcast::Notice;
use events::{Consumer, Delivery, Event, Handler, HandlerError};
use uuid::Uuid;

/// What both ways listen to.
pub(crate) const PATTERNS: &[&str] = &["identity.permissions.changed.v1"];

/// Once for all instances: the fence is in the database.
pub(crate) const FENCE: Consumer = Consumer::new("fields.permissions", PATTERNS);

/// Raises the fence, so that no change commits on older permissions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RaiseFence;

impl Handler for RaiseFence {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        let event = &delivery.event;
        Ok(db::fence::raise(tx, principal(event), event.version).await?)
    }
}

/// For every instance: drops the snapshots that are no longer true. What is missed while the broker is away is bounded by
/// the lease of a snapshot.
pub(crate) fn forget(gate: &Gate, notice: Notice) {
    if let Notice::Event(event) = notice {
        // An API key's owner may have changed: everyone's snapshots of the tenant are cheap to fetch again.
        gate.forget(event.tenant.uuid(), None);
    }
}

/// Whom the change concerns; the event names the tenant where it means everyone.
fn principal(event: &Event) -> Option<Uuid> {
    (event.record_id != event.tenant.uuid()).then_some(event.record_id)
}

#[cfg(test)]
mod tests {
    use ids::TenantId;
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn the_tenants_own_id_stands_for_everyone() {
        let tenant = TenantId::from(Uuid::from_u128(1));
        let event = |record_id| Event {
            id: Uuid::nil(),
            kind: "identity.permissions.changed.v1".to_owned(),
            tenant,
            object: "permissions".to_owned(),
            record_id,
            version: 7,
            actor: Uuid::nil(),
            owner: None,
            team: None,
            changes: Vec::new(),
            values_omitted: false,
            time: OffsetDateTime::UNIX_EPOCH,
            traceparent: None,
        };
        assert_eq!(principal(&event(Uuid::from_u128(2))), Some(Uuid::from_u128(2)));
        assert_eq!(principal(&event(tenant.uuid())), None);
    }
}
