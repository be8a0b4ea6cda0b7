//! SQL of how far an index is filled.

use db::{DbError, TenantTx};
use uuid::Uuid;

/// How far an operation has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// The assignment whose slot it fills; `None` before its first batch.
    pub(crate) assignment: Option<i64>,
    /// The last record that has it, if one has.
    pub(crate) after: Option<Uuid>,
}

pub(crate) async fn place(tx: &mut TenantTx, operation: Uuid) -> Result<Place, DbError> {
    let query = sqlx::query_as(
        "SELECT slot_assignment, after_id FROM records.operation WHERE tenant_id = $1 AND id = $2",
    );
    let found: Option<(Option<i64>, Option<Uuid>)> =
        query.bind(tx.tenant_id()).bind(operation).fetch_optional(tx.conn()).await?;
    Ok(found.map(|(assignment, after)| Place { assignment, after }).unwrap_or_default())
}

/// Notes the last record that has the slot of an assignment.
pub(crate) async fn advance(
    tx: &mut TenantTx,
    operation: Uuid,
    assignment: i64,
    after: Uuid,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE records.operation SET slot_assignment = $3, after_id = $4 WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tx.tenant_id())
    .bind(operation)
    .bind(assignment)
    .bind(after)
    .execute(tx.conn())
    .await?;
    Ok(())
}
