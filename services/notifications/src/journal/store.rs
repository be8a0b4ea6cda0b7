//! All SQL of the journal.

use db::{DbError, TenantTx, WorkerDb};
use time::OffsetDateTime;

use super::entry::Entry;

/// How long a writer may hold the head of a tenant without going on. Afterwards the server ends its connection, and the next writer draws the
/// same number. The text of the setting.
pub(crate) const STALL: &str = "10s";

/// Writes an event under the next number of its tenant, which it gives. Until the commit no other transaction draws a number of the tenant.
pub(crate) async fn append(tx: &mut TenantTx, entry: &Entry<'_>) -> Result<i64, DbError> {
    let event = entry.event;
    // The clock is read when the lock is had, and never goes back: a later number is not of an earlier day.
    Ok(sqlx::query_scalar(
        "WITH head AS (
             INSERT INTO notifications.journal_head AS h (tenant_id, last, written_at)
             SELECT $1, 1, clock_timestamp() FROM set_config('idle_in_transaction_session_timeout', $2, true)
             ON CONFLICT (tenant_id) DO UPDATE
                 SET last = h.last + 1, written_at = greatest(h.written_at, clock_timestamp())
             RETURNING h.last, h.written_at)
         INSERT INTO notifications.journal
             (tenant_id, number, written_at, event_id, type, object, record_id, version, actor_kind, actor_id, happened_at,
              fields, owner_id, team_id, owner_before, team_before, before_unknown)
         SELECT $1, head.last, head.written_at, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
         FROM head RETURNING number",
    )
    .bind(tx.tenant_id())
    .bind(STALL)
    .bind(event.id)
    .bind(&event.kind)
    .bind(&event.object)
    .bind(event.record_id)
    .bind(event.version)
    .bind(event.actor_kind.map(auth::PrincipalKind::name))
    .bind(event.actor)
    .bind(event.time)
    .bind(entry.fields.as_slice())
    .bind(event.owner)
    .bind(event.team)
    .bind(entry.owner_before)
    .bind(entry.team_before)
    .bind(entry.before_unknown)
    .fetch_one(tx.conn())
    .await?)
}

/// Where the journal of a tenant ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the newest event; 0 where there is none.
    pub last: i64,
    /// When that was asked, by the database's clock.
    pub asked_at: OffsetDateTime,
}

/// Where the journal of the tenant ends. All numbers up to that are there.
pub async fn head(tx: &mut TenantTx) -> Result<Head, DbError> {
    let (last, asked_at): (i64, OffsetDateTime) = sqlx::query_as(
        "SELECT coalesce((SELECT last FROM notifications.journal_head WHERE tenant_id = $1), 0), clock_timestamp()",
    )
    .bind(tx.tenant_id())
    .fetch_one(tx.conn())
    .await?;
    Ok(Head { last, asked_at })
}

/// Makes the next days and drops the old ones: a cursor of 30 days finds all that came after it. Worker.
pub(super) async fn maintain(db: &WorkerDb) -> Result<i32, DbError> {
    let mut tx = db.begin().await?;
    let changed =
        sqlx::query_scalar("SELECT notifications.journal_maintain('31 days')").fetch_one(tx.conn()).await?;
    tx.commit().await?;
    Ok(changed)
}
