//! The roles, teams and manager that a user's body names: they must exist.

use db::TenantTx;
use error::{Error, Violation};
use input::Violations;
use uuid::Uuid;

use super::store;
use crate::{roles, teams};

/// Notes what does not exist in the tenant.
pub(super) async fn check(
    tx: &mut TenantTx,
    role_ids: &[Uuid],
    team_ids: &[Uuid],
    manager_id: Option<Uuid>,
    violations: &mut Violations,
) -> Result<(), Error> {
    let found: Vec<Uuid> = roles::store::bodies(tx, role_ids).await?.into_iter().map(|(id, _)| id).collect();
    missing(role_ids, &found, "/role_ids", violations);
    missing(team_ids, &teams::store::existing(tx, team_ids).await?, "/team_ids", violations);
    if let Some(manager) = manager_id
        && !store::existing(tx, &[manager]).await?.contains(&manager)
    {
        violations.push(Violation::reference_not_found("/manager_id"));
    }
    Ok(())
}

fn missing(wanted: &[Uuid], found: &[Uuid], pointer: &str, violations: &mut Violations) {
    for (i, _) in wanted.iter().enumerate().filter(|(_, id)| !found.contains(id)) {
        violations.push(Violation::reference_not_found(format!("{pointer}/{i}")));
    }
}
