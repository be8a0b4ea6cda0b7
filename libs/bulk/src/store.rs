//! SQL of the records of bulk operations.

use db::{DbError, TenantTx};
use uuid::Uuid;

/// A record of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    pub(crate) number: i64,
    pub(crate) record_id: Uuid,
    /// The version that it must have.
    pub(crate) expected: Option<i64>,
}

/// Puts the records of an operation, in this order.
pub(crate) async fn put(tx: &mut TenantTx, operation: Uuid, records: &[Uuid]) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO bulk_record (tenant_id, operation_id, number, record_id)
         SELECT $1, $2, number, record_id FROM unnest($3::uuid[]) WITH ORDINALITY AS chosen (record_id, number)",
    )
    .bind(tx.tenant_id())
    .bind(operation)
    .bind(records)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How many records an operation changed.
pub(crate) async fn count_changed(tx: &mut TenantTx, operation: Uuid) -> Result<i64, DbError> {
    let query = sqlx::query_scalar(
        "SELECT count(version) FROM bulk_record WHERE tenant_id = $1 AND operation_id = $2",
    );
    Ok(query.bind(tx.tenant_id()).bind(operation).fetch_one(tx.conn()).await?)
}

/// Puts the records that an operation changed as those of another, which expects the versions that they got.
pub(crate) async fn put_changed(tx: &mut TenantTx, from: Uuid, to: Uuid) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO bulk_record (tenant_id, operation_id, number, record_id, expected)
         SELECT $1, $3, row_number() OVER (ORDER BY number), record_id, version
         FROM bulk_record WHERE tenant_id = $1 AND operation_id = $2 AND version IS NOT NULL",
    )
    .bind(tx.tenant_id())
    .bind(from)
    .bind(to)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The next records of an operation, behind a number.
pub(crate) async fn next(
    tx: &mut TenantTx,
    operation: Uuid,
    after: i64,
    limit: i64,
) -> Result<Vec<Chosen>, DbError> {
    let query = sqlx::query_as(
        "SELECT number, record_id, expected FROM bulk_record
         WHERE tenant_id = $1 AND operation_id = $2 AND number > $3 ORDER BY number LIMIT $4",
    );
    let rows: Vec<(i64, Uuid, Option<i64>)> =
        query.bind(tx.tenant_id()).bind(operation).bind(after).bind(limit).fetch_all(tx.conn()).await?;
    let chosen = |(number, record_id, expected)| Chosen { number, record_id, expected };
    Ok(rows.into_iter().map(chosen).collect())
}

/// Notes the versions that records got.
pub(crate) async fn changed(
    tx: &mut TenantTx,
    operation: Uuid,
    (numbers, versions): (&[i64], &[i64]),
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE bulk_record AS b SET version = done.version
         FROM unnest($3::bigint[], $4::bigint[]) AS done (number, version)
         WHERE b.tenant_id = $1 AND b.operation_id = $2 AND b.number = done.number",
    )
    .bind(tx.tenant_id())
    .bind(operation)
    .bind(numbers)
    .bind(versions)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes the first `limit` records of an operation; says whether there are more.
pub(crate) async fn forget(tx: &mut TenantTx, operation: Uuid, limit: i64) -> Result<bool, DbError> {
    let query = sqlx::query(
        "WITH first AS (
             SELECT number FROM bulk_record WHERE tenant_id = $1 AND operation_id = $2 ORDER BY number LIMIT $3)
         DELETE FROM bulk_record AS b USING first
         WHERE b.tenant_id = $1 AND b.operation_id = $2 AND b.number = first.number",
    );
    let gone = query.bind(tx.tenant_id()).bind(operation).bind(limit).execute(tx.conn()).await?;
    Ok(i64::try_from(gone.rows_affected()).unwrap_or_default() >= limit)
}
