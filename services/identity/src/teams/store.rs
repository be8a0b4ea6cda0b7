//! SQL of teams.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Team;
use crate::page::Page;
use crate::reach::Reach;

type Row = (Uuid, i64, String, Option<Uuid>, OffsetDateTime, Uuid);

fn team((id, version, name, parent_id, created_at, created_by): Row) -> Team {
    Team { id, version, name, parent_id, created_at, created_by }
}

pub(crate) async fn insert(tx: &mut TenantTx, team: &Team) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.team (tenant_id, id, version, name, parent_id, created_at, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tx.tenant_id())
    .bind(team.id)
    .bind(team.version)
    .bind(&team.name)
    .bind(team.parent_id)
    .bind(team.created_at)
    .bind(team.created_by)
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(crate) async fn get(tx: &mut TenantTx, id: Uuid) -> Result<Option<Team>, DbError> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT id, version, name, parent_id, created_at, created_by FROM identity.team
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(team))
}

/// One page of the teams reached, the newest first.
pub(crate) async fn list(tx: &mut TenantTx, reach: &Reach, page: &Page<'_>) -> Result<Vec<Team>, DbError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, version, name, parent_id, created_at, created_by FROM identity.team
         WHERE tenant_id = $1 AND deleted_at IS NULL AND (created_at, id) < ($2, $3)
           AND ($4::uuid[] IS NULL OR created_by = ANY($4) OR id = ANY($5))
         ORDER BY created_at DESC, id DESC LIMIT $6",
    )
    .bind(tx.tenant_id())
    .bind(page.after.created_at)
    .bind(page.after.id)
    .bind(reach.only_owners())
    .bind(reach.teams())
    .bind(page.limit())
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(team).collect())
}

/// Those of these teams that exist.
pub(crate) async fn existing(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT id FROM identity.team WHERE tenant_id = $1 AND id = ANY($2) AND deleted_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(ids)
    .fetch_all(tx.conn())
    .await?)
}

/// Writes name and parent with the version that `team` has.
pub(crate) async fn update(tx: &mut TenantTx, team: &Team) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE identity.team SET version = $3, name = $4, parent_id = $5
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(team.id)
    .bind(team.version)
    .bind(&team.name)
    .bind(team.parent_id)
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(crate) async fn delete(tx: &mut TenantTx, id: Uuid, at: OffsetDateTime, by: Uuid) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE identity.team SET version = version + 1, deleted_at = $3, deleted_by = $4
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(at)
    .bind(by)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whether `id` is `team_id` or lies below it.
pub(crate) async fn is_within(tx: &mut TenantTx, id: Uuid, team_id: Uuid) -> Result<bool, DbError> {
    // UNION, not UNION ALL: a circle, which no operation makes, would end the search all the same.
    Ok(sqlx::query_scalar(
        "WITH RECURSIVE above (id) AS (
             SELECT $2::uuid
             UNION
             SELECT t.parent_id FROM above a JOIN identity.team t ON t.tenant_id = $1 AND t.id = a.id
             WHERE t.parent_id IS NOT NULL)
         SELECT EXISTS (SELECT FROM above WHERE id = $3)",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(team_id)
    .fetch_one(tx.conn())
    .await?)
}

/// Whether a team lies right below this one.
pub(crate) async fn has_below(tx: &mut TenantTx, id: Uuid) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM identity.team WHERE tenant_id = $1 AND parent_id = $2 AND deleted_at IS NULL)",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .fetch_one(tx.conn())
    .await?)
}

/// Some of the members of a team.
pub(crate) async fn members(tx: &mut TenantTx, id: Uuid, limit: usize) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT user_id FROM identity.user_team WHERE tenant_id = $1 AND team_id = $2 ORDER BY user_id LIMIT $3",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(limit as i64)
    .fetch_all(tx.conn())
    .await?)
}
