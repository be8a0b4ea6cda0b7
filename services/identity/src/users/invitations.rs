//! SQL of invitations.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

/// An invitation to be stored.
#[derive(Debug)]
pub(super) struct Invitation {
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) expires_at: OffsetDateTime,
}

/// What is stored of a token that opens an account and was not used yet: of an invitation, or of a reset of the password.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) user_id: Uuid,
    pub(super) secret_hash: Vec<u8>,
    /// The user or API key who made it.
    pub(super) created_by: Uuid,
}

pub(super) async fn insert(
    tx: &mut TenantTx,
    invitation: &Invitation,
    secret_hash: &[u8],
    at: OffsetDateTime,
    by: Uuid,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.invitation (tenant_id, id, user_id, secret_hash, created_at, created_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tx.tenant_id())
    .bind(invitation.id)
    .bind(invitation.user_id)
    .bind(secret_hash)
    .bind(at)
    .bind(by)
    .bind(invitation.expires_at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends what was sent to a user who has not accepted yet.
pub(super) async fn end_pending(tx: &mut TenantTx, user_id: Uuid) -> Result<(), DbError> {
    sqlx::query(
        "DELETE FROM identity.invitation WHERE tenant_id = $1 AND user_id = $2 AND accepted_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The invitation, if it can still be accepted by a user who still is invited.
pub(super) async fn pending(
    tx: &mut TenantTx,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Pending>, DbError> {
    let row: Option<(Uuid, Vec<u8>, Uuid)> = sqlx::query_as(
        "SELECT i.user_id, i.secret_hash, i.created_by FROM identity.invitation i
         JOIN identity.app_user u ON u.tenant_id = i.tenant_id AND u.id = i.user_id
         WHERE i.tenant_id = $1 AND i.id = $2 AND i.accepted_at IS NULL AND i.expires_at > $3 AND u.state = 'invited'",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(now)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|(user_id, secret_hash, created_by)| Pending { user_id, secret_hash, created_by }))
}

pub(super) async fn accept(tx: &mut TenantTx, id: Uuid, now: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("UPDATE identity.invitation SET accepted_at = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(id)
        .bind(now)
        .execute(tx.conn())
        .await?;
    Ok(())
}
