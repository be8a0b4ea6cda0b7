//! SQL of the addresses of calendars.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

use super::CalendarFeed;

/// That of a user.
pub(super) async fn get(tx: &mut TenantTx, user_id: Uuid) -> Result<Option<CalendarFeed>, DbError> {
    let query = sqlx::query_as(
        "SELECT version, created_at, last_used_at FROM identity.calendar_feed WHERE tenant_id = $1 AND user_id = $2",
    );
    let row: Option<(i64, OffsetDateTime, Option<OffsetDateTime>)> =
        query.bind(tx.tenant_id()).bind(user_id).fetch_optional(tx.conn()).await?;
    Ok(row.map(|(version, created_at, last_used_at)| CalendarFeed { version, created_at, last_used_at }))
}

/// Puts it in the place of the one before.
pub(super) async fn put(
    tx: &mut TenantTx,
    user_id: Uuid,
    feed: CalendarFeed,
    secret_hash: &[u8],
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.calendar_feed (tenant_id, user_id, version, secret_hash, created_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, user_id) DO UPDATE SET version = excluded.version, secret_hash = excluded.secret_hash,
             created_at = excluded.created_at, last_used_at = NULL",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(feed.version)
    .bind(secret_hash)
    .bind(feed.created_at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes that of a user.
pub(crate) async fn delete(tx: &mut TenantTx, user_id: Uuid) -> Result<(), DbError> {
    let query = sqlx::query("DELETE FROM identity.calendar_feed WHERE tenant_id = $1 AND user_id = $2");
    query.bind(tx.tenant_id()).bind(user_id).execute(tx.conn()).await?;
    Ok(())
}

/// The hash of the secret of a user who may log in.
pub(super) async fn hash_of_live(tx: &mut TenantTx, user_id: Uuid) -> Result<Option<Vec<u8>>, DbError> {
    let query = sqlx::query_scalar(
        "SELECT f.secret_hash FROM identity.calendar_feed f
         JOIN identity.app_user u ON u.tenant_id = f.tenant_id AND u.id = f.user_id
         WHERE f.tenant_id = $1 AND f.user_id = $2 AND u.state = 'active'",
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
