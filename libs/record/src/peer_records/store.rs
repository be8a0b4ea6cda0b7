//! SQL of the table `peer_record`. Two statements look across tenants: which have due work, and what is forgotten.

use std::time::Duration;

use db::{DbError, TenantTx, WorkerTx};
use time::OffsetDateTime;
use uuid::Uuid;

use super::State;

/// A state that was heard of.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) object: &'a str,
    pub(super) record_id: Uuid,
    pub(super) version: i64,
    pub(super) state: State,
    pub(super) actor: Uuid,
    pub(super) heard_at: OffsetDateTime,
    /// When the only pass is due, unless something names the record.
    pub(super) next_at: Option<OffsetDateTime>,
}

/// Records of one object that have come to the same state, and are processed together. Their rows are locked.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) object: String,
    pub(super) ids: Vec<Uuid>,
    pub(super) state: State,
    pub(super) actor: Uuid,
    /// No further pass follows.
    pub(super) is_last: bool,
    pub(super) progress: Progress,
}

/// The progress of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// The object, by its number in the service.
    pub(super) holder: i32,
    /// The last record of it.
    pub(super) after: Uuid,
}

/// A page of tenants.
#[derive(Debug)]
pub(super) struct Tenants {
    /// Those with due work, in the order of their ids.
    pub(super) due: Vec<Uuid>,
    /// Where the next page begins, if there may be one.
    pub(super) more: Option<Uuid>,
}

/// Stores a state unless the same or a newer one is known; says whether it was stored. The row is then locked.
pub(super) async fn note(tx: &mut TenantTx, change: &Change<'_>) -> Result<bool, DbError> {
    let query = sqlx::query(
        "INSERT INTO peer_record (tenant_id, object, record_id, version, state, actor, heard_at, next_at, is_last)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, true)
         ON CONFLICT (tenant_id, object, record_id) DO UPDATE SET version = EXCLUDED.version, state = EXCLUDED.state,
             actor = EXCLUDED.actor, heard_at = EXCLUDED.heard_at, named = EXCLUDED.named, next_at = EXCLUDED.next_at,
             is_last = EXCLUDED.is_last, failures = EXCLUDED.failures, holder = EXCLUDED.holder,
             after_id = EXCLUDED.after_id
         WHERE peer_record.version < EXCLUDED.version",
    );
    let query = query.bind(tx.tenant_id()).bind(change.object).bind(change.record_id).bind(change.version);
    let query = query.bind(change.state.name()).bind(change.actor).bind(change.heard_at).bind(change.next_at);
    Ok(query.execute(tx.conn()).await?.rows_affected() > 0)
}

/// Makes a pass due at once, because something names the record. One for a live record is the last: no write in flight names it
/// as anything else.
pub(super) async fn expedite(tx: &mut TenantTx, change: &Change<'_>) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE peer_record SET named = true, next_at = heard_at, is_last = $4
         WHERE tenant_id = $1 AND object = $2 AND record_id = $3",
    );
    let query = query.bind(tx.tenant_id()).bind(change.object).bind(change.record_id);
    query.bind(change.state == State::Live).execute(tx.conn()).await?;
    Ok(())
}

/// The next page of tenants behind one, by one probe of the index for each of them, however many rows each has. A state that only
/// a later version knows is left to that version.
pub(super) async fn tenants(
    tx: &mut WorkerTx,
    now: OffsetDateTime,
    after: Uuid,
    limit: i32,
) -> Result<Tenants, DbError> {
    let query = sqlx::query_as(
        "WITH RECURSIVE turn (tenant_id, place) AS (
             (SELECT tenant_id, 1 FROM peer_record WHERE next_at IS NOT NULL AND tenant_id > $2
              ORDER BY tenant_id LIMIT 1)
             UNION ALL
             SELECT (SELECT n.tenant_id FROM peer_record AS n WHERE n.next_at IS NOT NULL AND n.tenant_id > t.tenant_id
                     ORDER BY n.tenant_id LIMIT 1), t.place + 1
             FROM turn AS t WHERE t.tenant_id IS NOT NULL AND t.place < $3)
         SELECT t.tenant_id, d.tenant_id IS NOT NULL FROM turn AS t LEFT JOIN LATERAL (
             SELECT p.tenant_id FROM peer_record AS p
             WHERE p.tenant_id = t.tenant_id AND p.next_at <= $1 AND p.state = ANY($4)
             ORDER BY p.next_at LIMIT 1) AS d ON true
         WHERE t.tenant_id IS NOT NULL ORDER BY t.tenant_id",
    );
    let query = query.bind(now).bind(after).bind(limit).bind(State::ALL.map(State::name));
    let rows: Vec<(Uuid, bool)> = query.fetch_all(tx.conn()).await?;
    let is_full = i32::try_from(rows.len()).is_ok_and(|rows| rows >= limit);
    let more = rows.last().map(|(tenant, _)| *tenant).filter(|_| is_full);
    let due = rows.into_iter().filter(|(_, is_due)| *is_due).map(|(tenant, _)| tenant).collect();
    Ok(Tenants { due, more })
}

