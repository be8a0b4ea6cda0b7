//! SQL of an organization's settings.

use db::{DbError, TenantTx};
use time::OffsetDateTime;

use super::Organization;

/// The transaction's organization.
pub(crate) async fn get(tx: &mut TenantTx) -> Result<Organization, DbError> {
    let row: (i64, String, String, OffsetDateTime, bool) = sqlx::query_as(
        "SELECT version, slug, organization, created_at, duplicate_check FROM identity.tenant WHERE tenant_id = $1",
    )
    .bind(tx.tenant_id())
    .fetch_one(tx.conn())
    .await?;
    let (version, slug, name, created_at, duplicate_check) = row;
    Ok(Organization { version, slug, name, created_at, duplicate_check })
}

/// Whether the organization wants to hear of duplicates.
pub(crate) async fn duplicate_check(tx: &mut TenantTx) -> Result<bool, DbError> {
    let query = sqlx::query_scalar("SELECT duplicate_check FROM identity.tenant WHERE tenant_id = $1");
    Ok(query.bind(tx.tenant_id()).fetch_one(tx.conn()).await?)
}

/// Writes settings and version.
pub(crate) async fn update(tx: &mut TenantTx, organization: &Organization) -> Result<(), DbError> {
    sqlx::query("UPDATE identity.tenant SET version = $2, duplicate_check = $3, organization = $4 WHERE tenant_id = $1")
        .bind(tx.tenant_id())
        .bind(organization.version)
        .bind(organization.duplicate_check)
        .bind(&organization.name)
        .execute(tx.conn())
        .await?;
    Ok(())
}
