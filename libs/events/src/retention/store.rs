//! All SQL of what goes by age. As the worker role, whose policies know the ages, too.

use db::{DbError, WorkerDb, WorkerTx};

/// What was deleted.
#[derive(Debug)]
pub(super) struct Gone {
    /// Dead events by consumer.
    pub(super) dead: Vec<(String, u64)>,
    /// Parked events by consumer.
    pub(super) parked: Vec<(String, u64)>,
    /// Kept answers.
    pub(super) answers: u64,
}

const DEAD: &str = "WITH gone AS (
         DELETE FROM dead_event WHERE (tenant_id, consumer, event_id) IN (
             SELECT tenant_id, consumer, event_id FROM dead_event
             WHERE died_at < clock_timestamp() - interval '30 days' LIMIT $1)
         RETURNING consumer)
     SELECT consumer, count(*) FROM gone GROUP BY consumer";

const PARKED: &str = "WITH gone AS (
         DELETE FROM inbox_retry WHERE (tenant_id, consumer, event_id) IN (
             SELECT tenant_id, consumer, event_id FROM inbox_retry
             WHERE parked_at < clock_timestamp() - interval '45 days' LIMIT $1)
         RETURNING consumer)
     SELECT consumer, count(*) FROM gone GROUP BY consumer";

const ANSWERS: &str = "DELETE FROM idempotency WHERE (tenant_id, principal_id, rpc, key) IN (
         SELECT tenant_id, principal_id, rpc, key FROM idempotency
         WHERE created_at < clock_timestamp() - interval '24 hours' LIMIT $1)";

pub(super) async fn delete(db: &WorkerDb, most: i64) -> Result<Gone, DbError> {
    let mut tx = db.begin().await?;
    let dead = by_consumer(&mut tx, DEAD, most).await?;
    let parked = by_consumer(&mut tx, PARKED, most).await?;
    let answers = sqlx::query(ANSWERS).bind(most).execute(tx.conn()).await?.rows_affected();
    tx.commit().await?;
    Ok(Gone { dead, parked, answers })
}

async fn by_consumer(tx: &mut WorkerTx, sql: &'static str, most: i64) -> Result<Vec<(String, u64)>, DbError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(sql).bind(most).fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|(consumer, events)| (consumer, events.unsigned_abs())).collect())
}
