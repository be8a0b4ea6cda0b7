//! SQL of sessions and refresh tokens.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::page::Page;

/// A session as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) last_used_at: OffsetDateTime,
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) user_agent: Option<String>,
}

type Row = (Uuid, Uuid, OffsetDateTime, OffsetDateTime, OffsetDateTime, Option<String>);

fn session((id, user_id, created_at, last_used_at, expires_at, user_agent): Row) -> Session {
    Session { id, user_id, created_at, last_used_at, expires_at, user_agent }
}

pub(crate) async fn insert(tx: &mut TenantTx, session: &Session) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.session (tenant_id, id, user_id, created_at, last_used_at, expires_at, user_agent)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tx.tenant_id())
    .bind(session.id)
    .bind(session.user_id)
    .bind(session.created_at)
    .bind(session.last_used_at)
    .bind(session.expires_at)
    .bind(&session.user_agent)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The live sessions of a user, the newest first.
pub(crate) async fn list(
    tx: &mut TenantTx,
    user_id: Uuid,
    now: OffsetDateTime,
    page: &Page<'_>,
) -> Result<Vec<Session>, DbError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, user_id, created_at, last_used_at, expires_at, user_agent FROM identity.session
         WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3 AND (created_at, id) < ($4, $5)
         ORDER BY created_at DESC, id DESC LIMIT $6",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(now)
    .bind(page.after.created_at)
    .bind(page.after.id)
    .bind(page.limit())
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(session).collect())
}

/// Whether a session of a user lives.
pub(crate) async fn is_live(
    tx: &mut TenantTx,
    user_id: Uuid,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM identity.session
             WHERE tenant_id = $1 AND user_id = $2 AND id = $3 AND ended_at IS NULL AND expires_at > $4)",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(id)
    .bind(now)
    .fetch_one(tx.conn())
    .await?)
}

/// Ends one live session of a user; whether there was one.
pub(crate) async fn end(
    tx: &mut TenantTx,
    user_id: Uuid,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "UPDATE identity.session SET ended_at = $4
         WHERE tenant_id = $1 AND user_id = $2 AND id = $3 AND ended_at IS NULL AND expires_at > $4",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(id)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends the oldest live sessions of a user so that `keep` are left, some at a time; which.
pub(crate) async fn end_oldest(
    tx: &mut TenantTx,
    user_id: Uuid,
    keep: i64,
    now: OffsetDateTime,
) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "UPDATE identity.session SET ended_at = $4 WHERE tenant_id = $1 AND id IN (
             SELECT id FROM identity.session
             WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $4
             ORDER BY created_at DESC, id DESC OFFSET $3 LIMIT 20)
         RETURNING id",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(keep)
    .bind(now)
    .fetch_all(tx.conn())
    .await?)
}

/// Ends every live session of a user but one; how many there were.
pub(crate) async fn end_others(
    tx: &mut TenantTx,
    user_id: Uuid,
    but: Uuid,
    now: OffsetDateTime,
) -> Result<u64, DbError> {
    let done = sqlx::query(
        "UPDATE identity.session SET ended_at = $4
         WHERE tenant_id = $1 AND user_id = $2 AND id <> $3 AND ended_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(but)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Ends every live session of a user; how many there were.
pub(crate) async fn end_all(tx: &mut TenantTx, user_id: Uuid, now: OffsetDateTime) -> Result<u64, DbError> {
    let done = sqlx::query(
        "UPDATE identity.session SET ended_at = $3 WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

pub(crate) async fn touch(tx: &mut TenantTx, id: Uuid, now: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("UPDATE identity.session SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(id)
        .bind(now)
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub(crate) async fn insert_refresh_token(
    tx: &mut TenantTx,
    id: Uuid,
    session_id: Uuid,
    secret_hash: &[u8],
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.refresh_token (tenant_id, id, session_id, secret_hash, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(session_id)
    .bind(secret_hash)
    .bind(now)
    .bind(expires_at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A refresh token with what decides about it.
#[derive(Debug)]
pub(crate) struct RefreshToken {
    pub(crate) session: Session,
    pub(crate) secret_hash: Vec<u8>,
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) used_at: Option<OffsetDateTime>,
    /// The client that used it, and the token that it got.
    pub(crate) used_by: Option<Vec<u8>>,
    pub(crate) successor_id: Option<Uuid>,
    pub(crate) session_ended: bool,
    pub(crate) user_active: bool,
}

/// Finds a refresh token and locks it with its session, so that of two uses at once the second sees the first.
pub(crate) async fn lock_refresh_token(tx: &mut TenantTx, id: Uuid) -> Result<Option<RefreshToken>, DbError> {
    type TokenRow = (
        Uuid,
        Uuid,
        OffsetDateTime,
        OffsetDateTime,
        OffsetDateTime,
        Option<String>,
        Vec<u8>,
        OffsetDateTime,
        Option<OffsetDateTime>,
        Option<Vec<u8>>,
        Option<Uuid>,
        bool,
        bool,
    );
    let row: Option<TokenRow> = sqlx::query_as(
        "SELECT s.id, s.user_id, s.created_at, s.last_used_at, s.expires_at, s.user_agent, t.secret_hash, t.expires_at,
             t.used_at, t.used_by, t.successor_id, s.ended_at IS NOT NULL, u.state = 'active'
         FROM identity.refresh_token t
         JOIN identity.session s ON s.tenant_id = t.tenant_id AND s.id = t.session_id
         JOIN identity.app_user u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
         WHERE t.tenant_id = $1 AND t.id = $2
         FOR UPDATE OF t, s",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(
        |(
            sid,
            user,
            created,
            last,
            ends,
            agent,
            secret_hash,
            expires_at,
            used_at,
            used_by,
            successor_id,
            session_ended,
            user_active,
        )| {
            let session = session((sid, user, created, last, ends, agent));
            RefreshToken {
                session,
                secret_hash,
                expires_at,
                used_at,
                used_by,
                successor_id,
                session_ended,
                user_active,
            }
        },
    ))
}

/// How a refresh token was used.
#[derive(Debug)]
pub(crate) struct Spent {
    pub(crate) at: OffsetDateTime,
    pub(crate) by: [u8; 32],
    pub(crate) successor_id: Uuid,
}

pub(crate) async fn spend_refresh_token(tx: &mut TenantTx, id: Uuid, spent: &Spent) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE identity.refresh_token SET used_at = $3, used_by = $4, successor_id = $5
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(spent.at)
    .bind(spent.by.as_slice())
    .bind(spent.successor_id)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The hash of a refresh token that nobody has used.
pub(crate) async fn unused_hash(tx: &mut TenantTx, id: Uuid) -> Result<Option<Vec<u8>>, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT secret_hash FROM identity.refresh_token WHERE tenant_id = $1 AND id = $2 AND used_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .fetch_optional(tx.conn())
    .await?)
}
