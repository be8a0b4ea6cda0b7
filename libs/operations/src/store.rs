//! SQL of operations, as their owners see them.

use db::{DbError, TenantTx};
use query::page::Newest;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::operation::{New, Operation, RowError};

/// Adds a queued operation.
pub(crate) async fn insert(tx: &mut TenantTx, new: &New<'_>) -> Result<Operation, DbError> {
    let query = sqlx::query_as(
        "INSERT INTO operation (tenant_id, id, kind, state, principal_id, request, claim_until, created_at, total)
         VALUES ($1, $2, $3, 'queued', $4, $5, $6, $6, $7)
         RETURNING id, kind, state, total, done, created, updated, skipped, failed, failure, errors_kept, errors_omitted, created_at, finished_at",
    );
    let query = query.bind(tx.tenant_id()).bind(new.id).bind(new.kind).bind(new.principal).bind(new.request);
    Ok(query.bind(new.now).bind(new.total).fetch_one(tx.conn()).await?)
}

/// An operation of the principal that is not being removed.
pub(crate) async fn find(tx: &mut TenantTx, id: Uuid, principal: Uuid) -> Result<Option<Operation>, DbError> {
    let query = sqlx::query_as(
        "SELECT id, kind, state, total, done, created, updated, skipped, failed, failure, errors_kept, errors_omitted, created_at, finished_at
         FROM operation
         WHERE tenant_id = $1 AND id = $2 AND principal_id = $3 AND purged_at IS NULL",
    );
    Ok(query.bind(tx.tenant_id()).bind(id).bind(principal).fetch_optional(tx.conn()).await?)
}

/// Up to `limit` operations of the principal after a place, the newest first, without those that are being removed.
pub(crate) async fn list(
    tx: &mut TenantTx,
    principal: Uuid,
    after: Newest,
    limit: i64,
) -> Result<Vec<Operation>, DbError> {
    let query = sqlx::query_as(
        "SELECT id, kind, state, total, done, created, updated, skipped, failed, failure, errors_kept, errors_omitted,
             created_at, finished_at
         FROM operation
         WHERE tenant_id = $1 AND principal_id = $2 AND (created_at, id) < ($3, $4) AND purged_at IS NULL
         ORDER BY created_at DESC, id DESC LIMIT $5",
    );
    let query = query.bind(tx.tenant_id()).bind(principal).bind(after.created_at).bind(after.id);
    Ok(query.bind(limit).fetch_all(tx.conn()).await?)
}

/// Asks an operation that is not over to stop; one that nobody works on is over at once.
pub(crate) async fn cancel(
    tx: &mut TenantTx,
    id: Uuid,
    principal: Uuid,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE operation SET
            cancel_requested = true,
            state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END,
            finished_at = CASE WHEN state = 'queued' THEN $4 ELSE finished_at END
         WHERE tenant_id = $1 AND id = $2 AND principal_id = $3 AND state IN ('queued', 'running')",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(principal)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Up to `limit` errors after a place, in the order of the file.
pub(crate) async fn errors(
    tx: &mut TenantTx,
    operation: Uuid,
    (line, number): (i64, i32),
    limit: i64,
) -> Result<Vec<RowError>, DbError> {
    let query = sqlx::query_as(
        "SELECT line, number, record_id, column_name, field, reason, detail FROM operation_error
         WHERE tenant_id = $1 AND operation_id = $2 AND (line, number) > ($3, $4)
         ORDER BY line, number LIMIT $5",
    );
    Ok(query
        .bind(tx.tenant_id())
        .bind(operation)
        .bind(line)
        .bind(number)
        .bind(limit)
        .fetch_all(tx.conn())
        .await?)
}

/// Operations of the tenant that are open, and all of them, counted up to `most`: for quotas.
pub(crate) async fn count(tx: &mut TenantTx, most: i64) -> Result<(i64, i64), DbError> {
    let query = sqlx::query_as(
        "SELECT (SELECT count(*) FROM operation WHERE tenant_id = $1 AND state IN ('queued', 'running')),
                (SELECT count(*) FROM (SELECT FROM operation WHERE tenant_id = $1 LIMIT $2) AS kept)",
    );
    Ok(query.bind(tx.tenant_id()).bind(most).fetch_one(tx.conn()).await?)
}

/// An operation as it is before it is taken back.
pub(crate) struct Over {
    pub(crate) kind: String,
    pub(crate) request: Vec<u8>,
    pub(crate) has_ended: bool,
    pub(crate) undone_by: Option<Uuid>,
}

/// Locks an operation of the principal that is not being removed.
pub(crate) async fn lock_over(tx: &mut TenantTx, id: Uuid, principal: Uuid) -> Result<Option<Over>, DbError> {
    let query = sqlx::query_as(
        "SELECT kind, request, finished_at IS NOT NULL, undone_by FROM operation
         WHERE tenant_id = $1 AND id = $2 AND principal_id = $3 AND purged_at IS NULL FOR UPDATE",
    );
    let row: Option<(String, Vec<u8>, bool, Option<Uuid>)> =
        query.bind(tx.tenant_id()).bind(id).bind(principal).fetch_optional(tx.conn()).await?;
    let Some((kind, request, has_ended, by)) = row else { return Ok(None) };
    // A statement of its own: one that waited for the lock would not see what was queued meanwhile.
    let query = sqlx::query_scalar(
        "SELECT id FROM operation
         WHERE tenant_id = $1 AND id = $2 AND state IN ('queued', 'running', 'succeeded')",
    );
    let undone_by = query.bind(tx.tenant_id()).bind(by).fetch_optional(tx.conn()).await?;
    Ok(Some(Over { kind, request, has_ended, undone_by }))
}

/// Notes which operation takes another back.
pub(crate) async fn mark_undone(tx: &mut TenantTx, id: Uuid, by: Uuid) -> Result<(), DbError> {
    sqlx::query("UPDATE operation SET undone_by = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(id)
        .bind(by)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// What was asked of operations, and what took them back.
pub(crate) async fn requests(
    tx: &mut TenantTx,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, Vec<u8>, Option<Uuid>)>, DbError> {
    let query =
        sqlx::query_as("SELECT id, request, undone_by FROM operation WHERE tenant_id = $1 AND id = ANY($2)");
    Ok(query.bind(tx.tenant_id()).bind(ids).fetch_all(tx.conn()).await?)
}

/// Lets a tenant's wants be judged one after the other. Two halves of a digest: the tenant's and the thing's, so that no two tenants wait for
/// each other by chance alone.
pub(crate) async fn lock_quota(tx: &mut TenantTx) -> Result<(), DbError> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext($1::text), hashtext('quota/operations'))")
        .bind(tx.tenant_id())
        .execute(tx.conn())
        .await?;
    Ok(())
}
