//! Runs the statements that write some columns of records.

use db::{DbError, TenantTx};
use serde_json::Value;
use sqlx::types::Json;

/// Writes the columns that a statement names of locked rows.
pub(super) async fn write(
    tx: &mut TenantTx,
    statement: &'static str,
    rows: Vec<Value>,
) -> Result<(), DbError> {
    sqlx::query(statement).bind(tx.tenant_id()).bind(Json(rows)).execute(tx.conn()).await?;
    Ok(())
}
