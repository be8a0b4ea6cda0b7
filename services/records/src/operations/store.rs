//! SQL of operations.

use db::{DbError, TenantTx};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use time::OffsetDateTime;
use uuid::Uuid;

/// An operation as it stands.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) total: i64,
    pub(crate) done: i64,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) skipped: i64,
    pub(crate) failed: i64,
    pub(crate) failure: Option<String>,
    pub(crate) errors_omitted: i64,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) finished_at: Option<OffsetDateTime>,
}

impl FromRow<'_, PgRow> for Operation {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            state: row.try_get("state")?,
            total: row.try_get("total")?,
            done: row.try_get("done")?,
            created: row.try_get("created")?,
            updated: row.try_get("updated")?,
            skipped: row.try_get("skipped")?,
            failed: row.try_get("failed")?,
            failure: row.try_get("failure")?,
            errors_omitted: row.try_get("errors_omitted")?,
            created_at: row.try_get("created_at")?,
            finished_at: row.try_get("finished_at")?,
        })
    }
}

/// Why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowError {
    pub(crate) line: i64,
    /// Place among the errors of the line.
    pub(crate) number: i32,
    pub(crate) column_name: String,
    pub(crate) reason: String,
    pub(crate) detail: String,
}

impl FromRow<'_, PgRow> for RowError {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            line: row.try_get("line")?,
            number: row.try_get("number")?,
            column_name: row.try_get("column_name")?,
            reason: row.try_get("reason")?,
            detail: row.try_get("detail")?,
        })
    }
}

/// Adds a queued operation that reads an upload.
pub(crate) async fn insert(
    tx: &mut TenantTx,
    id: Uuid,
    kind: &str,
    principal: Uuid,
    upload: Uuid,
    request: &[u8],
    now: OffsetDateTime,
) -> Result<Operation, DbError> {
    let query = sqlx::query_as(
        "INSERT INTO records.operation
            (tenant_id, id, kind, state, principal_id, request, claim_until, created_at, upload_id)
         VALUES ($1, $2, $3, 'queued', $4, $5, $6, $6, $7)
         RETURNING id, kind, state, total, done, created, updated, skipped, failed, failure, errors_omitted, created_at, finished_at",
    );
    let query = query.bind(tx.tenant_id()).bind(id).bind(kind).bind(principal).bind(request).bind(now);
    let query = query.bind(upload);
    Ok(query.fetch_one(tx.conn()).await?)
}

/// An operation of the principal that is not being removed.
pub(crate) async fn find(tx: &mut TenantTx, id: Uuid, principal: Uuid) -> Result<Option<Operation>, DbError> {
    let query = sqlx::query_as(
        "SELECT id, kind, state, total, done, created, updated, skipped, failed, failure, errors_omitted, created_at, finished_at
         FROM records.operation
         WHERE tenant_id = $1 AND id = $2 AND principal_id = $3 AND purged_at IS NULL",
    );
    Ok(query.bind(tx.tenant_id()).bind(id).bind(principal).fetch_optional(tx.conn()).await?)
}

/// Asks an operation that is not over to stop; one that nobody works on is over at once.
pub(crate) async fn cancel(
    tx: &mut TenantTx,
    id: Uuid,
    principal: Uuid,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE records.operation SET
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
        "SELECT line, number, column_name, reason, detail FROM records.operation_error
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

/// Marks an operation that was over before a moment as being removed: from now on it is not found. `false` when there is none.
pub(crate) async fn begin_purge(
    tx: &mut TenantTx,
    id: Uuid,
    before: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let query = sqlx::query(
        "UPDATE records.operation SET purged_at = coalesce(purged_at, $4)
         WHERE tenant_id = $1 AND id = $2 AND finished_at < $3",
    );
    let query = query.bind(tx.tenant_id()).bind(id).bind(before).bind(now);
    Ok(query.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Removes the first `limit` errors of an operation; says whether there are more. A place and a range of the key: a join of the
/// two would be planned badly for errors that nobody has counted yet.
pub(crate) async fn delete_errors(tx: &mut TenantTx, operation: Uuid, limit: i64) -> Result<bool, DbError> {
    let query = sqlx::query_as(
        "SELECT line, number FROM records.operation_error WHERE tenant_id = $1 AND operation_id = $2
         ORDER BY line, number OFFSET $3 LIMIT 1",
    );
    let next: Option<(i64, i32)> =
        query.bind(tx.tenant_id()).bind(operation).bind(limit).fetch_optional(tx.conn()).await?;
    let query = sqlx::query(
        "DELETE FROM records.operation_error
         WHERE tenant_id = $1 AND operation_id = $2 AND ($3::bigint IS NULL OR (line, number) < ($3, $4))",
    );
    let query = query.bind(tx.tenant_id()).bind(operation).bind(next.map(|n| n.0)).bind(next.map(|n| n.1));
    query.execute(tx.conn()).await?;
    Ok(next.is_some())
}

/// Removes an operation, with whatever still belongs to it.
pub(crate) async fn delete(tx: &mut TenantTx, id: Uuid) -> Result<(), DbError> {
    sqlx::query("DELETE FROM records.operation WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(id)
        .execute(tx.conn())
        .await?;
    Ok(())
}
