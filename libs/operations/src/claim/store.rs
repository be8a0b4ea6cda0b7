//! SQL of claims. The first three statements look across tenants.

use db::{DbError, TenantTx, WorkerTx};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{CLAIM, Claim, Held, Tally};
use crate::RowError;

/// Claims an operation of some kinds that nobody works on, of the tenant whose last turn of its kind is longest ago; of its own the
/// oldest. One that another worker has in hand is left to it until the claim ends. `worker` is who asks.
pub(super) async fn claim(
    tx: &mut WorkerTx,
    worker: Uuid,
    kinds: &[&str],
    now: OffsetDateTime,
) -> Result<Option<Claim>, DbError> {
    let query = sqlx::query_as(
        "WITH next AS (
             SELECT o.tenant_id, o.id, o.kind FROM operation AS o
             LEFT JOIN operation_turn AS t ON t.tenant_id = o.tenant_id AND t.kind = o.kind
             WHERE o.state IN ('queued', 'running') AND o.kind = ANY($4) AND (o.claim_until <= $1 OR o.held_by = $3)
             ORDER BY t.served_at NULLS FIRST, o.created_at, o.id LIMIT 1 FOR UPDATE OF o SKIP LOCKED),
         turn AS (
             INSERT INTO operation_turn (tenant_id, kind, served_at) SELECT tenant_id, kind, $1 FROM next
             ON CONFLICT (tenant_id, kind) DO UPDATE SET served_at = EXCLUDED.served_at)
         UPDATE operation AS o
         SET state = 'running', claim_until = $2, claim_number = o.claim_number + 1, attempts = o.attempts + 1,
             held_by = NULL
         FROM next
         WHERE o.tenant_id = next.tenant_id AND o.id = next.id
         RETURNING o.tenant_id, o.id, o.kind, o.principal_id, o.request, o.claim_number, o.attempts, o.created, o.created_at,
             o.done",
    );
    let claimed =
        query.bind(now).bind(now + CLAIM).bind(worker).bind(kinds).fetch_optional(tx.conn()).await?;
    Ok(claimed.map(|claim| Claim { worker, ..claim }))
}

/// How many operations of other kinds are open, by kind; `most` are counted.
pub(super) async fn strangers(
    tx: &mut WorkerTx,
    kinds: &[&str],
    most: i64,
) -> Result<Vec<(String, i64)>, DbError> {
    let query = sqlx::query_as(
        "SELECT kind, count(*) FROM (
             SELECT kind FROM operation WHERE state IN ('queued', 'running') AND kind <> ALL($1) LIMIT $2) AS other
         GROUP BY kind ORDER BY kind",
    );
    Ok(query.bind(kinds).bind(most).fetch_all(tx.conn()).await?)
}

/// Open operations of these kinds by kind and state: how many of the `most` that are looked at, and when the oldest was asked for.
pub(super) async fn open(
    tx: &mut WorkerTx,
    kinds: &[&str],
    most: i64,
) -> Result<Vec<(String, String, i64, OffsetDateTime)>, DbError> {
    // Whoever waits no longer does not end a statement.
    sqlx::query("SET LOCAL statement_timeout = '1500ms'").execute(tx.conn()).await?;
    let query = sqlx::query_as(
        "SELECT kind, state, count(*), min(created_at) FROM (
             SELECT kind, state, created_at FROM operation
             WHERE state IN ('queued', 'running') AND kind = ANY($1) LIMIT $2) AS open
         GROUP BY kind, state",
    );
    Ok(query.bind(kinds).bind(most).fetch_all(tx.conn()).await?)
}

/// Locks a claimed operation; `None`: the claim was lost. No statement of the transaction waits or works for longer than
/// `longest` milliseconds.
pub(super) async fn hold<'c>(
    tx: &mut TenantTx,
    claim: &'c Claim,
    longest: i32,
) -> Result<Option<Held<'c>>, DbError> {
    let query = sqlx::query_as(
        "WITH bound AS MATERIALIZED (
             SELECT set_config('lock_timeout', $4, true), set_config('statement_timeout', $4, true))
         SELECT o.cancel_requested, o.errors_kept, o.error_bytes FROM bound, operation AS o
         WHERE o.tenant_id = $1 AND o.id = $2 AND o.claim_number = $3 AND o.state = 'running' FOR UPDATE OF o",
    );
    let query = query.bind(tx.tenant_id()).bind(claim.id).bind(claim.number);
    let held: Option<(bool, i64, i64)> = query.bind(longest.to_string()).fetch_optional(tx.conn()).await?;
    Ok(held.map(|(cancelled, kept, bytes)| Held { claim, cancelled, errors: (kept, bytes) }))
}

