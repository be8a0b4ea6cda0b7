//! SQL of the list of work.

use db::{DbError, TenantTx, WorkerTx};
use time::OffsetDateTime;
use uuid::Uuid;

/// Whose records are compared now, and after which of them.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) tenant_id: Uuid,
    pub(crate) object: String,
    pub(crate) after_id: Option<Uuid>,
}

/// Takes what has been due for longest; until `until` nobody else does.
pub(crate) async fn claim(
    tx: &mut WorkerTx,
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Option<Turn>, DbError> {
    let query = sqlx::query_as(
        "UPDATE derived_check AS c SET due_at = $2
         FROM (SELECT tenant_id, object FROM derived_check
               WHERE due_at <= $1 ORDER BY due_at, tenant_id LIMIT 1 FOR UPDATE SKIP LOCKED) AS next
         WHERE c.tenant_id = next.tenant_id AND c.object = next.object
         RETURNING c.tenant_id, c.object, c.after_id",
    );
    let found: Option<(Uuid, String, Option<Uuid>)> =
        query.bind(now).bind(until).fetch_optional(tx.conn()).await?;
    Ok(found.map(|(tenant_id, object, after_id)| Turn { tenant_id, object, after_id }))
}

/// Notes how far it has come and when it goes on.
pub(crate) async fn advance(
    tx: &mut TenantTx,
    object: &str,
    after: Option<Uuid>,
    due_at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query("UPDATE derived_check SET after_id = $3, due_at = $4 WHERE tenant_id = $1 AND object = $2")
        .bind(tx.tenant_id())
        .bind(object)
        .bind(after)
        .bind(due_at)
        .execute(tx.conn())
        .await?;
    Ok(())
}
