//! All SQL of dead events.

use db::{DbError, TenantTx};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use super::DeadEvent;

impl<'r> FromRow<'r, PgRow> for DeadEvent {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            consumer: row.try_get("consumer")?,
            event_id: row.try_get("event_id")?,
            record_id: row.try_get("record_id")?,
            kind: row.try_get("type")?,
            attempts: row.try_get("attempts")?,
            last_error: row.try_get("last_error")?,
            died_at: row.try_get("died_at")?,
        })
    }
}

pub(super) async fn list(tx: &mut TenantTx, after: Uuid, limit: i64) -> Result<Vec<DeadEvent>, DbError> {
    Ok(sqlx::query_as(
        "SELECT consumer, event_id, record_id, type, attempts, last_error, died_at FROM dead_event
         WHERE tenant_id = $1 AND event_id > $2 ORDER BY event_id, consumer LIMIT $3",
    )
    .bind(tx.tenant_id())
    .bind(after)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?)
}

/// The inbox row goes, so that the next attempt can apply the event; the place stays.
pub(super) async fn replay(
    tx: &mut TenantTx,
    consumer: &str,
    event_id: Uuid,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "WITH gone AS (
             DELETE FROM dead_event WHERE tenant_id = $1 AND consumer = $2 AND event_id = $3 AND record_id IS NOT NULL
             RETURNING record_id, position, type, envelope, last_error),
         open AS (
             DELETE FROM inbox USING gone WHERE tenant_id = $1 AND consumer = $2 AND event_id = $3)
         INSERT INTO inbox_retry (tenant_id, consumer, event_id, record_id, position, type, envelope, attempts, parked_at,
                                  next_at, last_error)
         SELECT $1, $2, $3, record_id, position, type, envelope, 0, $4, $4, last_error FROM gone",
    )
    .bind(tx.tenant_id())
    .bind(consumer)
    .bind(event_id)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn discard(tx: &mut TenantTx, consumer: &str, event_id: Uuid) -> Result<bool, DbError> {
    let done = sqlx::query("DELETE FROM dead_event WHERE tenant_id = $1 AND consumer = $2 AND event_id = $3")
        .bind(tx.tenant_id())
        .bind(consumer)
        .bind(event_id)
        .execute(tx.conn())
        .await?;
    Ok(done.rows_affected() == 1)
}
