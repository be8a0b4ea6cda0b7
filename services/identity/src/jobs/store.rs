//! SQL of the clean-up: each statement takes a bounded batch and leaves rows that somebody works on.

use db::{DbError, TenantTx};
use time::OffsetDateTime;

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
    "DELETE FROM identity.idempotency WHERE (tenant_id, principal_id, rpc, key) IN (
         SELECT tenant_id, principal_id, rpc, key FROM identity.idempotency
         WHERE tenant_id = $1 AND created_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED)",
];

/// Removes throttle entries that are forgotten.
pub(super) const FORGOTTEN: &str = "DELETE FROM identity.login_throttle WHERE (tenant_id, key) IN (
         SELECT tenant_id, key FROM identity.login_throttle
         WHERE tenant_id = $1 AND expires_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED)";

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
