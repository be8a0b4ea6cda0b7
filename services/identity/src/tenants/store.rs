//! SQL of organisations.

use db::{DbError, TenantTx};
use time::OffsetDateTime;

/// An organisation as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) slug: String,
    pub(crate) organization: String,
}

pub(crate) async fn insert(tx: &mut TenantTx, tenant: &Tenant, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.tenant (tenant_id, slug, organization, created_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(tx.tenant_id())
    .bind(&tenant.slug)
    .bind(&tenant.organization)
    .bind(at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The transaction's tenant.
pub(crate) async fn get(tx: &mut TenantTx) -> Result<Option<Tenant>, DbError> {
    let row: Option<(String, String)> =
        sqlx::query_as("SELECT slug, organization FROM identity.tenant WHERE tenant_id = $1")
            .bind(tx.tenant_id())
            .fetch_optional(tx.conn())
            .await?;
    Ok(row.map(|(slug, organization)| Tenant { slug, organization }))
}
