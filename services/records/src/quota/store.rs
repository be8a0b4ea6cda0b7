//! SQL of what a tenant has.

use db::{DbError, TenantTx};

/// Two halves of a digest: the tenant's and the thing's, so that no two tenants wait for each other by chance alone.
pub(super) async fn lock_uploads(tx: &mut TenantTx) -> Result<(), DbError> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext($1::text), hashtext('quota/uploads'))")
        .bind(tx.tenant_id())
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Uploads, and their bytes.
pub(super) async fn uploads(tx: &mut TenantTx) -> Result<(i64, i64), DbError> {
    let query = sqlx::query_as(
        "SELECT count(*), coalesce(sum(size), 0)::bigint FROM records.upload WHERE tenant_id = $1",
    );
    Ok(query.bind(tx.tenant_id()).fetch_one(tx.conn()).await?)
}
