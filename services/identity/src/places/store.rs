//! SQL of known devices and networks.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

/// A device as it is stored. Without `Debug`: a hash has no business in a log.
pub(super) struct Device {
    pub(super) user_id: Uuid,
    pub(super) secret_hash: Vec<u8>,
    pub(super) previous_hash: Option<Vec<u8>>,
}

pub(super) async fn device(
    tx: &mut TenantTx,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Device>, DbError> {
    let row: Option<(Uuid, Vec<u8>, Option<Vec<u8>>)> = sqlx::query_as(
        "SELECT user_id, secret_hash, previous_hash FROM identity.known_device
         WHERE tenant_id = $1 AND id = $2 AND expires_at > $3",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(now)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|(user_id, secret_hash, previous_hash)| Device { user_id, secret_hash, previous_hash }))
}

pub(super) async fn is_network(
    tx: &mut TenantTx,
    user_id: Uuid,
    network: &[u8],
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM identity.known_network
             WHERE tenant_id = $1 AND user_id = $2 AND network = $3 AND expires_at > $4)",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(network)
    .bind(now)
    .fetch_one(tx.conn())
    .await?)
}

pub(super) async fn put_network(
    tx: &mut TenantTx,
    user_id: Uuid,
    network: &[u8],
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.known_network (tenant_id, user_id, network, last_used_at, expires_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, user_id, network) DO UPDATE SET last_used_at = $4, expires_at = $5",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(network)
    .bind(now)
    .bind(expires_at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Makes a device known, or gives a known one its next token.
pub(super) async fn put_device(
    tx: &mut TenantTx,
    id: Uuid,
    user_id: Uuid,
    secret_hash: &[u8],
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.known_device AS d (tenant_id, id, user_id, secret_hash, last_used_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, id) DO UPDATE SET
             previous_hash = d.secret_hash, secret_hash = $4, last_used_at = $5, expires_at = $6",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(user_id)
    .bind(secret_hash)
    .bind(now)
    .bind(expires_at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Forgets all but the latest of a user's devices and networks.
pub(super) async fn keep_latest(tx: &mut TenantTx, user_id: Uuid, most: i64) -> Result<(), DbError> {
    sqlx::query(
        "DELETE FROM identity.known_device WHERE tenant_id = $1 AND id IN (
             SELECT id FROM identity.known_device WHERE tenant_id = $1 AND user_id = $2
             ORDER BY last_used_at DESC, id DESC OFFSET $3)",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(most)
    .execute(tx.conn())
    .await?;
    sqlx::query(
        "DELETE FROM identity.known_network WHERE tenant_id = $1 AND user_id = $2 AND network IN (
             SELECT network FROM identity.known_network WHERE tenant_id = $1 AND user_id = $2
             ORDER BY last_used_at DESC, network OFFSET $3)",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(most)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Forgets where a user has been.
pub(crate) async fn forget(tx: &mut TenantTx, user_id: Uuid) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity.known_device WHERE tenant_id = $1 AND user_id = $2")
        .bind(tx.tenant_id())
        .bind(user_id)
        .execute(tx.conn())
        .await?;
    sqlx::query("DELETE FROM identity.known_network WHERE tenant_id = $1 AND user_id = $2")
        .bind(tx.tenant_id())
        .bind(user_id)
        .execute(tx.conn())
        .await?;
    Ok(())
}
