//! SQL of the clean-up: each statement takes a bounded batch and leaves rows that somebody works on.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

/// What a statement removes.
pub(super) const SPENT: &[&str] = &[
    // Sessions that ended or expired; their refresh tokens go with them.
    "DELETE FROM identity.session WHERE (tenant_id, id) IN (
         SELECT tenant_id, id FROM identity.session
         WHERE tenant_id = $1 AND (expires_at < $2 OR ended_at < $2) LIMIT $3 FOR UPDATE SKIP LOCKED)",
    // Refresh tokens of sessions that live on. A spent one is kept until then, so that its second use is noticed.
    "DELETE FROM identity.refresh_token WHERE (tenant_id, id) IN (
         SELECT tenant_id, id FROM identity.refresh_token
         WHERE tenant_id = $1 AND expires_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM identity.invitation WHERE (tenant_id, id) IN (
         SELECT tenant_id, id FROM identity.invitation
         WHERE tenant_id = $1 AND expires_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM identity.password_reset WHERE (tenant_id, user_id) IN (
         SELECT tenant_id, user_id FROM identity.password_reset
         WHERE tenant_id = $1 AND expires_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM identity.idempotency WHERE (tenant_id, principal_id, rpc, key) IN (
         SELECT tenant_id, principal_id, rpc, key FROM identity.idempotency
         WHERE tenant_id = $1 AND created_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM identity.known_device WHERE (tenant_id, id) IN (
         SELECT tenant_id, id FROM identity.known_device
         WHERE tenant_id = $1 AND expires_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM identity.known_network WHERE (tenant_id, user_id, network) IN (
         SELECT tenant_id, user_id, network FROM identity.known_network
         WHERE tenant_id = $1 AND expires_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED)",
];

/// Removes throttle entries that are forgotten.
pub(super) const FORGOTTEN: &str = "DELETE FROM identity.login_throttle WHERE (tenant_id, key) IN (
         SELECT tenant_id, key FROM identity.login_throttle
         WHERE tenant_id = $1 AND expires_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED)";

/// About how many tenants there are, as PostgreSQL last counted them.
pub(super) async fn tenants(tx: &mut TenantTx) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT reltuples::bigint FROM pg_class WHERE oid = 'identity.directory'::regclass",
    )
    .fetch_one(tx.conn())
    .await?)
}

/// The tenant up to which the clean-up has come; its row is locked.
pub(super) async fn lock_cursor(tx: &mut TenantTx) -> Result<Uuid, DbError> {
    Ok(sqlx::query_scalar(
        "INSERT INTO identity.cleanup_cursor AS c (tenant_id, after) VALUES ($1, $2)
         ON CONFLICT (tenant_id) DO UPDATE SET after = c.after RETURNING after",
    )
    .bind(tx.tenant_id())
    .bind(Uuid::nil())
    .fetch_one(tx.conn())
    .await?)
}

pub(super) async fn move_cursor(tx: &mut TenantTx, after: Uuid) -> Result<(), DbError> {
    sqlx::query("UPDATE identity.cleanup_cursor SET after = $2 WHERE tenant_id = $1")
        .bind(tx.tenant_id())
        .bind(after)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Runs one of the statements; how many rows went.
pub(super) async fn remove(
    tx: &mut TenantTx,
    statement: &'static str,
    before: OffsetDateTime,
    limit: i64,
) -> Result<u64, DbError> {
    let done =
        sqlx::query(statement).bind(tx.tenant_id()).bind(before).bind(limit).execute(tx.conn()).await?;
    Ok(done.rows_affected())
}
