//! SQL of how far an index is filled.

use db::{DbError, TenantTx};
use uuid::Uuid;

/// How far an operation has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The assignment whose slot it fills.
    pub(crate) assignment: i64,
    /// The last record that has it.
    pub(crate) after: Uuid,
}

/// `None` before the first batch has ended. A place whose assignment is unknown counts for nothing.
pub(crate) async fn place(tx: &mut TenantTx, operation: Uuid) -> Result<Option<Place>, DbError> {
    let query = sqlx::query_as(
        "SELECT slot_assignment, after_id FROM records.operation
         WHERE tenant_id = $1 AND id = $2 AND slot_assignment IS NOT NULL AND after_id IS NOT NULL",
    );
    let found: Option<(i64, Uuid)> =
        query.bind(tx.tenant_id()).bind(operation).fetch_optional(tx.conn()).await?;
    Ok(found.map(|(assignment, after)| Place { assignment, after }))
}

/// Notes how far it has come.
pub(crate) async fn advance(tx: &mut TenantTx, operation: Uuid, place: Place) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE records.operation SET slot_assignment = $3, after_id = $4 WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tx.tenant_id())
    .bind(operation)
    .bind(place.assignment)
    .bind(place.after)
    .execute(tx.conn())
    .await?;
    Ok(())
}
