//! SQL of what a change of roles and teams means for others.

use db::{DbError, TenantTx};
use sqlx::types::Json;
use uuid::Uuid;

use crate::roles::body::{FieldRule, ObjectPermission, RoleBody};

/// Whether somebody who holds the role is in a team besides these.
pub(super) async fn held_beyond(tx: &mut TenantTx, role_id: Uuid, teams: &[Uuid]) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT FROM identity.user_role ur
             JOIN identity.user_team ut ON ut.tenant_id = $1 AND ut.user_id = ur.user_id
             WHERE ur.tenant_id = $1 AND ur.role_id = $2 AND ut.team_id <> ALL($3))",
    )
    .bind(tx.tenant_id())
    .bind(role_id)
    .bind(teams)
    .fetch_one(tx.conn())
    .await?)
}

/// The roles that members of these teams hold, but for one user.
pub(super) async fn bodies_of_members(
    tx: &mut TenantTx,
    teams: &[Uuid],
    but: Uuid,
) -> Result<Vec<RoleBody>, DbError> {
    type Row = (Json<Vec<ObjectPermission>>, Json<Vec<FieldRule>>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT r.permissions, r.fields FROM identity.role r
         WHERE r.tenant_id = $1 AND r.deleted_at IS NULL AND r.id IN (
             SELECT ur.role_id FROM identity.user_team ut
             JOIN identity.user_role ur ON ur.tenant_id = $1 AND ur.user_id = ut.user_id
             WHERE ut.tenant_id = $1 AND ut.team_id = ANY($2) AND ut.user_id <> $3)",
    )
    .bind(tx.tenant_id())
    .bind(teams)
    .bind(but)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|(permissions, fields)| RoleBody { permissions: permissions.0, fields: fields.0 })
        .collect())
}
