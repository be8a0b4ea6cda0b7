//! SQL of what a change of roles and teams means for others.

use db::{DbError, TenantTx};
use uuid::Uuid;

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

/// The sets of roles that members of these teams hold, but for one user.
pub(super) async fn roles_of_members(
    tx: &mut TenantTx,
    teams: &[Uuid],
    but: Uuid,
) -> Result<Vec<Vec<Uuid>>, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT array_agg(ur.role_id ORDER BY ur.role_id) FROM identity.user_role ur
         WHERE ur.tenant_id = $1 AND ur.user_id <> $3 AND EXISTS (
             SELECT FROM identity.user_team ut
             WHERE ut.tenant_id = $1 AND ut.user_id = ur.user_id AND ut.team_id = ANY($2))
         GROUP BY ur.user_id",
    )
    .bind(tx.tenant_id())
    .bind(teams)
    .bind(but)
    .fetch_all(tx.conn())
    .await?)
}
