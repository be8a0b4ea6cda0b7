//! The SQL that is the same for every object, and the runners of the objects' own statements.

use db::{DbError, TenantTx};
use query::RowScope;
use serde_json::Value;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::change::Author;
use super::conflict::Base;
use super::{Fields, Object, Record};

/// One row of the change log.
pub(crate) struct Logged {
    pub(crate) record_id: Uuid,
    pub(crate) version: i64,
    pub(crate) before: Value,
}

/// Reads and locks a whole record, deleted or not.
pub async fn lock(tx: &mut TenantTx, object: &Object, id: Uuid) -> Result<Option<Record>, DbError> {
    let row =
        sqlx::query(object.statements().lock).bind(tx.tenant_id()).bind(id).fetch_optional(tx.conn()).await?;
    Ok(row.map(|row| Record::from_row(&row, object.columns())).transpose()?)
}

/// Inserts rows, each an object of columns. Gives the version of the fence, which stays locked.
pub(crate) async fn insert(
    tx: &mut TenantTx,
    object: &Object,
    rows: Vec<Value>,
) -> Result<Option<i64>, DbError> {
    let query = sqlx::query_scalar(object.statements().insert).bind(tx.tenant_id()).bind(Json(rows));
    Ok(query.fetch_optional(tx.conn()).await?)
}

/// Replaces a row of version `version` within the scope; `false` when there is none. Gives the version of the fence as well,
/// which stays locked.
pub(crate) async fn update(
    tx: &mut TenantTx,
    object: &Object,
    id: Uuid,
    version: i64,
    row: Value,
    scope: &RowScope,
) -> Result<(Option<i64>, bool), DbError> {
    let query = sqlx::query_as(object.statements().update)
        .bind(tx.tenant_id())
        .bind(Json(row))
        .bind(id)
        .bind(version);
    let query = query.bind(scope.all).bind(&scope.owners).bind(&scope.teams);
    Ok(query.fetch_one(tx.conn()).await?)
}

/// As [`update`], of many rows that each have the version before: how many of them were.
pub(crate) async fn update_all(
    tx: &mut TenantTx,
    object: &Object,
    rows: Vec<Value>,
    scope: &RowScope,
) -> Result<(Option<i64>, i64), DbError> {
    let query = sqlx::query_as(object.statements().update_all).bind(tx.tenant_id()).bind(Json(rows));
    let query = query.bind(scope.all).bind(&scope.owners).bind(&scope.teams);
    Ok(query.fetch_one(tx.conn()).await?)
}

/// The values that the change log has from before a version of each of these records: of the change that made it.
pub(crate) async fn befores(
    tx: &mut TenantTx,
    object: &Object,
    versions: &[(Uuid, i64)],
) -> Result<Vec<(Uuid, Fields)>, DbError> {
    let (ids, versions): (Vec<Uuid>, Vec<i64>) = versions.iter().copied().unzip();
    let query = sqlx::query_as(
        "SELECT c.record_id, c.before FROM unnest($3::uuid[], $4::bigint[]) AS made (record_id, version)
         JOIN change AS c
           ON c.tenant_id = $1 AND c.object = $2 AND c.record_id = made.record_id AND c.version = made.version",
    );
    let query = query.bind(tx.tenant_id()).bind(object.name).bind(ids).bind(versions);
    let rows: Vec<(Uuid, Json<Fields>)> = query.fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|(id, Json(before))| (id, before)).collect())
}

