//! Events that were given up: look at them, run them again, or discard them. Later events of the same record wait until one
//! of the two happens. Callers check the permission and write the audit row, in the same transaction.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

mod store;

/// A dead event, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadEvent {
    /// Who could not apply it.
    pub consumer: String,
    /// The event.
    pub event_id: Uuid,
    /// Its record.
    pub record_id: Option<Uuid>,
    /// `records.contact.created.v1`.
    pub kind: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it failed last. For operators: it may name internals.
    pub last_error: String,
    /// When it was given up.
    pub died_at: OffsetDateTime,
}

/// Dead events at most in one answer.
pub const PAGE: i64 = 200;

/// The tenant's dead events by id, above `after`, at most `limit` (and [`PAGE`]).
pub async fn list(tx: &mut TenantTx, after: Option<Uuid>, limit: i64) -> Result<Vec<DeadEvent>, DbError> {
    store::list(tx, after.unwrap_or(Uuid::nil()), limit.clamp(1, PAGE)).await
}

/// Puts a dead event back to be tried at once, in its old place before those that wait behind it. `false`: no such event.
pub async fn replay(
    tx: &mut TenantTx,
    consumer: &str,
    event_id: Uuid,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    store::replay(tx, consumer, event_id, now).await
}

/// Drops a dead event for good; those behind it flow. `false`: no such event.
pub async fn discard(tx: &mut TenantTx, consumer: &str, event_id: Uuid) -> Result<bool, DbError> {
    store::discard(tx, consumer, event_id).await
}