/// Adds what a batch did and gives the turn back: for a while to the same worker, then to anybody.
pub(super) async fn checkpoint(
    tx: &mut TenantTx,
    claim: &Claim,
    tally: Tally,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE operation SET done = done + $3, created = created + $4, updated = updated + $5,
            skipped = skipped + $6, failed = failed + $7, claim_until = $8, errors_kept = errors_kept + $9,
            error_bytes = error_bytes + $10, errors_omitted = errors_omitted + $11, held_by = $12, attempts = 0
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tx.tenant_id())
    .bind(claim.id)
    .bind(tally.done)
    .bind(tally.created)
    .bind(tally.updated)
    .bind(tally.skipped)
    .bind(tally.failed)
    .bind(now + CLAIM)
    .bind(tally.errors_kept)
    .bind(tally.error_bytes)
    .bind(tally.errors_omitted)
    .bind(claim.worker)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes how many rows there are.
pub(super) async fn set_total(tx: &mut TenantTx, claim: &Claim, total: i64) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE operation SET total = $4
         WHERE tenant_id = $1 AND id = $2 AND claim_number = $3 AND state = 'running'",
    )
    .bind(tx.tenant_id())
    .bind(claim.id)
    .bind(claim.number)
    .bind(total)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Renews a claim between batches; `false` when it was lost.
pub(super) async fn renew(tx: &mut TenantTx, claim: &Claim, now: OffsetDateTime) -> Result<bool, DbError> {
    let done = sqlx::query(
        "UPDATE operation SET claim_until = $4
         WHERE tenant_id = $1 AND id = $2 AND claim_number = $3 AND state = 'running'",
    )
    .bind(tx.tenant_id())
    .bind(claim.id)
    .bind(claim.number)
    .bind(now + CLAIM)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends an operation that is still held; `false` when it is not.
pub(super) async fn finish(
    tx: &mut TenantTx,
    claim: &Claim,
    state: &str,
    failure: Option<&str>,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "UPDATE operation SET state = $4, failure = $5, finished_at = $6
         WHERE tenant_id = $1 AND id = $2 AND claim_number = $3 AND state = 'running'",
    )
    .bind(tx.tenant_id())
    .bind(claim.id)
    .bind(claim.number)
    .bind(state)
    .bind(failure)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether an operation has come to an end, whoever brought it there.
pub(super) async fn is_over(tx: &mut TenantTx, id: Uuid) -> Result<bool, DbError> {
    let query =
        sqlx::query_scalar("SELECT finished_at IS NOT NULL FROM operation WHERE tenant_id = $1 AND id = $2");
    Ok(query.bind(tx.tenant_id()).bind(id).fetch_optional(tx.conn()).await?.unwrap_or(false))
}

/// Adds row errors.
pub(super) async fn add_errors(
    tx: &mut TenantTx,
    operation: Uuid,
    errors: &[RowError],
) -> Result<(), DbError> {
    let lines: Vec<i64> = errors.iter().map(|e| e.line).collect();
    let numbers: Vec<i32> = errors.iter().map(|e| e.number).collect();
    let texts = |pick: fn(&RowError) -> &String| errors.iter().map(pick).cloned().collect::<Vec<String>>();
    sqlx::query(
        "INSERT INTO operation_error (tenant_id, operation_id, line, number, column_name, field, reason, detail, record_id)
         SELECT $1, $2, line, number, column_name, field, reason, detail, record_id
         FROM unnest($3::bigint[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::uuid[])
              AS e (line, number, column_name, field, reason, detail, record_id)",
    )
    .bind(tx.tenant_id())
    .bind(operation)
    .bind(lines)
    .bind(numbers)
    .bind(texts(|e| &e.column_name))
    .bind(texts(|e| &e.field))
    .bind(texts(|e| &e.reason))
    .bind(texts(|e| &e.detail))
    .bind(errors.iter().map(|e| e.record_id).collect::<Vec<_>>())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Counts errors that were added to an operation that is over.
pub(super) async fn count_errors(tx: &mut TenantTx, operation: Uuid, errors: i64) -> Result<(), DbError> {
    sqlx::query("UPDATE operation SET errors_kept = errors_kept + $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(operation)
        .bind(errors)
        .execute(tx.conn())
        .await?;
    Ok(())
}
