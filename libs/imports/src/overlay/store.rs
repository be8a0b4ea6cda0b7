//! SQL of what a dry run has noted. The tables are named without a schema: that of the service is found first (ADR 0003).

use db::{DbError, TenantTx};
use serde_json::Value;
use uuid::Uuid;

use super::Mark;

/// Whose the addresses and values are, as far as the dry run has come to them; nobody's, where they were given up.
pub(super) async fn holders(
    tx: &mut TenantTx,
    operation: Uuid,
    marks: &[Mark],
) -> Result<Vec<(Mark, Option<Uuid>)>, DbError> {
    let marks: Vec<&[u8]> = marks.iter().map(Mark::as_slice).collect();
    let query = sqlx::query_as(
        "SELECT mark, record_id FROM import_mark
         WHERE tenant_id = $1 AND operation_id = $2 AND mark = ANY($3)",
    );
    let rows: Vec<(Vec<u8>, Option<Uuid>)> =
        query.bind(tx.tenant_id()).bind(operation).bind(marks).fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().filter_map(|(mark, holder)| Some((mark.try_into().ok()?, holder))).collect())
}

/// Notes whose addresses and values are.
pub(super) async fn put_holders(
    tx: &mut TenantTx,
    operation: Uuid,
    holders: &[(Mark, Option<Uuid>)],
) -> Result<(), DbError> {
    let (marks, records): (Vec<&[u8]>, Vec<Option<Uuid>>) =
        holders.iter().map(|(mark, record)| (mark.as_slice(), *record)).unzip();
    let query = sqlx::query(
        "INSERT INTO import_mark (tenant_id, operation_id, mark, record_id)
         SELECT $1, $2, mark, record_id FROM unnest($3::bytea[], $4::uuid[]) AS put (mark, record_id)
         ON CONFLICT (tenant_id, operation_id, mark) DO UPDATE SET record_id = EXCLUDED.record_id",
    );
    query.bind(tx.tenant_id()).bind(operation).bind(marks).bind(records).execute(tx.conn()).await?;
    Ok(())
}

/// A record as the dry run left it; `None` if it did not touch it.
pub(super) async fn record(
    tx: &mut TenantTx,
    operation: Uuid,
    record: Uuid,
) -> Result<Option<Value>, DbError> {
    let query = sqlx::query_scalar(
        "SELECT record FROM import_record
         WHERE tenant_id = $1 AND operation_id = $2 AND record_id = $3",
    );
    Ok(query.bind(tx.tenant_id()).bind(operation).bind(record).fetch_optional(tx.conn()).await?)
}

/// Whether the dry run has touched one of these records.
pub(super) async fn has_records(
    tx: &mut TenantTx,
    operation: Uuid,
    records: &[Uuid],
) -> Result<bool, DbError> {
    let query = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM import_record
         WHERE tenant_id = $1 AND operation_id = $2 AND record_id = ANY($3))",
    );
    Ok(query.bind(tx.tenant_id()).bind(operation).bind(records).fetch_one(tx.conn()).await?)
}

/// Notes records as they would be.
pub(super) async fn put_records(
    tx: &mut TenantTx,
    operation: Uuid,
    records: &[(Uuid, Value)],
) -> Result<(), DbError> {
    let (ids, records): (Vec<Uuid>, Vec<&Value>) = records.iter().map(|(id, record)| (*id, record)).unzip();
    let query = sqlx::query(
        "INSERT INTO import_record (tenant_id, operation_id, record_id, record)
         SELECT $1, $2, record_id, record FROM unnest($3::uuid[], $4::jsonb[]) AS put (record_id, record)
         ON CONFLICT (tenant_id, operation_id, record_id) DO UPDATE SET record = EXCLUDED.record",
    );
    query.bind(tx.tenant_id()).bind(operation).bind(ids).bind(records).execute(tx.conn()).await?;
    Ok(())
}

/// Removes the first `limit` addresses and values of a dry run; says whether there are more.
pub(super) async fn delete_holders(tx: &mut TenantTx, operation: Uuid, limit: i64) -> Result<bool, DbError> {
    let query = sqlx::query_scalar(
        "SELECT mark FROM import_mark WHERE tenant_id = $1 AND operation_id = $2
         ORDER BY mark OFFSET $3 LIMIT 1",
    );
    let next: Option<Vec<u8>> =
        query.bind(tx.tenant_id()).bind(operation).bind(limit).fetch_optional(tx.conn()).await?;
    let query = sqlx::query(
        "DELETE FROM import_mark
         WHERE tenant_id = $1 AND operation_id = $2 AND ($3::bytea IS NULL OR mark < $3)",
    );
    query.bind(tx.tenant_id()).bind(operation).bind(&next).execute(tx.conn()).await?;
    Ok(next.is_some())
}

/// Removes the first `limit` records of a dry run; says whether there are more.
pub(super) async fn delete_records(tx: &mut TenantTx, operation: Uuid, limit: i64) -> Result<bool, DbError> {
    let query = sqlx::query_scalar(
        "SELECT record_id FROM import_record WHERE tenant_id = $1 AND operation_id = $2
         ORDER BY record_id OFFSET $3 LIMIT 1",
    );
    let next: Option<Uuid> =
        query.bind(tx.tenant_id()).bind(operation).bind(limit).fetch_optional(tx.conn()).await?;
    let query = sqlx::query(
        "DELETE FROM import_record
         WHERE tenant_id = $1 AND operation_id = $2 AND ($3::uuid IS NULL OR record_id < $3)",
    );
    query.bind(tx.tenant_id()).bind(operation).bind(next).execute(tx.conn()).await?;
    Ok(next.is_some())
}
