//! SQL of the purge. The first statement looks across tenants.

use db::{DbError, TenantTx, WorkerTx};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Fields, Object, Record};

/// The records of an object that a tenant has in the trash.
#[derive(Debug)]
pub(super) struct List {
    pub(super) tenant_id: Uuid,
    pub(super) object: String,
    /// The retention of some has passed.
    pub(super) is_due: bool,
}

/// Lists of work behind a tenant and object, in their order. It steps from one to the next by an index, whatever is on them.
pub(super) async fn lists(
    tx: &mut WorkerTx,
    (tenant, object): &(Uuid, String),
    before: OffsetDateTime,
    limit: i64,
) -> Result<Vec<List>, DbError> {
    let query = sqlx::query_as(
        "WITH RECURSIVE list (tenant_id, object, place) AS (
             (SELECT tenant_id, object, 1 FROM purge_due
              WHERE (tenant_id, object) > ($1, $2) ORDER BY tenant_id, object LIMIT 1)
             UNION ALL
             SELECT next.tenant_id, next.object, list.place + 1 FROM list CROSS JOIN LATERAL (
                 SELECT d.tenant_id, d.object FROM purge_due AS d
                 WHERE (d.tenant_id, d.object) > (list.tenant_id, list.object)
                 ORDER BY d.tenant_id, d.object LIMIT 1) AS next
             WHERE list.place < $4)
         SELECT tenant_id, object, EXISTS (
             SELECT FROM purge_due AS d
             WHERE d.tenant_id = list.tenant_id AND d.object = list.object AND d.counted_from < $3) AS is_due
         FROM list ORDER BY place",
    );
    let query = query.bind(tenant).bind(object).bind(before).bind(limit);
    let rows: Vec<(Uuid, String, bool)> = query.fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|(tenant_id, object, is_due)| List { tenant_id, object, is_due }).collect())
}

/// Records of an object whose retention counts from before a moment, the oldest first, with the purges of each that failed.
pub(super) async fn due(
    tx: &mut TenantTx,
    object: &Object,
    before: OffsetDateTime,
    limit: i64,
) -> Result<Vec<(Uuid, i32)>, DbError> {
    let query = sqlx::query_as(
        "SELECT record_id, attempts FROM purge_due
         WHERE tenant_id = $1 AND object = $2 AND counted_from < $3 ORDER BY counted_from LIMIT $4",
    );
    let query = query.bind(tx.tenant_id()).bind(object.name).bind(before).bind(limit);
    Ok(query.fetch_all(tx.conn()).await?)
}

/// Counts a purge of records that failed.
pub(super) async fn count_attempt(tx: &mut TenantTx, object: &Object, ids: &[Uuid]) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE purge_due SET attempts = attempts + 1
         WHERE tenant_id = $1 AND object = $2 AND record_id = ANY($3)",
    );
    query.bind(tx.tenant_id()).bind(object.name).bind(ids).execute(tx.conn()).await?;
    Ok(())
}

/// Puts off those of the records that are due by a moment: for a minute, for twice as long after each time, for a day at most. Says how
/// many.
pub(super) async fn put_off(
    tx: &mut TenantTx,
    object: &Object,
    ids: &[Uuid],
    before: OffsetDateTime,
) -> Result<u64, DbError> {
    let query = sqlx::query(
        "UPDATE purge_due SET attempts = attempts + 1,
             counted_from = $4 + make_interval(secs => least(60 * 2 ^ least(attempts, 12), 86400))
         WHERE tenant_id = $1 AND object = $2 AND record_id = ANY($3) AND counted_from < $4",
    );
    let query = query.bind(tx.tenant_id()).bind(object.name).bind(ids).bind(before);
    Ok(query.execute(tx.conn()).await?.rows_affected())
}

/// Those of the records that were deleted before a moment, locked, with who deleted them.
pub(super) async fn doomed(
    tx: &mut TenantTx,
    object: &Object,
    ids: &[Uuid],
    before: OffsetDateTime,
) -> Result<Vec<(Uuid, Uuid)>, DbError> {
    let query = sqlx::query_as(object.statements().doomed).bind(tx.tenant_id()).bind(ids).bind(before);
    Ok(query.fetch_all(tx.conn()).await?)
}

