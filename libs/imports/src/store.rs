//! SQL of imports: how their files are read, who has the values by which rows find records, statistics of what they made. Tables are named
//! without a schema, as in `operations`.

use db::{DbError, TenantTx, WorkerTx};
use query::RowScope;
use time::OffsetDateTime;
use uuid::Uuid;

use super::importable::Key;

/// Notes how the file of an import is read.
pub(crate) async fn set_detected(
    tx: &mut TenantTx,
    operation: Uuid,
    detected: Vec<u8>,
) -> Result<(), DbError> {
    sqlx::query("UPDATE operation SET detected = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(operation)
        .bind(detected)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// How the files of operations are read, of those that are known.
pub(crate) async fn detected(
    tx: &mut TenantTx,
    operations: &[Uuid],
) -> Result<Vec<(Uuid, Vec<u8>)>, DbError> {
    let query = sqlx::query_as(
        "SELECT id, detected FROM operation
         WHERE tenant_id = $1 AND id = ANY($2) AND detected IS NOT NULL",
    );
    Ok(query.bind(tx.tenant_id()).bind(operations).fetch_all(tx.conn()).await?)
}

/// A value and a live record that has it, and whether the caller may know of it.
pub(crate) type Holder = ((String, String), Uuid, bool);

/// The live records that have these values of a key. `import` is who imports, and since when.
pub(crate) async fn holders(
    tx: &mut TenantTx,
    key: &Key,
    pairs: &[(String, String)],
    scope: &RowScope,
    import: (Uuid, OffsetDateTime),
) -> Result<Vec<Holder>, DbError> {
    let (firsts, seconds): (Vec<&str>, Vec<&str>) =
        pairs.iter().map(|(first, second)| (first.as_str(), second.as_str())).unzip();
    let query = sqlx::query_as(key.holders).bind(tx.tenant_id()).bind(firsts).bind(seconds);
    let query = query.bind(scope.all).bind(&scope.owners).bind(&scope.teams).bind(import.0).bind(import.1);
    let rows: Vec<(String, String, Uuid, bool)> = query.fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|(first, second, id, is_seen)| ((first, second), id, is_seen)).collect())
}

/// Refreshes the statistics of an object's records by its statement, if so many new ones are much beside what was there.
pub(crate) async fn analyze(tx: &mut WorkerTx, statement: &'static str, made: i64) -> Result<(), DbError> {
    sqlx::query(statement).bind(made).execute(tx.conn()).await?;
    Ok(())
}