/// Locks the row that has been due for longest, and those of the next `limit` that can be processed with it. Rows that another
/// instance has in hand are left to it; a row that failed before is a batch of its own.
pub(super) async fn claim(
    tx: &mut TenantTx,
    now: OffsetDateTime,
    limit: i64,
) -> Result<Option<Batch>, DbError> {
    let query = sqlx::query_as(
        "WITH due AS MATERIALIZED (
             SELECT * FROM peer_record WHERE tenant_id = $1 AND next_at <= $2 AND state = ANY($3)
             ORDER BY next_at, record_id LIMIT $4),
         first AS (SELECT * FROM due ORDER BY next_at, record_id LIMIT 1)
         SELECT p.object, p.record_id, p.state, p.actor, p.is_last, p.holder, p.after_id
         FROM first AS f
         JOIN due AS d ON (d.object, d.state, d.actor, d.is_last, d.holder, d.after_id)
                        = (f.object, f.state, f.actor, f.is_last, f.holder, f.after_id)
                      AND (d.record_id = f.record_id OR d.failures = 0 AND f.failures = 0)
         JOIN peer_record AS p ON p.tenant_id = $1 AND p.object = d.object AND p.record_id = d.record_id
                              AND p.version = d.version AND p.next_at = d.next_at AND p.is_last = d.is_last
                              AND p.holder = d.holder AND p.after_id = d.after_id
         FOR UPDATE OF p SKIP LOCKED",
    );
    let query = query.bind(tx.tenant_id()).bind(now).bind(State::ALL.map(State::name)).bind(limit);
    let rows: Vec<(String, Uuid, String, Uuid, bool, i32, Uuid)> = query.fetch_all(tx.conn()).await?;
    let ids = rows.iter().map(|row| row.1).collect();
    let Some((object, _, state, actor, is_last, holder, after)) = rows.into_iter().next() else {
        return Ok(None);
    };
    let state = State::named(&state).ok_or_else(|| sqlx::Error::Decode(state.into()))?;
    let progress = Progress { holder, after };
    Ok(Some(Batch { object, ids, state, actor, is_last, progress }))
}

/// Marks records of a batch that something names.
pub(super) async fn mark_named(tx: &mut TenantTx, batch: &Batch, ids: &[Uuid]) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE peer_record SET named = true
         WHERE tenant_id = $1 AND object = $2 AND record_id = ANY($3) AND NOT named",
    );
    query.bind(tx.tenant_id()).bind(&batch.object).bind(ids).execute(tx.conn()).await?;
    Ok(())
}

/// Stores the progress of a pass; the batch stays due.
pub(super) async fn advance(tx: &mut TenantTx, batch: &Batch, progress: Progress) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE peer_record SET holder = $4, after_id = $5
         WHERE tenant_id = $1 AND object = $2 AND record_id = ANY($3)",
    );
    let query = query.bind(tx.tenant_id()).bind(&batch.object).bind(&batch.ids);
    query.bind(progress.holder).bind(progress.after).execute(tx.conn()).await?;
    Ok(())
}

/// Schedules the last pass, some time after the states were heard.
pub(super) async fn schedule_last(
    tx: &mut TenantTx,
    batch: &Batch,
    settled: Duration,
) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE peer_record SET next_at = heard_at + make_interval(secs => $4), is_last = true,
             failures = DEFAULT, holder = DEFAULT, after_id = DEFAULT
         WHERE tenant_id = $1 AND object = $2 AND record_id = ANY($3)",
    );
    let query = query.bind(tx.tenant_id()).bind(&batch.object).bind(&batch.ids);
    query.bind(settled.as_secs_f64()).execute(tx.conn()).await?;
    Ok(())
}

/// No pass is left; the rows remember the versions.
pub(super) async fn complete(tx: &mut TenantTx, batch: &Batch) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE peer_record SET next_at = NULL WHERE tenant_id = $1 AND object = $2 AND record_id = ANY($3)",
    );
    query.bind(tx.tenant_id()).bind(&batch.object).bind(&batch.ids).execute(tx.conn()).await?;
    Ok(())
}

/// Removes the rows of a batch, or only those of records that nothing names.
pub(super) async fn remove(tx: &mut TenantTx, batch: &Batch, only_unnamed: bool) -> Result<(), DbError> {
    let query = sqlx::query(
        "DELETE FROM peer_record
         WHERE tenant_id = $1 AND object = $2 AND record_id = ANY($3) AND NOT (named AND $4)",
    );
    let query = query.bind(tx.tenant_id()).bind(&batch.object).bind(&batch.ids);
    query.bind(only_unnamed).execute(tx.conn()).await?;
    Ok(())
}

/// Puts off a batch that failed, whose locks are gone. A row that has changed since is put off as well, which does no harm.
pub(super) async fn postpone(tx: &mut TenantTx, batch: &Batch, at: OffsetDateTime) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE peer_record SET next_at = $4, failures = failures + 1
         WHERE tenant_id = $1 AND object = $2 AND record_id = ANY($3) AND next_at < $4",
    );
    let query = query.bind(tx.tenant_id()).bind(&batch.object).bind(&batch.ids);
    query.bind(at).execute(tx.conn()).await?;
    Ok(())
}

/// Forgets states that no event can be older than; the worker's policy allows no others to be deleted. `now()`, for no index
/// serves a comparison with `clock_timestamp()`.
pub(super) async fn forget(tx: &mut WorkerTx, limit: i64) -> Result<(), DbError> {
    sqlx::query(
        "DELETE FROM peer_record WHERE (tenant_id, object, record_id) IN (
             SELECT tenant_id, object, record_id FROM peer_record
             WHERE next_at IS NULL AND heard_at < now() - interval '90 days' ORDER BY heard_at LIMIT $1)",
    )
    .bind(limit)
    .execute(tx.conn())
    .await?;
    Ok(())
}
