//! All SQL of the consumer side. As the app role inside the tenant's transaction, except where it says worker.

use db::{DbError, TenantTx, WorkerDb};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Event;

/// Where an event stands when it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Now in the inbox: apply it.
    Fresh,
    /// Applied, or given up, before.
    Known,
    /// An earlier event of its record is parked or dead.
    Behind,
}

/// A parked event.
#[derive(Clone, Debug)]
pub(super) struct Parked {
    pub(super) event_id: Uuid,
    pub(super) kind: String,
    pub(super) envelope: Vec<u8>,
    pub(super) attempts: i32,
    /// When its first attempt failed, if one did.
    pub(super) failed_at: Option<OffsetDateTime>,
}

impl<'r> FromRow<'r, PgRow> for Parked {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            event_id: row.try_get("event_id")?,
            kind: row.try_get("type")?,
            envelope: row.try_get("envelope")?,
            attempts: row.try_get("attempts")?,
            failed_at: row.try_get("failed_at")?,
        })
    }
}

/// The nil UUID: events whose tenant could not be read belong to the operator.
const NO_TENANT: Uuid = Uuid::nil();

/// Writes the inbox row unless the event is known or must wait. One statement, so that the usual case is one round trip; a
/// second delivery at the same time waits in the conflict until the first has ended.
pub(super) async fn enter(tx: &mut TenantTx, consumer: &str, event: &Event) -> Result<Entry, DbError> {
    let (known, behind, fresh): (bool, bool, bool) = sqlx::query_as(
        "WITH state AS MATERIALIZED (
             SELECT EXISTS (SELECT FROM inbox WHERE tenant_id = $1 AND consumer = $2 AND event_id = $3) AS known,
                    EXISTS (SELECT FROM inbox_retry WHERE tenant_id = $1 AND consumer = $2 AND record_id = $4)
                    OR EXISTS (SELECT FROM dead_event WHERE tenant_id = $1 AND consumer = $2 AND record_id = $4) AS behind),
         fresh AS (
             INSERT INTO inbox (tenant_id, consumer, event_id)
             SELECT $1, $2, $3 FROM state WHERE NOT known AND NOT behind
             ON CONFLICT DO NOTHING RETURNING event_id)
         SELECT known, behind, EXISTS (SELECT FROM fresh) FROM state",
    )
    .bind(tx.tenant_id())
    .bind(consumer)
    .bind(event.id)
    .bind(event.record_id)
    .fetch_one(tx.conn())
    .await?;
    Ok(match (known, behind, fresh) {
        (false, true, _) => Entry::Behind,
        (false, false, true) => Entry::Fresh,
        _ => Entry::Known,
    })
}

/// Fails when the transaction is aborted. PostgreSQL answers the COMMIT of such a one with a roll-back and no error: a handler
/// that hid a failed statement would lose its event.
pub(super) async fn unharmed(tx: &mut TenantTx) -> Result<(), DbError> {
    sqlx::query("SELECT 1").execute(tx.conn()).await?;
    Ok(())
}

/// Parks an event; one that is parked already stays as it is. Without an attempt it only waits.
#[allow(clippy::too_many_arguments, reason = "a row's columns")]
pub(super) async fn park(
    tx: &mut TenantTx,
    consumer: &str,
    event: &Event,
    envelope: &[u8],
    attempts: i32,
    why: &str,
    now: OffsetDateTime,
    next_at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO inbox_retry (tenant_id, consumer, event_id, record_id, type, envelope, attempts, parked_at, next_at,
                                  last_error, failed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, left($10, 500), CASE WHEN $7 > 0 THEN $8 END)
         ON CONFLICT (tenant_id, consumer, event_id) DO NOTHING",
    )
    .bind(tx.tenant_id())
    .bind(consumer)
    .bind(event.id)
    .bind(event.record_id)
    .bind(&event.kind)
    .bind(envelope)
    .bind(attempts)
    .bind(now)
    .bind(next_at)
    .bind(why)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gives up an event that was never parked. Its inbox row keeps a redelivery from starting it again.
pub(super) async fn bury(
    tx: &mut TenantTx,
    consumer: &str,
    event: &Event,
    envelope: &[u8],
    attempts: u32,
    why: &str,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO dead_event (tenant_id, consumer, event_id, record_id, type, envelope, attempts, last_error, died_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, left($8, 500), $9) ON CONFLICT (tenant_id, consumer, event_id) DO NOTHING",
    )
    .bind(tx.tenant_id())
    .bind(consumer)
    .bind(event.id)
    .bind(event.record_id)
    .bind(&event.kind)
    .bind(envelope)
    .bind(i32::try_from(attempts).unwrap_or(i32::MAX))
    .bind(why)
    .bind(now)
    .execute(tx.conn())
    .await?;
    apply(tx, consumer, event.id).await?;
    Ok(())
}

/// Keeps bytes that are no event. Worker.
pub(super) async fn bury_unreadable(
    db: &WorkerDb,
    consumer: &str,
    id: Uuid,
    bytes: &[u8],
    why: &str,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    sqlx::query(
        "INSERT INTO dead_event (tenant_id, consumer, event_id, record_id, type, envelope, attempts, last_error, died_at)
         VALUES ($1, $2, $3, NULL, 'unreadable', $4, 1, left($5, 500), $6)
         ON CONFLICT (tenant_id, consumer, event_id) DO NOTHING",
    )
    .bind(NO_TENANT)
    .bind(consumer)
    .bind(id)
    .bind(bytes)
    .bind(why)
    .bind(now)
    .execute(tx.conn())
    .await?;
    tx.commit().await
}