/// Whole rows after an id, not locked.
pub(crate) async fn slice(
    tx: &mut TenantTx,
    object: &Object,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Record>, DbError> {
    let query = sqlx::query(object.statements().slice).bind(tx.tenant_id()).bind(after).bind(limit);
    let rows = query.fetch_all(tx.conn()).await?;
    Ok(rows.iter().map(|row| Record::from_row(row, object.columns())).collect::<Result<_, _>>()?)
}

/// Those of the rows that are stored in the same version and with other derived columns.
pub(crate) async fn differing(
    tx: &mut TenantTx,
    object: &Object,
    rows: Vec<Value>,
) -> Result<Vec<Uuid>, DbError> {
    let query = sqlx::query_scalar(object.statements().differing).bind(tx.tenant_id()).bind(Json(rows));
    Ok(query.fetch_all(tx.conn()).await?)
}

/// Writes the derived columns of rows that are stored in the same version; says of how many.
pub(crate) async fn write_derived(
    tx: &mut TenantTx,
    object: &Object,
    rows: Vec<Value>,
) -> Result<u64, DbError> {
    let query = sqlx::query(object.statements().derived).bind(tx.tenant_id()).bind(Json(rows));
    Ok(query.execute(tx.conn()).await?.rows_affected())
}

/// What a side table holds of records.
pub(crate) async fn side_held(
    tx: &mut TenantTx,
    statement: &'static str,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, (String, String), bool)>, DbError> {
    let query = sqlx::query_as(statement).bind(tx.tenant_id()).bind(ids);
    let rows: Vec<(Uuid, String, String, bool)> = query.fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|(id, first, second, live)| (id, (first, second), live)).collect())
}

/// The values of unique fields that are held of records.
pub(crate) async fn uniques_held(
    tx: &mut TenantTx,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, (Uuid, Vec<u8>), bool)>, DbError> {
    let query = sqlx::query_as(
        "SELECT record_id, field_id, value, live FROM custom_unique
         WHERE tenant_id = $1 AND record_id = ANY($2)",
    );
    let rows: Vec<(Uuid, Uuid, Vec<u8>, bool)> =
        query.bind(tx.tenant_id()).bind(ids).fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|(id, field, digest, live)| (id, (field, digest), live)).collect())
}

/// Every column of a row.
pub(crate) async fn whole(tx: &mut TenantTx, object: &Object, id: Uuid) -> Result<Option<Value>, DbError> {
    let query = sqlx::query_scalar(object.statements().whole).bind(tx.tenant_id()).bind(id);
    Ok(query.fetch_optional(tx.conn()).await?)
}

/// Moves rows of these versions within the scope to the trash, or out of it: how many of them.
pub(crate) async fn set_deleted(
    tx: &mut TenantTx,
    object: &Object,
    versions: &[(Uuid, i64)],
    deleted: bool,
    author: &Author,
    scope: &RowScope,
) -> Result<u64, DbError> {
    let (ids, versions): (Vec<Uuid>, Vec<i64>) = versions.iter().copied().unzip();
    let statement = if deleted { object.statements().delete } else { object.statements().restore };
    let query = sqlx::query(statement).bind(tx.tenant_id()).bind(ids).bind(versions);
    let query = query.bind(author.now).bind(author.actor);
    let query = query.bind(scope.all).bind(&scope.owners).bind(&scope.teams);
    Ok(query.execute(tx.conn()).await?.rows_affected())
}

/// Those of the ids that name live records within the scope.
pub async fn reached(
    tx: &mut TenantTx,
    object: &Object,
    ids: &[Uuid],
    scope: &RowScope,
) -> Result<Vec<Uuid>, DbError> {
    let query = sqlx::query_scalar(object.statements().reached).bind(tx.tenant_id()).bind(ids);
    let query = query.bind(scope.all).bind(&scope.owners).bind(&scope.teams);
    Ok(query.fetch_all(tx.conn()).await?)
}

/// The rows of these ids that are there: their titles as far as they are within the scope, and whether they are deleted.
pub(crate) async fn named(
    tx: &mut TenantTx,
    object: &Object,
    ids: &[Uuid],
    scope: &RowScope,
) -> Result<Vec<(Uuid, Option<String>, bool)>, DbError> {
    let query = sqlx::query_as(object.statements().named).bind(tx.tenant_id()).bind(ids);
    let query = query.bind(scope.all).bind(&scope.owners).bind(&scope.teams);
    Ok(query.fetch_all(tx.conn()).await?)
}

