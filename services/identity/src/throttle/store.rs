//! SQL of the throttle. Its rows stand in the nil tenant.

use db::{Db, DbError, TenantTx};
use time::OffsetDateTime;

/// Until when the latest of these keys must wait.
pub(super) async fn blocked_until(db: &Db, keys: &[Vec<u8>]) -> Result<Option<OffsetDateTime>, DbError> {
    let mut tx = TenantTx::begin(db, crate::directory::nobody()).await?;
    let until = sqlx::query_scalar(
        "SELECT max(blocked_until) FROM identity.login_throttle WHERE tenant_id = $1 AND key = ANY($2)",
    )
    .bind(tx.tenant_id())
    .bind(keys)
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(until)
}

/// Waits for whoever judges the same key, until the transaction ends.
pub(super) async fn take_turn(tx: &mut TenantTx, key: &[u8; 32]) -> Result<(), DbError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(db::lock_of(key)).execute(tx.conn()).await?;
    Ok(())
}

/// Locks a key's row, if there is one; until when it must wait.
pub(super) async fn lock(tx: &mut TenantTx, key: &[u8]) -> Result<Option<OffsetDateTime>, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT blocked_until FROM identity.login_throttle WHERE tenant_id = $1 AND key = $2 FOR UPDATE",
    )
    .bind(tx.tenant_id())
    .bind(key)
    .fetch_optional(tx.conn())
    .await?)
}

/// Counts a failure; the number of failures now, and until when the key had to wait already. Forgotten ones do not count.
pub(super) async fn count(
    tx: &mut TenantTx,
    key: &[u8],
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(i32, OffsetDateTime), DbError> {
    Ok(sqlx::query_as(
        "INSERT INTO identity.login_throttle AS t (tenant_id, key, failures, blocked_until, expires_at)
         VALUES ($1, $2, 1, $3, $4)
         ON CONFLICT (tenant_id, key) DO UPDATE SET
             failures = CASE WHEN t.expires_at <= $3 THEN 1 ELSE t.failures + 1 END,
             expires_at = GREATEST(t.expires_at, $4)
         RETURNING failures, blocked_until",
    )
    .bind(tx.tenant_id())
    .bind(key)
    .bind(now)
    .bind(expires_at)
    .fetch_one(tx.conn())
    .await?)
}

/// Makes a key wait.
pub(super) async fn block(
    tx: &mut TenantTx,
    key: &[u8],
    until: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE identity.login_throttle SET blocked_until = $3, expires_at = $4 WHERE tenant_id = $1 AND key = $2",
    )
    .bind(tx.tenant_id())
    .bind(key)
    .bind(until)
    .bind(expires_at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Forgets a key's failures.
pub(super) async fn clear(tx: &mut TenantTx, key: &[u8]) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity.login_throttle WHERE tenant_id = $1 AND key = $2")
        .bind(tx.tenant_id())
        .bind(key)
        .execute(tx.conn())
        .await?;
    Ok(())
}