/// Due events that are the first of their record, with their tenants: the first of each tenant, then the second of each, …
/// beginning behind the tenant `after`, at most `each` of a tenant and `limit` in all. Worker.
pub(super) async fn due(
    db: &WorkerDb,
    consumer: &str,
    now: OffsetDateTime,
    after: Uuid,
    each: i64,
    limit: i64,
) -> Result<Vec<(Uuid, Uuid)>, DbError> {
    let mut tx = db.begin().await?;
    let due = sqlx::query_as(
        "WITH RECURSIVE turn (tenant_id) AS (
             (SELECT tenant_id FROM inbox_retry WHERE consumer = $1 AND tenant_id > $3 ORDER BY tenant_id LIMIT 1)
             UNION ALL
             SELECT (SELECT n.tenant_id FROM inbox_retry AS n WHERE n.consumer = $1 AND n.tenant_id > t.tenant_id
                     ORDER BY n.tenant_id LIMIT 1)
             FROM turn AS t WHERE t.tenant_id IS NOT NULL)
         SELECT d.tenant_id, d.event_id
         FROM turn AS t CROSS JOIN LATERAL (
             SELECT r.tenant_id, r.event_id, row_number() OVER (ORDER BY r.next_at, r.position) AS place
             FROM inbox_retry AS r
             WHERE r.tenant_id = t.tenant_id AND r.consumer = $1 AND r.next_at <= $2
               AND NOT EXISTS (SELECT FROM inbox_retry AS e WHERE e.tenant_id = r.tenant_id AND e.consumer = r.consumer
                                 AND e.record_id = r.record_id AND e.position < r.position)
               AND NOT EXISTS (SELECT FROM dead_event AS d WHERE d.tenant_id = r.tenant_id AND d.consumer = r.consumer
                                 AND d.record_id = r.record_id)
             ORDER BY r.next_at, r.position LIMIT $4) AS d
         ORDER BY d.place, d.tenant_id LIMIT $5",
    )
    .bind(consumer)
    .bind(now)
    .bind(after)
    .bind(each)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(due)
}

/// Locks a parked event; `None` when it is gone, not due any more or locked by another instance.
pub(super) async fn claim(
    tx: &mut TenantTx,
    consumer: &str,
    event_id: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Parked>, DbError> {
    Ok(sqlx::query_as(
        "SELECT event_id, type, envelope, attempts,
                CASE WHEN attempts > 0 THEN coalesce(failed_at, parked_at) END AS failed_at
         FROM inbox_retry
         WHERE tenant_id = $1 AND consumer = $2 AND event_id = $3 AND next_at <= $4 FOR UPDATE SKIP LOCKED",
    )
    .bind(tx.tenant_id())
    .bind(consumer)
    .bind(event_id)
    .bind(now)
    .fetch_optional(tx.conn())
    .await?)
}

/// Writes the inbox row of an event that leaves the parking; `false` when it was there.
pub(super) async fn apply(tx: &mut TenantTx, consumer: &str, event_id: Uuid) -> Result<bool, DbError> {
    let done = sqlx::query(
        "INSERT INTO inbox (tenant_id, consumer, event_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant_id())
    .bind(consumer)
    .bind(event_id)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes an event from the parking.
pub(super) async fn unpark(tx: &mut TenantTx, consumer: &str, event_id: Uuid) -> Result<(), DbError> {
    sqlx::query("DELETE FROM inbox_retry WHERE tenant_id = $1 AND consumer = $2 AND event_id = $3")
        .bind(tx.tenant_id())
        .bind(consumer)
        .bind(event_id)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Sets the next attempt, unless another instance has made one meanwhile.
pub(super) async fn postpone(
    tx: &mut TenantTx,
    consumer: &str,
    parked: &Parked,
    attempts: i32,
    why: &str,
    failed_at: OffsetDateTime,
    next_at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE inbox_retry SET attempts = $4, last_error = left($5, 500), next_at = $6, failed_at = $8
         WHERE tenant_id = $1 AND consumer = $2 AND event_id = $3 AND attempts = $7",
    )
    .bind(tx.tenant_id())
    .bind(consumer)
    .bind(parked.event_id)
    .bind(attempts)
    .bind(why)
    .bind(next_at)
    .bind(parked.attempts)
    .bind(failed_at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gives up a parked event, which keeps its place; `false`, and nothing done, when another instance has made an attempt
/// meanwhile.
pub(super) async fn bury_parked(
    tx: &mut TenantTx,
    consumer: &str,
    parked: &Parked,
    attempts: i32,
    why: &str,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "WITH gone AS (
             DELETE FROM inbox_retry WHERE tenant_id = $1 AND consumer = $2 AND event_id = $3 AND attempts = $7
             RETURNING record_id, position, type, envelope),
         known AS (
             INSERT INTO inbox (tenant_id, consumer, event_id) SELECT $1, $2, $3 FROM gone ON CONFLICT DO NOTHING)
         INSERT INTO dead_event (tenant_id, consumer, event_id, record_id, position, type, envelope, attempts, last_error,
                                 died_at)
         SELECT $1, $2, $3, record_id, position, type, envelope, $4, left($5, 500), $6 FROM gone
         ON CONFLICT (tenant_id, consumer, event_id) DO NOTHING",
    )
    .bind(tx.tenant_id())
    .bind(consumer)
    .bind(parked.event_id)
    .bind(attempts)
    .bind(why)
    .bind(now)
    .bind(parked.attempts)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Makes partitions ahead and drops old ones. Worker.
pub(super) async fn maintain(db: &WorkerDb) -> Result<i32, DbError> {
    let mut tx = db.begin().await?;
    let changed = sqlx::query_scalar("SELECT inbox_maintain('31 days')").fetch_one(tx.conn()).await?;
    tx.commit().await?;
    Ok(changed)
}
