//! SQL of uploads.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

/// A stored upload.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) id: Uuid,
    pub(crate) principal: Uuid,
    pub(crate) content_type: String,
    pub(crate) size: i64,
    pub(crate) sha256: String,
    pub(crate) created_at: OffsetDateTime,
}

/// Adds an upload.
pub(crate) async fn insert(tx: &mut TenantTx, upload: &Upload) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO records.upload (tenant_id, id, principal_id, content_type, size, sha256, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tx.tenant_id())
    .bind(upload.id)
    .bind(upload.principal)
    .bind(&upload.content_type)
    .bind(upload.size)
    .bind(&upload.sha256)
    .bind(upload.created_at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The content's name of an upload that the principal made.
pub(crate) async fn sha256(tx: &mut TenantTx, id: Uuid, principal: Uuid) -> Result<Option<String>, DbError> {
    let query = sqlx::query_scalar(
        "SELECT sha256 FROM records.upload WHERE tenant_id = $1 AND id = $2 AND principal_id = $3",
    );
    Ok(query.bind(tx.tenant_id()).bind(id).bind(principal).fetch_optional(tx.conn()).await?)
}
