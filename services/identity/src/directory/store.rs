//! SQL of the directory.

use db::{Db, DbError, TenantTx};
use ids::TenantId;
use time::OffsetDateTime;
use uuid::Uuid;

/// The tenant that a slug names.
pub(crate) async fn resolve(db: &Db, slug: &str) -> Result<Option<TenantId>, DbError> {
    let mut tx = TenantTx::begin(db, super::nobody()).await?;
    let tenant: Option<Uuid> = sqlx::query_scalar("SELECT tenant_id FROM identity.directory WHERE slug = $1")
        .bind(slug)
        .fetch_optional(tx.conn())
        .await?;
    tx.commit().await?;
    Ok(tenant.map(TenantId::from))
}

/// Enters the transaction's tenant. A slug that is taken is a duplicate of `directory_pkey`.
pub(crate) async fn insert(tx: &mut TenantTx, slug: &str, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("INSERT INTO identity.directory (slug, tenant_id, created_at) VALUES ($2, $1, $3)")
        .bind(tx.tenant_id())
        .bind(slug)
        .bind(at)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Up to `limit` tenants after `after`, in the order of their ids: for jobs that go from tenant to tenant.
pub(crate) async fn tenants_after(tx: &mut TenantTx, after: Uuid, limit: i64) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT tenant_id FROM identity.directory WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?)
}
