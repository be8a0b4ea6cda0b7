//! SQL of users, their roles and their teams.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{State, User};
use crate::page::Page;
use crate::reach::Reach;

/// What decides a login. Without `Debug`: a hash has no business in a log.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) id: Uuid,
    pub(crate) display_name: String,
    pub(crate) state: State,
    pub(crate) password_hash: Option<String>,
}

type Row =
    (Uuid, i64, String, String, String, Option<Uuid>, OffsetDateTime, OffsetDateTime, Vec<Uuid>, Vec<Uuid>);

fn user(row: Row) -> User {
    let (id, version, email, display_name, state, manager_id, created_at, updated_at, role_ids, team_ids) =
        row;
    let state = State::read(&state);
    User { id, version, email, display_name, state, role_ids, team_ids, manager_id, created_at, updated_at }
}

pub(crate) async fn credentials(tx: &mut TenantTx, email: &str) -> Result<Option<Credentials>, DbError> {
    let row: Option<(Uuid, String, String, Option<String>)> = sqlx::query_as(
        "SELECT id, display_name, state, password_hash FROM identity.app_user WHERE tenant_id = $1 AND email = $2",
    )
    .bind(tx.tenant_id())
    .bind(email)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|(id, display_name, state, password_hash)| Credentials {
        id,
        display_name,
        state: State::read(&state),
        password_hash,
    }))
}

pub(crate) async fn get(tx: &mut TenantTx, id: Uuid) -> Result<Option<User>, DbError> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT u.id, u.version, u.email, u.display_name, u.state, u.manager_id, u.created_at, u.updated_at,
             ARRAY(SELECT r.role_id FROM identity.user_role r
                   WHERE r.tenant_id = $1 AND r.user_id = u.id ORDER BY r.role_id),
             ARRAY(SELECT t.team_id FROM identity.user_team t
                   WHERE t.tenant_id = $1 AND t.user_id = u.id ORDER BY t.team_id)
         FROM identity.app_user u WHERE u.tenant_id = $1 AND u.id = $2",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(user))
}

/// One page, the newest first; with `only`, of these users and of the members of `teams`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    only: Option<&[Uuid]>,
    teams: &[Uuid],
    page: &Page<'_>,
) -> Result<Vec<User>, DbError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT u.id, u.version, u.email, u.display_name, u.state, u.manager_id, u.created_at, u.updated_at,
             ARRAY(SELECT r.role_id FROM identity.user_role r
                   WHERE r.tenant_id = $1 AND r.user_id = u.id ORDER BY r.role_id),
             ARRAY(SELECT t.team_id FROM identity.user_team t
                   WHERE t.tenant_id = $1 AND t.user_id = u.id ORDER BY t.team_id)
         FROM identity.app_user u
         WHERE u.tenant_id = $1 AND (u.created_at, u.id) < ($2, $3)
           AND ($4::uuid[] IS NULL OR u.id = ANY($4) OR EXISTS (
               SELECT FROM identity.user_team m WHERE m.tenant_id = $1 AND m.user_id = u.id AND m.team_id = ANY($5)))
         ORDER BY u.created_at DESC, u.id DESC LIMIT $6",
    )
    .bind(tx.tenant_id())
    .bind(page.after.created_at)
    .bind(page.after.id)
    .bind(only)
    .bind(teams)
    .bind(page.limit())
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(user).collect())
}

/// Inserts without roles and teams. A known address is a duplicate of `app_user_email`.
pub(crate) async fn insert(
    tx: &mut TenantTx,
    user: &User,
    password_hash: Option<&str>,
    by: Uuid,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.app_user (tenant_id, id, version, email, display_name, state, password_hash, manager_id,
             created_at, created_by, updated_at, updated_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $10)",
    )
    .bind(tx.tenant_id())
    .bind(user.id)
    .bind(user.version)
    .bind(&user.email)
    .bind(&user.display_name)
    .bind(user.state.name())
    .bind(password_hash)
    .bind(user.manager_id)
    .bind(user.created_at)
    .bind(by)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes name, state and manager with the version that `user` has.
pub(crate) async fn update(tx: &mut TenantTx, user: &User, by: Uuid) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE identity.app_user
         SET version = $3, display_name = $4, state = $5, manager_id = $6, updated_at = $7, updated_by = $8
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tx.tenant_id())
    .bind(user.id)
    .bind(user.version)
    .bind(&user.display_name)
    .bind(user.state.name())
    .bind(user.manager_id)
    .bind(user.updated_at)
    .bind(by)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gives a user another address. A known one is a duplicate of `app_user_email`.
