//! SQL of imports: addresses, and statistics of what they made.

use db::{DbError, TenantTx, WorkerTx};
use query::RowScope;
use time::OffsetDateTime;
use uuid::Uuid;

/// Notes which upload an import reads, which is kept for as long as the import is not over, and how, where that is known.
pub(crate) async fn reads(
    tx: &mut TenantTx,
    operation: Uuid,
    upload: Uuid,
    detected: Option<Vec<u8>>,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE records.operation SET upload_id = $3, detected = $4 WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tx.tenant_id())
    .bind(operation)
    .bind(upload)
    .bind(detected)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes how the file of an import is read.
pub(crate) async fn set_detected(
    tx: &mut TenantTx,
    operation: Uuid,
    detected: Vec<u8>,
) -> Result<(), DbError> {
    sqlx::query("UPDATE records.operation SET detected = $3 WHERE tenant_id = $1 AND id = $2")
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
        "SELECT id, detected FROM records.operation
         WHERE tenant_id = $1 AND id = ANY($2) AND detected IS NOT NULL",
    );
    Ok(query.bind(tx.tenant_id()).bind(operations).fetch_all(tx.conn()).await?)
}

/// Per address, the newest of the live contacts that have it, of those within the scope and those that `import` has made: who,
/// since when. Without the latter, a row could not be told to repeat an earlier one of its file by who may import and not
/// read.
pub(crate) async fn holders(
    tx: &mut TenantTx,
    addresses: &[&str],
    scope: &RowScope,
    import: (Uuid, OffsetDateTime),
) -> Result<Vec<(String, Uuid)>, DbError> {
    let query = sqlx::query_as(
        "SELECT DISTINCT ON (e.address) e.address, e.contact_id
         FROM records.contact_email AS e
         JOIN records.contacts AS t ON t.tenant_id = $1 AND t.id = e.contact_id
         WHERE e.tenant_id = $1 AND e.live AND e.address = ANY($2) AND t.deleted_at IS NULL
           AND ($3 OR t.owner_id = ANY($4) OR t.team_id = ANY($5)
                OR (t.created_by = $6 AND t.created_at >= $7 AND t.source = 'import'))
         ORDER BY e.address, e.contact_id DESC",
    );
    let query = query.bind(tx.tenant_id()).bind(addresses).bind(scope.all);
    let query = query.bind(&scope.owners).bind(&scope.teams).bind(import.0).bind(import.1);
    Ok(query.fetch_all(tx.conn()).await?)
}

/// Refreshes the statistics of contacts if so many new ones are much beside what was there; autovacuum does not analyse
/// partitioned parents.
pub(crate) async fn analyze(tx: &mut WorkerTx, made: i64) -> Result<(), DbError> {
    sqlx::query("SELECT records.analyze_contacts($1)").bind(made).execute(tx.conn()).await?;
    Ok(())
}
