//! `identity.permissions.changed`: what every service with a gate does about it.

use auth::Gate;
use db::{Db, DbError, TenantTx, WorkerDb};
use ids::Clock;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::broadcast::{self, Notice};
use crate::{AmqpConfig, Consumer, Delivery, Event, Handler, HandlerError};

/// What both ways listen to.
const PATTERNS: &[&str] = &["identity.permissions.changed.v1"];

/// Follows the changes of permissions until `shutdown`, in two ways. Once for all instances the fence of the schema is
/// raised, which is in the database; and every instance drops what its own `gate` holds. `name` is that of the consumer,
/// `<service>.permissions`.
pub async fn follow(
    name: &'static str,
    gate: Gate,
    db: Db,
    worker: WorkerDb,
    amqp: AmqpConfig,
    clock: Clock,
    shutdown: CancellationToken,
) {
    let fence =
        Consumer::new(name, PATTERNS).run(db, worker, amqp.clone(), clock, RaiseFence, shutdown.clone());
    let held = broadcast::subscribe(amqp, name, PATTERNS, move |notice| forget(&gate, notice), shutdown);
    tokio::join!(fence, held);
}

/// Raises the fence, so that no change commits on older permissions.
#[derive(Clone, Copy, Debug)]
struct RaiseFence;

impl Handler for RaiseFence {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        let event = &delivery.event;
        if narrows(event) {
            match db::fence::raise(tx, principal(event), event.version).await {
                // A writer goes on: parked at once, for the events of other tenants wait behind this one. Until it is tried
                // again the writer's lease holds it back.
                Err(DbError::Timeout(_)) => return Err(HandlerError::TimedOut),
                raised => raised?,
            }
        }
        Ok(())
    }
}

/// Drops the snapshots that are no longer true. What is missed while the broker is away is bounded by the lease of a
/// snapshot.
fn forget(gate: &Gate, notice: Notice) {
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

#[cfg(test)]
mod tests {
    use ids::TenantId;
    use time::OffsetDateTime;

    use super::*;

    const TENANT: Uuid = Uuid::from_u128(1);

    fn event(record_id: Uuid, narrows: Option<&str>) -> Event {
        let change = |after: &str| crate::Change {
            field: "narrows".to_owned(),
            before: None,
            after: Some(after.to_owned()),
        };
        Event {
            id: Uuid::nil(),
            kind: "identity.permissions.changed.v1".to_owned(),
            tenant: TenantId::from(TENANT),
            object: "permissions".to_owned(),
            record_id,
            version: 7,
            actor: Uuid::nil(),
            actor_kind: None,
            owner: None,
            team: None,
            changes: narrows.map(change).into_iter().collect(),
            values_omitted: false,
            time: OffsetDateTime::UNIX_EPOCH,
            traceparent: None,
        }
    }

    #[test]
    fn the_tenants_own_id_stands_for_everyone() {
        assert_eq!(principal(&event(Uuid::from_u128(2), None)), Some(Uuid::from_u128(2)));
        assert_eq!(principal(&event(TENANT, None)), None);
    }

    #[test]
    fn only_a_change_that_says_that_it_takes_nothing_away_leaves_the_fence() {
        assert!(!narrows(&event(TENANT, Some("false"))));
        assert!(narrows(&event(TENANT, Some("true"))) && narrows(&event(TENANT, None)));
    }
}
