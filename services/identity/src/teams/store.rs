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
        "SELECT id, version, name, parent_id, created_at, created_by FROM identity.team WHERE tenant_id = $1 AND id = $2",
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
         WHERE tenant_id = $1 AND (created_at, id) < ($2, $3)
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
    Ok(sqlx::query_scalar("SELECT id FROM identity.team WHERE tenant_id = $1 AND id = ANY($2)")
        .bind(tx.tenant_id())
        .bind(ids)
        .fetch_all(tx.conn())
        .await?)
}
