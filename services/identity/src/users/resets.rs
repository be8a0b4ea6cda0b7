//! SQL of password resets.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

use super::invitations::Pending;

/// A reset of a user's password, to be stored.
#[derive(Debug)]
pub(super) struct Reset {
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) secret_hash: Vec<u8>,
    pub(super) created_at: OffsetDateTime,
    /// The user who made it.
    pub(super) created_by: Uuid,
    pub(super) expires_at: OffsetDateTime,
}

/// Stores it in the place of the one before.
pub(super) async fn put(tx: &mut TenantTx, reset: &Reset) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.password_reset (tenant_id, user_id, id, secret_hash, created_at, created_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id, user_id) DO UPDATE SET id = $3, secret_hash = $4, created_at = $5, created_by = $6,
             expires_at = $7",
    )
    .bind(tx.tenant_id())
    .bind(reset.user_id)
    .bind(reset.id)
    .bind(&reset.secret_hash)
    .bind(reset.created_at)
    .bind(reset.created_by)
    .bind(reset.expires_at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The reset, if it still can be used, by a user who still is active.
pub(super) async fn pending(
    tx: &mut TenantTx,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Pending>, DbError> {
    let row: Option<(Uuid, Vec<u8>, Uuid)> = sqlx::query_as(
        "SELECT r.user_id, r.secret_hash, r.created_by FROM identity.password_reset r
         JOIN identity.app_user u ON u.tenant_id = r.tenant_id AND u.id = r.user_id
         WHERE r.tenant_id = $1 AND r.id = $2 AND r.expires_at > $3 AND u.state = 'active'",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(now)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|(user_id, secret_hash, created_by)| Pending { user_id, secret_hash, created_by }))
}

/// Ends what was made for a user.
pub(super) async fn end(tx: &mut TenantTx, user_id: Uuid) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity.password_reset WHERE tenant_id = $1 AND user_id = $2")
        .bind(tx.tenant_id())
        .bind(user_id)
        .execute(tx.conn())
        .await?;
    Ok(())
}
