//! SQL of API keys.

use db::{DbError, TenantTx};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::ApiKey;
use crate::page::Page;

type Row = (
    Uuid,
    i64,
    Uuid,
    String,
    String,
    Json<Vec<String>>,
    OffsetDateTime,
    Option<OffsetDateTime>,
    Option<OffsetDateTime>,
);

fn key((id, version, user_id, name, prefix, scopes, created_at, expires_at, last_used_at): Row) -> ApiKey {
    ApiKey { id, version, user_id, name, prefix, scopes: scopes.0, created_at, expires_at, last_used_at }
}

pub(super) async fn insert(tx: &mut TenantTx, key: &ApiKey, secret_hash: &[u8]) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.api_key (tenant_id, id, version, user_id, name, prefix, secret_hash, scopes, created_at,
             expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(tx.tenant_id())
    .bind(key.id)
    .bind(key.version)
    .bind(key.user_id)
    .bind(&key.name)
    .bind(&key.prefix)
    .bind(secret_hash)
    .bind(Json(&key.scopes))
    .bind(key.created_at)
    .bind(key.expires_at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The keys of a user that are not revoked, the newest first.
pub(super) async fn list(tx: &mut TenantTx, user_id: Uuid, page: &Page<'_>) -> Result<Vec<ApiKey>, DbError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, version, user_id, name, prefix, scopes, created_at, expires_at, last_used_at FROM identity.api_key
         WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL AND (created_at, id) < ($3, $4)
         ORDER BY created_at DESC, id DESC LIMIT $5",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(page.after.created_at)
    .bind(page.after.id)
    .bind(page.limit())
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(key).collect())
}

/// How many keys a user has that are not revoked.
pub(super) async fn count(tx: &mut TenantTx, user_id: Uuid) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT count(*) FROM identity.api_key WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .fetch_one(tx.conn())
    .await?)
}

/// Revokes one key of a user; the key as it was, if there was one.
pub(super) async fn revoke(
    tx: &mut TenantTx,
    user_id: Uuid,
    id: Uuid,
    at: OffsetDateTime,
) -> Result<Option<ApiKey>, DbError> {
    let row: Option<Row> = sqlx::query_as(
        "UPDATE identity.api_key SET revoked_at = $4, version = version + 1
         WHERE tenant_id = $1 AND user_id = $2 AND id = $3 AND revoked_at IS NULL
         RETURNING id, version, user_id, name, prefix, scopes, created_at, expires_at, last_used_at",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(id)
    .bind(at)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(key))
}

/// Revokes every key of a user.
pub(crate) async fn revoke_all(tx: &mut TenantTx, user_id: Uuid, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE identity.api_key SET revoked_at = $3, version = version + 1
         WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A key as it stands for whoever shows it.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) secret_hash: Vec<u8>,
    /// It is not revoked, and its user is active.
    pub(crate) live: bool,
    pub(crate) expires_at: Option<OffsetDateTime>,
}

impl Standing {
    /// Whether nothing but its time has ended it.
    pub(crate) fn has_expired(&self, now: OffsetDateTime) -> bool {
        self.live && self.expires_at.is_some_and(|at| at <= now)
    }
}

pub(crate) async fn standing(tx: &mut TenantTx, id: Uuid) -> Result<Option<Standing>, DbError> {
    let row: Option<(Vec<u8>, bool, Option<OffsetDateTime>)> = sqlx::query_as(
        "SELECT k.secret_hash, k.revoked_at IS NULL AND u.state = 'active', k.expires_at FROM identity.api_key k
         JOIN identity.app_user u ON u.tenant_id = k.tenant_id AND u.id = k.user_id
         WHERE k.tenant_id = $1 AND k.id = $2",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|(secret_hash, live, expires_at)| Standing { secret_hash, live, expires_at }))
}

/// Notes a use, unless one was noted after `since`: a busy key must not write its row with every exchange.
pub(super) async fn touch(
    tx: &mut TenantTx,
    id: Uuid,
    now: OffsetDateTime,
    since: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE identity.api_key SET last_used_at = $3
         WHERE tenant_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $4)",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(now)
    .bind(since)
    .execute(tx.conn())
    .await?;
    Ok(())
}
