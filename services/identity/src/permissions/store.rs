//! SQL of permission versions and of what a snapshot holds besides roles.

use db::{DbError, TenantTx};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::changes::EVERYONE;

/// A live principal with the version of its permissions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(super) version: i64,
    /// The user whose rows are "own".
    pub(crate) owner: Uuid,
    /// The scopes of an API key.
    pub(crate) key_scopes: Option<Vec<String>>,
    /// When the principal ends by itself.
    pub(super) ends_at: Option<OffsetDateTime>,
}

/// An active user or a live API key of one.
pub(crate) async fn live(tx: &mut TenantTx, id: Uuid, now: OffsetDateTime) -> Result<Option<Live>, DbError> {
    match live_user(tx, id, None, now).await? {
        Some(live) => Ok(Some(live)),
        None => live_key(tx, id, now).await,
    }
}

/// An active user, of a live session if one is given; `None` when either has ended. One statement, by primary keys.
pub(super) async fn live_user(
    tx: &mut TenantTx,
    id: Uuid,
    session: Option<Uuid>,
    now: OffsetDateTime,
) -> Result<Option<Live>, DbError> {
    let row: Option<(Option<i64>, Option<OffsetDateTime>)> = sqlx::query_as(
        "SELECT (SELECT max(v.version) FROM identity.permission_version v
                 WHERE v.tenant_id = $1 AND v.principal_id IN ($2, $3)), s.expires_at
         FROM identity.app_user u
         LEFT JOIN identity.session s ON s.tenant_id = $1 AND s.id = $4 AND s.user_id = u.id
             AND s.ended_at IS NULL AND s.expires_at > $5
         WHERE u.tenant_id = $1 AND u.id = $2 AND u.state = 'active' AND ($4::uuid IS NULL OR s.id IS NOT NULL)",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(EVERYONE)
    .bind(session)
    .bind(now)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|(version, ends_at)| Live {
        version: version.unwrap_or(1),
        owner: id,
        key_scopes: None,
        ends_at,
    }))
}

/// A live API key of an active user.
pub(super) async fn live_key(
    tx: &mut TenantTx,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Live>, DbError> {
    type Row = (Option<i64>, Uuid, Json<Vec<String>>, Option<OffsetDateTime>);
    let row: Option<Row> = sqlx::query_as(
        "SELECT (SELECT max(v.version) FROM identity.permission_version v
                 WHERE v.tenant_id = $1 AND v.principal_id IN (k.id, k.user_id, $3)), k.user_id, k.scopes, k.expires_at
         FROM identity.api_key k JOIN identity.app_user u ON u.tenant_id = $1 AND u.id = k.user_id
         WHERE k.tenant_id = $1 AND k.id = $2 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $4)
           AND u.state = 'active'",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(EVERYONE)
    .bind(now)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|(version, owner, scopes, ends_at)| Live {
        version: version.unwrap_or(1),
        owner,
        key_scopes: Some(scopes.0),
        ends_at,
    }))
}

/// The teams of a user, and everybody in them, the user included.
pub(crate) async fn teams_and_members(
    tx: &mut TenantTx,
    user_id: Uuid,
) -> Result<(Vec<Uuid>, Vec<Uuid>), DbError> {
    let (teams, mut members): (Vec<Uuid>, Vec<Uuid>) = sqlx::query_as(
        "SELECT ARRAY(SELECT t.team_id FROM identity.user_team t
                      WHERE t.tenant_id = $1 AND t.user_id = $2 ORDER BY t.team_id),
                ARRAY(SELECT DISTINCT m.user_id FROM identity.user_team t
                      JOIN identity.user_team m ON m.tenant_id = $1 AND m.team_id = t.team_id
                      WHERE t.tenant_id = $1 AND t.user_id = $2 ORDER BY m.user_id)",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .fetch_one(tx.conn())
    .await?;
    if members.is_empty() {
        members.push(user_id);
    }
    Ok((teams, members))
}
