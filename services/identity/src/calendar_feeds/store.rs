//! SQL of the addresses of calendars.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

use super::CalendarFeed;

/// That of a user.
pub(super) async fn get(tx: &mut TenantTx, user_id: Uuid) -> Result<Option<CalendarFeed>, DbError> {
    let query = sqlx::query_as(
        "SELECT version, created_at, last_used_at FROM identity.calendar_feed
         WHERE tenant_id = $1 AND user_id = $2 AND secret_hash IS NOT NULL",
    );
    let row: Option<(i64, OffsetDateTime, Option<OffsetDateTime>)> =
        query.bind(tx.tenant_id()).bind(user_id).fetch_optional(tx.conn()).await?;
    Ok(row.map(|(version, created_at, last_used_at)| CalendarFeed { version, created_at, last_used_at }))
}

/// Puts it in the place of the one before, and gives its version, which is one more than that of any before, also of one that has ended.
pub(super) async fn put(
    tx: &mut TenantTx,
    user_id: Uuid,
    created_at: OffsetDateTime,
    secret_hash: &[u8],
) -> Result<i64, DbError> {
    let query = sqlx::query_scalar(
        "INSERT INTO identity.calendar_feed AS f (tenant_id, user_id, version, secret_hash, created_at)
         VALUES ($1, $2, 1, $3, $4)
         ON CONFLICT (tenant_id, user_id) DO UPDATE SET version = f.version + 1, secret_hash = excluded.secret_hash,
             created_at = excluded.created_at, last_used_at = NULL
         RETURNING version",
    );
    let query = query.bind(tx.tenant_id()).bind(user_id).bind(secret_hash).bind(created_at);
    Ok(query.fetch_one(tx.conn()).await?)
}

/// Ends that of a user, in one version more.
pub(crate) async fn delete(tx: &mut TenantTx, user_id: Uuid) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE identity.calendar_feed SET secret_hash = NULL, version = version + 1, last_used_at = NULL
         WHERE tenant_id = $1 AND user_id = $2 AND secret_hash IS NOT NULL",
    );
    query.bind(tx.tenant_id()).bind(user_id).execute(tx.conn()).await?;
    Ok(())
}

/// The hash of the secret of a user who may log in.
pub(super) async fn hash_of_live(tx: &mut TenantTx, user_id: Uuid) -> Result<Option<Vec<u8>>, DbError> {
    let query = sqlx::query_scalar(
        "SELECT f.secret_hash FROM identity.calendar_feed f
         JOIN identity.app_user u ON u.tenant_id = f.tenant_id AND u.id = f.user_id
         WHERE f.tenant_id = $1 AND f.user_id = $2 AND f.secret_hash IS NOT NULL AND u.state = 'active'",
    );
    Ok(query.bind(tx.tenant_id()).bind(user_id).fetch_optional(tx.conn()).await?)
}

/// Notes a use, unless one was noted after `before`.
pub(super) async fn touch(
    tx: &mut TenantTx,
    user_id: Uuid,
    now: OffsetDateTime,
    before: OffsetDateTime,
) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE identity.calendar_feed SET last_used_at = $3
         WHERE tenant_id = $1 AND user_id = $2 AND (last_used_at IS NULL OR last_used_at < $4)",
    );
    query.bind(tx.tenant_id()).bind(user_id).bind(now).bind(before).execute(tx.conn()).await?;
    Ok(())
}
