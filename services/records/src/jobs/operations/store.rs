//! The one statement that looks across tenants.

use db::{DbError, WorkerTx};
use time::OffsetDateTime;
use uuid::Uuid;

/// Operations that were over before a moment, the oldest first: tenant, operation.
pub(super) async fn due(
    tx: &mut WorkerTx,
    before: OffsetDateTime,
    limit: i64,
) -> Result<Vec<(Uuid, Uuid)>, DbError> {
    let query = sqlx::query_as(
        "SELECT tenant_id, id FROM records.operation
         WHERE finished_at < $1 ORDER BY finished_at, tenant_id, id LIMIT $2",
    );
    Ok(query.bind(before).bind(limit).fetch_all(tx.conn()).await?)
}
