//! Writes a changed user: the row, and the roles and teams that came and went.

use db::{DbError, TenantTx};
use uuid::Uuid;

use super::{User, store};
use crate::changes::Touches;

/// What a change of a user means for permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) touches: Touches,
    /// Something is taken away.
    pub(crate) narrows: bool,
}

/// Writes `after`, which has the new version and time, over `before`; the address only if it differs. A known address is a duplicate of
/// `app_user_email`.
pub(crate) async fn changed(
    tx: &mut TenantTx,
    before: &User,
    after: &User,
    by: Uuid,
) -> Result<Effect, DbError> {
    let id = before.id;
    let (roles_gone, roles_new) = difference(&before.role_ids, &after.role_ids);
    let (teams_gone, teams_new) = difference(&before.team_ids, &after.team_ids);
    store::update(tx, after, by).await?;
    if after.email != before.email {
        store::set_email(tx, id, &after.email).await?;
    }
    store::remove_roles(tx, id, &roles_gone).await?;
    store::add_roles(tx, id, &roles_new, after.updated_at, by).await?;
    store::remove_teams(tx, id, &teams_gone).await?;
    store::add_teams(tx, id, &teams_new).await?;
    let touches = if !teams_gone.is_empty() || !teams_new.is_empty() {
        // The scope `team` of every member of these teams changes with it.
        Touches::Everyone
    } else if !roles_gone.is_empty() || !roles_new.is_empty() {
        Touches::Principal(id)
    } else {
        Touches::Nobody
    };
    Ok(Effect { touches, narrows: !roles_gone.is_empty() || !teams_gone.is_empty() })
}

/// What was taken away and what is new.
fn difference(before: &[Uuid], after: &[Uuid]) -> (Vec<Uuid>, Vec<Uuid>) {
    let without =
        |these: &[Uuid], those: &[Uuid]| these.iter().filter(|id| !those.contains(id)).copied().collect();
    (without(before, after), without(after, before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_tells_gone_from_new() {
        let id = Uuid::from_u128;
        assert_eq!(difference(&[id(1), id(2)], &[id(2), id(3)]), (vec![id(1)], vec![id(3)]));
    }
}
