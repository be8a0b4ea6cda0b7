//! The one statement that looks across tenants.

use db::{DbError, WorkerTx};
use time::OffsetDateTime;
use uuid::Uuid;

/// What was deleted before a moment, the oldest first: tenant, object, record.
pub(crate) async fn due(
    tx: &mut WorkerTx,
    before: OffsetDateTime,
    limit: i64,
) -> Result<Vec<(Uuid, String, Uuid)>, DbError> {
    let query = sqlx::query_as(
        "SELECT tenant_id, object, record_id FROM purge_due
         WHERE deleted_at < $1 ORDER BY deleted_at, tenant_id LIMIT $2",
    );
    Ok(query.bind(before).bind(limit).fetch_all(tx.conn()).await?)
}