/// Pairs of these records and what they refer to within the scope, by the statement of an [`super::Include`].
pub(crate) async fn referred(
    tx: &mut TenantTx,
    statement: &'static str,
    records: &[Uuid],
    scope: &RowScope,
) -> Result<Vec<(Uuid, Uuid)>, DbError> {
    let query = sqlx::query_as(statement).bind(tx.tenant_id()).bind(records);
    let query = query.bind(scope.all).bind(&scope.owners).bind(&scope.teams);
    Ok(query.fetch_all(tx.conn()).await?)
}

/// Locks values of a kind until the transaction ends, in one order, so that two calls at once never wait for each other crosswise. Clients
/// choose the values, and all locks are one space: a hash that can be steered would let them hold up another tenant (see `idempotency`).
///
/// The values of a tenant share 256 locks, by the first byte of their hashes. A batch has thousands of values, and the server keeps the
/// locks of all its transactions in one table of fixed size: when it is full, everybody's calls fail. Two values that meet in a lock
/// wait for each other without need, and only within their tenant.
pub async fn lock_values(tx: &mut TenantTx, kind: &str, values: &[&str]) -> Result<(), DbError> {
    sqlx::query(
        "SELECT pg_advisory_xact_lock(key) FROM (
            SELECT ('x' || encode(substr(sha256(convert_to($3 || '/' || $1::text || '/' || part, 'UTF8')), 1, 8), 'hex'))
                ::bit(64)::bigint AS key
            FROM (SELECT DISTINCT get_byte(sha256(convert_to(value, 'UTF8')), 0) AS part
                  FROM unnest($2::text[]) AS v (value)) AS parts
            ORDER BY key) AS keys",
    )
    .bind(tx.tenant_id())
    .bind(values)
    .bind(kind)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Live records within the scope that have one of the keys, by the statement of their object.
pub(crate) async fn alike(
    tx: &mut TenantTx,
    holders: &'static str,
    keys: &[String],
    scope: &RowScope,
) -> Result<Vec<Uuid>, DbError> {
    let query = sqlx::query_scalar(holders).bind(tx.tenant_id()).bind(keys);
    let query = query.bind(scope.all).bind(&scope.owners).bind(&scope.teams);
    Ok(query.fetch_all(tx.conn()).await?)
}

/// Locks the tree of an object's records until the transaction ends.
pub(crate) async fn lock_tree(tx: &mut TenantTx, object: &Object) -> Result<(), DbError> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('tree/' || $1::text || '/' || $2, 0))")
        .bind(tx.tenant_id())
        .bind(object.name)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Whether `other` is a record or stands above it, and the records passed, `limit` at most.
pub async fn walk_up(
    tx: &mut TenantTx,
    object: &Object,
    from: Uuid,
    other: Uuid,
    limit: i32,
) -> Result<(bool, Vec<Uuid>), DbError> {
    let query =
        sqlx::query_as(object.statements().above).bind(tx.tenant_id()).bind(from).bind(other).bind(limit);
    Ok(query.fetch_one(tx.conn()).await?)
}

/// Puts the values of a side table: parallel lists of records and pairs.
pub(crate) async fn put_side(
    tx: &mut TenantTx,
    statement: &'static str,
    object: &Object,
    ids: &[Uuid],
    firsts: &[String],
    seconds: &[String],
    live: bool,
) -> Result<(), DbError> {
    let query =
        sqlx::query(statement).bind(tx.tenant_id()).bind(ids).bind(firsts).bind(seconds).bind(object.name);
    let query = query.bind(live);
    query.execute(tx.conn()).await?;
    Ok(())
}

/// Removes the values of records from a side table.
pub(crate) async fn clear_side(
    tx: &mut TenantTx,
    statement: &'static str,
    ids: &[Uuid],
) -> Result<(), DbError> {
    sqlx::query(statement).bind(tx.tenant_id()).bind(ids).execute(tx.conn()).await?;
    Ok(())
}

