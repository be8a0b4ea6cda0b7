//! SQL of how far an index is filled.

use db::{DbError, TenantTx};
use uuid::Uuid;

/// The last record that has the slot, if one has.
pub(crate) async fn after(tx: &mut TenantTx, operation: Uuid) -> Result<Option<Uuid>, DbError> {
    let query = sqlx::query_scalar("SELECT after_id FROM records.operation WHERE tenant_id = $1 AND id = $2");
    Ok(query.bind(tx.tenant_id()).bind(operation).fetch_optional(tx.conn()).await?.flatten())
}

/// Notes the last record that has it.
pub(crate) async fn advance(tx: &mut TenantTx, operation: Uuid, after: Uuid) -> Result<(), DbError> {
    sqlx::query("UPDATE records.operation SET after_id = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(operation)
        .bind(after)
        .execute(tx.conn())
        .await?;
    Ok(())
}
