//! Which rows an action reaches, as SQL over `owner_id` and `team_id`.

use std::collections::BTreeSet;

use auth::RowPredicate;
use uuid::Uuid;

use crate::sql::{Bind, Sql};

/// A row predicate flattened, for the static statements of a store:
/// `($n OR owner_id = ANY($m) OR team_id = ANY($k))`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowScope {
    /// Every row of the tenant.
    pub all: bool,
    /// Rows owned by these users.
    pub owners: Vec<Uuid>,
    /// Rows of these teams.
    pub teams: Vec<Uuid>,
}

impl From<&RowPredicate> for RowScope {
    fn from(predicate: &RowPredicate) -> Self {
        let mut all = false;
        let mut owners = BTreeSet::new();
        let mut teams = BTreeSet::new();
        let mut open = vec![predicate];
        while let Some(part) = open.pop() {
            match part {
                RowPredicate::Always => all = true,
                RowPredicate::Never => {}
                RowPredicate::OwnerIn(users) => owners.extend(users),
                RowPredicate::TeamIn(ids) => teams.extend(ids),
                RowPredicate::AnyOf(parts) => open.extend(parts),
            }
        }
        Self { all, owners: owners.into_iter().collect(), teams: teams.into_iter().collect() }
    }
}

/// The condition of a static statement: a row `t` is within the scope, whose members are the parameters from `first` on.
pub(crate) fn condition(first: usize) -> String {
    format!("(${first} OR t.owner_id = ANY(${}) OR t.team_id = ANY(${}))", first + 1, first + 2)
}

/// Appends ` AND …`, or nothing if every row is reached.
pub(crate) fn push(sql: &mut Sql, predicate: &RowPredicate) {
    let scope = RowScope::from(predicate);
    if scope.all {
        return;
    }
    let parts: Vec<String> = [("t.owner_id", scope.owners), ("t.team_id", scope.teams)]
        .into_iter()
        .filter_map(|(column, ids)| among(sql, column, ids))
        .collect();
    match parts.as_slice() {
        [] => sql.push(" AND FALSE"),
        [only] => sql.push(format!(" AND {only}")),
        _ => sql.push(format!(" AND ({})", parts.join(" OR "))),
    }
}

fn among(sql: &mut Sql, column: &str, ids: Vec<Uuid>) -> Option<String> {
    match ids.as_slice() {
        [] => None,
        [only] => Some(format!("{column} = {}", sql.bind(Bind::Uuid(*only)))),
        _ => Some(format!("{column} = ANY({})", sql.bind(Bind::Uuids(ids)))),
    }
}