/// Marks the values of records in a side table as those of live or deleted ones.
pub(crate) async fn set_side_live(
    tx: &mut TenantTx,
    statement: &'static str,
    ids: &[Uuid],
    live: bool,
) -> Result<(), DbError> {
    sqlx::query(statement).bind(tx.tenant_id()).bind(ids).bind(live).execute(tx.conn()).await?;
    Ok(())
}

/// The live records other than `except` that have one of the pairs.
pub(crate) async fn side_holders(
    tx: &mut TenantTx,
    statement: &'static str,
    object: &Object,
    except: Uuid,
    pairs: &[(String, String)],
) -> Result<Vec<Uuid>, DbError> {
    let (firsts, seconds): (Vec<&str>, Vec<&str>) =
        pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).unzip();
    let query = sqlx::query_scalar(statement).bind(tx.tenant_id()).bind(vec![except]);
    Ok(query.bind(firsts).bind(seconds).bind(object.name).fetch_all(tx.conn()).await?)
}

/// The live records other than `except` that have one of the values of unique fields: record, field.
pub async fn unique_holders(
    tx: &mut TenantTx,
    object: &Object,
    except: Uuid,
    values: &[(Uuid, Vec<u8>)],
) -> Result<Vec<(Uuid, Uuid)>, DbError> {
    let (fields, digests): (Vec<Uuid>, Vec<&[u8]>) = values.iter().map(|(f, d)| (*f, d.as_slice())).unzip();
    let query = sqlx::query_as(
        "SELECT u.record_id, u.field_id
         FROM unnest($3::uuid[], $4::bytea[]) AS wanted (field_id, value)
         JOIN custom_unique AS u
           ON u.tenant_id = $1 AND u.object = $2 AND u.field_id = wanted.field_id AND u.value = wanted.value
         WHERE u.live AND u.record_id <> $5
         LIMIT 20",
    );
    let query = query.bind(tx.tenant_id()).bind(object.name).bind(fields).bind(digests).bind(except);
    Ok(query.fetch_all(tx.conn()).await?)
}

/// Puts the values of unique fields: parallel lists.
pub(crate) async fn put_uniques(
    tx: &mut TenantTx,
    object: &Object,
    records: &[Uuid],
    fields: &[Uuid],
    digests: &[Vec<u8>],
    live: bool,
) -> Result<(), DbError> {
    let query = sqlx::query(
        "INSERT INTO custom_unique (tenant_id, object, record_id, field_id, value, live)
         SELECT $1, $2, record_id, field_id, value, $6
         FROM unnest($3::uuid[], $4::uuid[], $5::bytea[]) AS put (record_id, field_id, value)",
    );
    let query = query.bind(tx.tenant_id()).bind(object.name).bind(records).bind(fields).bind(digests);
    query.bind(live).execute(tx.conn()).await?;
    Ok(())
}