pub(crate) async fn set_email(tx: &mut TenantTx, id: Uuid, email: &str) -> Result<(), DbError> {
    sqlx::query("UPDATE identity.app_user SET email = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(id)
        .bind(email)
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub(crate) async fn set_password(tx: &mut TenantTx, id: Uuid, password_hash: &str) -> Result<(), DbError> {
    sqlx::query("UPDATE identity.app_user SET password_hash = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(id)
        .bind(password_hash)
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub(crate) async fn has_password(tx: &mut TenantTx, id: Uuid) -> Result<bool, DbError> {
    let has: Option<bool> = sqlx::query_scalar(
        "SELECT password_hash IS NOT NULL FROM identity.app_user WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .fetch_optional(tx.conn())
    .await?;
    Ok(has.unwrap_or(false))
}

pub(crate) async fn add_roles(
    tx: &mut TenantTx,
    user_id: Uuid,
    roles: &[Uuid],
    at: OffsetDateTime,
    by: Uuid,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.user_role (tenant_id, user_id, role_id, granted_at, granted_by)
         SELECT $1, $2, r, $4, $5 FROM unnest($3::uuid[]) AS r",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(roles)
    .bind(at)
    .bind(by)
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(crate) async fn remove_roles(tx: &mut TenantTx, user_id: Uuid, roles: &[Uuid]) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity.user_role WHERE tenant_id = $1 AND user_id = $2 AND role_id = ANY($3)")
        .bind(tx.tenant_id())
        .bind(user_id)
        .bind(roles)
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub(crate) async fn add_teams(tx: &mut TenantTx, user_id: Uuid, teams: &[Uuid]) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.user_team (tenant_id, user_id, team_id) SELECT $1, $2, t FROM unnest($3::uuid[]) AS t",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(teams)
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(crate) async fn remove_teams(tx: &mut TenantTx, user_id: Uuid, teams: &[Uuid]) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity.user_team WHERE tenant_id = $1 AND user_id = $2 AND team_id = ANY($3)")
        .bind(tx.tenant_id())
        .bind(user_id)
        .bind(teams)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Those of these users who exist and are not disabled.
pub(crate) async fn existing(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT id FROM identity.app_user WHERE tenant_id = $1 AND id = ANY($2) AND state <> 'disabled'",
    )
    .bind(tx.tenant_id())
    .bind(ids)
    .fetch_all(tx.conn())
    .await?)
}

/// Those of these users who are active.
pub(crate) async fn active(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT id FROM identity.app_user WHERE tenant_id = $1 AND id = ANY($2) AND state = 'active'",
    )
    .bind(tx.tenant_id())
    .bind(ids)
    .fetch_all(tx.conn())
    .await?)
}

/// The active users who have these addresses, of those within the reach and of `own`: address and id.
pub(crate) async fn by_emails(
    tx: &mut TenantTx,
    emails: &[String],
    reach: &Reach,
    own: Uuid,
) -> Result<Vec<(String, Uuid)>, DbError> {
    if emails.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_as(
        "SELECT u.email, u.id FROM identity.app_user u
         WHERE u.tenant_id = $1 AND u.email = ANY($2) AND u.state = 'active'
           AND (u.id = $3 OR $4::uuid[] IS NULL OR u.id = ANY($4) OR EXISTS (
               SELECT FROM identity.user_team m WHERE m.tenant_id = $1 AND m.user_id = u.id AND m.team_id = ANY($5)))",
    )
    .bind(tx.tenant_id())
    .bind(emails)
    .bind(own)
    .bind(reach.only_owners())
    .bind(reach.teams())
    .fetch_all(tx.conn())
    .await?)
}

/// Those of these users who exist, with the names of those within the reach and of `own`.
pub(crate) async fn names(
    tx: &mut TenantTx,
    ids: &[Uuid],
    reach: &Reach,
    own: Uuid,
) -> Result<Vec<(Uuid, Option<String>)>, DbError> {
    Ok(sqlx::query_as(
        "SELECT u.id, CASE WHEN u.id = $3 OR $4::uuid[] IS NULL OR u.id = ANY($4) OR EXISTS (
             SELECT FROM identity.user_team m WHERE m.tenant_id = $1 AND m.user_id = u.id AND m.team_id = ANY($5))
             THEN u.display_name END
         FROM identity.app_user u WHERE u.tenant_id = $1 AND u.id = ANY($2)",
    )
    .bind(tx.tenant_id())
    .bind(ids)
    .bind(own)
    .bind(reach.only_owners())
    .bind(reach.teams())
    .fetch_all(tx.conn())
    .await?)
}

/// Whether `user_id` is `manager_id` or stands above it.
pub(crate) async fn manages(tx: &mut TenantTx, user_id: Uuid, manager_id: Uuid) -> Result<bool, DbError> {
    // UNION, not UNION ALL: a circle, which no operation makes, would end the search all the same.
    Ok(sqlx::query_scalar(
        "WITH RECURSIVE above (id) AS (
             SELECT $3::uuid
             UNION
             SELECT u.manager_id FROM above a JOIN identity.app_user u ON u.tenant_id = $1 AND u.id = a.id
             WHERE u.manager_id IS NOT NULL)
         SELECT EXISTS (SELECT FROM above WHERE id = $2)",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(manager_id)
    .fetch_one(tx.conn())
    .await?)
}

/// How many active users hold the administrators' role.
pub(crate) async fn active_administrators(tx: &mut TenantTx) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT count(*) FROM identity.role r
         JOIN identity.user_role ur ON ur.tenant_id = r.tenant_id AND ur.role_id = r.id
         JOIN identity.app_user u ON u.tenant_id = ur.tenant_id AND u.id = ur.user_id
         WHERE r.tenant_id = $1 AND r.system AND r.deleted_at IS NULL AND u.state = 'active'",
    )
    .bind(tx.tenant_id())
    .fetch_one(tx.conn())
    .await?)
}
