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

/// The content's name and type of an upload that the principal made.
pub(crate) async fn content(
    tx: &mut TenantTx,
    id: Uuid,
    principal: Uuid,
) -> Result<Option<(String, String)>, DbError> {
    let query = sqlx::query_as(
        "SELECT sha256, content_type FROM records.upload WHERE tenant_id = $1 AND id = $2 AND principal_id = $3",
    );
    Ok(query.bind(tx.tenant_id()).bind(id).bind(principal).fetch_optional(tx.conn()).await?)
}

/// Whether the principal made the upload; then nobody removes it until the transaction ends.
pub(crate) async fn hold(tx: &mut TenantTx, id: Uuid, principal: Uuid) -> Result<bool, DbError> {
    let query = sqlx::query_scalar(
        "SELECT true FROM records.upload WHERE tenant_id = $1 AND id = $2 AND principal_id = $3 FOR SHARE",
    );
    let held: Option<bool> =
        query.bind(tx.tenant_id()).bind(id).bind(principal).fetch_optional(tx.conn()).await?;
    Ok(held.is_some())
}

/// Notes which upload an import reads, which is kept for as long as the import is not over.
pub(crate) async fn note_reader(tx: &mut TenantTx, operation: Uuid, upload: Uuid) -> Result<(), DbError> {
    sqlx::query("UPDATE records.operation SET upload_id = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(operation)
        .bind(upload)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Notes that another service reads an upload; every minute at most.
pub(crate) async fn keep(tx: &mut TenantTx, id: Uuid, now: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE records.upload SET read_at = $3
         WHERE tenant_id = $1 AND id = $2 AND (read_at IS NULL OR read_at < $3 - interval '1 minute')",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Locks a content until the transaction ends: whether it is used is decided by one at a time.
pub(crate) async fn lock_content(tx: &mut TenantTx, sha256: &str) -> Result<(), DbError> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('upload/' || $1::text || '/' || $2, 0))")
        .bind(tx.tenant_id())
        .bind(sha256)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Locks an upload made before a moment that no import is about to read, and no other service has read since; gives its content's name.
pub(crate) async fn to_remove(
    tx: &mut TenantTx,
    id: Uuid,
    before: OffsetDateTime,
) -> Result<Option<String>, DbError> {
    let query = sqlx::query_scalar(
        "SELECT sha256 FROM records.upload
         WHERE tenant_id = $1 AND id = $2 AND created_at < $3 AND (read_at IS NULL OR read_at < $3)
         FOR UPDATE SKIP LOCKED",
    );
    Ok(query.bind(tx.tenant_id()).bind(id).bind(before).fetch_optional(tx.conn()).await?)
}

/// Whether an operation that is not over reads the upload.
pub(crate) async fn is_in_use(tx: &mut TenantTx, id: Uuid) -> Result<bool, DbError> {
    let query = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM records.operation
                        WHERE tenant_id = $1 AND upload_id = $2 AND state IN ('queued', 'running'))",
    );
    Ok(query.bind(tx.tenant_id()).bind(id).fetch_one(tx.conn()).await?)
}

/// Whether another upload has the same content.
pub(crate) async fn is_shared(tx: &mut TenantTx, id: Uuid, sha256: &str) -> Result<bool, DbError> {
    let query = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM records.upload WHERE tenant_id = $1 AND sha256 = $3 AND id <> $2)",
    );
    Ok(query.bind(tx.tenant_id()).bind(id).bind(sha256).fetch_one(tx.conn()).await?)
}

/// Removes an upload.
pub(crate) async fn delete(tx: &mut TenantTx, id: Uuid) -> Result<(), DbError> {
    sqlx::query("DELETE FROM records.upload WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(id)
        .execute(tx.conn())
        .await?;
    Ok(())
}