/// Removes locked records for good. Gives them in the version of their end, without what stood in them, and who deleted them.
pub(super) async fn purge(
    tx: &mut TenantTx,
    object: &Object,
    ids: &[Uuid],
) -> Result<Vec<(Record, Uuid)>, DbError> {
    type Row = (Uuid, i64, Option<Uuid>, Option<Uuid>, Uuid);
    let query = sqlx::query_as(object.statements().purge).bind(tx.tenant_id()).bind(ids);
    let rows: Vec<Row> = query.fetch_all(tx.conn()).await?;
    let ended = |(id, version, owner_id, team_id, deleted_by): Row| {
        let (fields, custom) = (Fields::new(), Fields::new());
        (Record { id, version: version + 1, owner_id, team_id, fields, custom }, deleted_by)
    };
    Ok(rows.into_iter().map(ended).collect())
}

/// Those of the ids that name no record, neither a live one nor one in the trash.
pub(super) async fn gone(tx: &mut TenantTx, object: &Object, ids: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    let query = sqlx::query_scalar(object.statements().gone).bind(tx.tenant_id()).bind(ids);
    Ok(query.fetch_all(tx.conn()).await?)
}

/// Removes the first `limit` rows of the change log of records that are gone; says whether there are more. The database refuses
/// it for a record that exists.
pub(super) async fn forget_changes(
    tx: &mut TenantTx,
    object: &Object,
    ids: &[Uuid],
    limit: i64,
) -> Result<bool, DbError> {
    let query = sqlx::query_as(
        "SELECT record_id, version FROM change
         WHERE tenant_id = $1 AND object = $2 AND record_id = ANY($3)
         ORDER BY record_id, version OFFSET $4 LIMIT 1",
    );
    let query = query.bind(tx.tenant_id()).bind(object.name).bind(ids).bind(limit);
    let next: Option<(Uuid, i64)> = query.fetch_optional(tx.conn()).await?;
    let query = sqlx::query(
        "DELETE FROM change
         WHERE tenant_id = $1 AND object = $2 AND record_id = ANY($3)
           AND ($4::uuid IS NULL OR (record_id, version) < ($4, $5))",
    );
    let query = query.bind(tx.tenant_id()).bind(object.name).bind(ids);
    query.bind(next.map(|n| n.0)).bind(next.map(|n| n.1)).execute(tx.conn()).await?;
    Ok(next.is_some())
}

/// Removes up to `limit` of the answers kept for repeated calls that hold one of the records, or that are too old to be given
/// again; says whether there may be more. None is younger than `before`.
pub(super) async fn forget_answers(
    tx: &mut TenantTx,
    ids: &[Uuid],
    before: OffsetDateTime,
    day_ago: OffsetDateTime,
    limit: i64,
) -> Result<bool, DbError> {
    let texts: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    let query = sqlx::query(
        "WITH old AS (
             SELECT principal_id, rpc, key FROM idempotency
             WHERE tenant_id = $1 AND created_at < $2
               AND (created_at < $3 OR EXISTS (
                   SELECT FROM unnest($4::text[]) AS gone (id)
                   WHERE position(convert_to(gone.id, 'UTF8') IN answer) > 0))
             ORDER BY created_at LIMIT $5)
         DELETE FROM idempotency AS i USING old
         WHERE i.tenant_id = $1 AND i.principal_id = old.principal_id AND i.rpc = old.rpc AND i.key = old.key",
    );
    let query = query.bind(tx.tenant_id()).bind(before).bind(day_ago).bind(texts).bind(limit);
    Ok(query.execute(tx.conn()).await?.rows_affected() == limit.unsigned_abs())
}

/// Marks records on the purge's list: from now on they cannot come back.
pub(super) async fn begin(tx: &mut TenantTx, object: &Object, ids: &[Uuid]) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE purge_due SET begun = true
         WHERE tenant_id = $1 AND object = $2 AND record_id = ANY($3) AND NOT begun",
    );
    query.bind(tx.tenant_id()).bind(object.name).bind(ids).execute(tx.conn()).await?;
    Ok(())
}

/// Whether the purge of a record has begun.
pub(crate) async fn is_purging(tx: &mut TenantTx, object: &Object, id: Uuid) -> Result<bool, DbError> {
    let query = sqlx::query_scalar(
        "SELECT begun FROM purge_due WHERE tenant_id = $1 AND object = $2 AND record_id = $3",
    );
    let query = query.bind(tx.tenant_id()).bind(object.name).bind(id);
    Ok(query.fetch_optional(tx.conn()).await?.unwrap_or(false))
}
