//! Runs the statements that find and change the records which name others.

use db::{DbError, TenantTx};
use uuid::Uuid;

/// The first `limit` records after an id that have one of the ids in a column.
pub(super) async fn holders(
    tx: &mut TenantTx,
    statement: &'static str,
    ids: &[Uuid],
    after: Uuid,
    limit: usize,
) -> Result<Vec<Uuid>, DbError> {
    let query = sqlx::query_scalar(statement).bind(tx.tenant_id()).bind(ids).bind(after);
    Ok(query.bind(limit as i64).fetch_all(tx.conn()).await?)
}

/// The first `limit` records after an id that name one of the records in a list.
pub(super) async fn list_holders(
    tx: &mut TenantTx,
    statement: &'static str,
    object: &str,
    ids: &[Uuid],
    after: Uuid,
    limit: usize,
) -> Result<Vec<Uuid>, DbError> {
    let query = sqlx::query_scalar(statement).bind(tx.tenant_id()).bind(object).bind(ids).bind(after);
    Ok(query.bind(limit as i64).fetch_all(tx.conn()).await?)
}