/// Removes the values that a record has of these unique fields.
pub(crate) async fn clear_uniques_of(
    tx: &mut TenantTx,
    record: Uuid,
    fields: &[Uuid],
) -> Result<(), DbError> {
    sqlx::query("DELETE FROM custom_unique WHERE tenant_id = $1 AND record_id = $2 AND field_id = ANY($3)")
        .bind(tx.tenant_id())
        .bind(record)
        .bind(fields)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Removes the values of unique fields of records.
pub(crate) async fn clear_uniques(tx: &mut TenantTx, records: &[Uuid]) -> Result<(), DbError> {
    sqlx::query("DELETE FROM custom_unique WHERE tenant_id = $1 AND record_id = ANY($2)")
        .bind(tx.tenant_id())
        .bind(records)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Marks the values of unique fields as those of live or deleted records.
pub(crate) async fn set_uniques_live(tx: &mut TenantTx, records: &[Uuid], live: bool) -> Result<(), DbError> {
    sqlx::query("UPDATE custom_unique SET live = $3 WHERE tenant_id = $1 AND record_id = ANY($2)")
        .bind(tx.tenant_id())
        .bind(records)
        .bind(live)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Writes the change log.
pub(crate) async fn log(
    tx: &mut TenantTx,
    object: &Object,
    verb: &'static str,
    author: &Author,
    logged: &[Logged],
) -> Result<(), DbError> {
    let ids: Vec<Uuid> = logged.iter().map(|l| l.record_id).collect();
    let versions: Vec<i64> = logged.iter().map(|l| l.version).collect();
    let before: Vec<&Value> = logged.iter().map(|l| &l.before).collect();
    let query = sqlx::query(
        "INSERT INTO change (tenant_id, object, record_id, version, verb, changed_at, actor, before)
         SELECT $1, $2, record_id, version, $3, $4, $5, before
         FROM unnest($6::uuid[], $7::bigint[], $8::jsonb[]) AS change (record_id, version, before)",
    );
    let query = query.bind(tx.tenant_id()).bind(object.name).bind(verb).bind(author.now).bind(author.actor);
    query.bind(ids).bind(versions).bind(before).execute(tx.conn()).await?;
    Ok(())
}

/// The fields that changed after `version`, with their values at it. Unless the caller sees every record, what a field was
/// before the record last changed its owner or team is not told: that was another's.
pub(crate) async fn base(
    tx: &mut TenantTx,
    object: &Object,
    id: Uuid,
    version: i64,
    sees_all: bool,
) -> Result<Base, DbError> {
    let query = sqlx::query_as(
        "SELECT DISTINCT ON (field.key) field.key,
                CASE WHEN $5 OR c.version > (
                    SELECT coalesce(max(moved.version), 0) FROM change AS moved
                    WHERE moved.tenant_id = $1 AND moved.object = $2 AND moved.record_id = $3
                      AND (moved.before ? 'owner_id' OR moved.before ? 'team_id'))
                THEN field.value ELSE 'null'::jsonb END
         FROM change AS c, jsonb_each(c.before) AS field
         WHERE c.tenant_id = $1 AND c.object = $2 AND c.record_id = $3 AND c.version > $4
         ORDER BY field.key, c.version",
    );
    let rows: Vec<(String, Value)> = query
        .bind(tx.tenant_id())
        .bind(object.name)
        .bind(id)
        .bind(version)
        .bind(sees_all)
        .fetch_all(tx.conn())
        .await?;
    Ok(rows.into_iter().collect())
}

/// Puts a record on the purge's list.
pub(crate) async fn add_purge(
    tx: &mut TenantTx,
    object: &Object,
    ids: &[Uuid],
    at: OffsetDateTime,
) -> Result<(), DbError> {
    let query = sqlx::query(
        "INSERT INTO purge_due (tenant_id, object, record_id, counted_from) SELECT $1, $2, unnest($3::uuid[]), $4
         ON CONFLICT (tenant_id, object, record_id) DO UPDATE SET counted_from = EXCLUDED.counted_from, attempts = 0",
    );
    query.bind(tx.tenant_id()).bind(object.name).bind(ids).bind(at).execute(tx.conn()).await?;
    Ok(())
}

/// Takes records off the purge's list.
pub(crate) async fn remove_purge(tx: &mut TenantTx, object: &Object, ids: &[Uuid]) -> Result<(), DbError> {
    sqlx::query("DELETE FROM purge_due WHERE tenant_id = $1 AND object = $2 AND record_id = ANY($3)")
        .bind(tx.tenant_id())
        .bind(object.name)
        .bind(ids)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Reads and locks whole records, in the order of ids.
pub async fn lock_all(tx: &mut TenantTx, object: &Object, ids: &[Uuid]) -> Result<Vec<Record>, DbError> {
    let query = sqlx::query(object.statements().lock_all).bind(tx.tenant_id()).bind(ids);
    let rows = query.fetch_all(tx.conn()).await?;
    Ok(rows.iter().map(|row| Record::from_row(row, object.columns())).collect::<Result<_, _>>()?)
}
