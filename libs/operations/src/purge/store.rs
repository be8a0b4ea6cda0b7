//! SQL of the removal. The first statement looks across tenants.

use db::{DbError, TenantTx, WorkerTx};
use time::OffsetDateTime;
use uuid::Uuid;

/// When an operation was over, its tenant and id: its place in their order.
pub(super) type Place = (OffsetDateTime, Uuid, Uuid);

/// Operations that were over before a moment, the oldest first, from behind a place.
pub(super) async fn due(
    tx: &mut WorkerTx,
    before: OffsetDateTime,
    (finished_at, tenant, id): Place,
    limit: i64,
) -> Result<Vec<Place>, DbError> {
    let query = sqlx::query_as(
        "SELECT finished_at, tenant_id, id FROM operation
         WHERE finished_at < $1 AND (finished_at, tenant_id, id) > ($2, $3, $4)
         ORDER BY finished_at, tenant_id, id LIMIT $5",
    );
    let query = query.bind(before).bind(finished_at).bind(tenant).bind(id).bind(limit);
    Ok(query.fetch_all(tx.conn()).await?)
}

/// Marks an operation that was over before a moment as being removed: from now on it is not found. `false` when there is none.
pub(super) async fn begin_purge(
    tx: &mut TenantTx,
    id: Uuid,
    before: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let query = sqlx::query(
        "UPDATE operation SET purged_at = coalesce(purged_at, $4)
         WHERE tenant_id = $1 AND id = $2 AND finished_at < $3",
    );
    let query = query.bind(tx.tenant_id()).bind(id).bind(before).bind(now);
    Ok(query.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Removes the first `limit` errors of an operation; says whether there are more. Finds the boundary key first and deletes below it: the planner
/// misestimates a join when the table has no fresh statistics.
pub(super) async fn delete_errors(tx: &mut TenantTx, operation: Uuid, limit: i64) -> Result<bool, DbError> {
    let query = sqlx::query_as(
        "SELECT line, number FROM operation_error WHERE tenant_id = $1 AND operation_id = $2
         ORDER BY line, number OFFSET $3 LIMIT 1",
    );
    let next: Option<(i64, i32)> =
        query.bind(tx.tenant_id()).bind(operation).bind(limit).fetch_optional(tx.conn()).await?;
    let query = sqlx::query(
        "DELETE FROM operation_error
         WHERE tenant_id = $1 AND operation_id = $2 AND ($3::bigint IS NULL OR (line, number) < ($3, $4))",
    );
    let query = query.bind(tx.tenant_id()).bind(operation).bind(next.map(|n| n.0)).bind(next.map(|n| n.1));
    query.execute(tx.conn()).await?;
    Ok(next.is_some())
}

/// Removes an operation, with whatever still belongs to it.
pub(super) async fn delete(tx: &mut TenantTx, id: Uuid) -> Result<(), DbError> {
    sqlx::query("DELETE FROM operation WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(id)
        .execute(tx.conn())
        .await?;
    Ok(())
}
