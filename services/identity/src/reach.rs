//! A row predicate as the two lists that this service's queries bind: owners and teams.
//!
//! Records use the SQL form in `libs/query`; here the lists are short and the statements fixed.

use auth::RowPredicate;
use uuid::Uuid;

/// The rows an action reaches.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    owners: Option<Vec<Uuid>>,
    teams: Vec<Uuid>,
}

impl Reach {
    pub(crate) fn of(predicate: &RowPredicate) -> Self {
        match predicate {
            RowPredicate::Always => Self { owners: None, teams: Vec::new() },
            RowPredicate::Never => Self { owners: Some(Vec::new()), teams: Vec::new() },
            RowPredicate::OwnerIn(users) => Self { owners: Some(users.clone()), teams: Vec::new() },
            RowPredicate::TeamIn(teams) => Self { owners: Some(Vec::new()), teams: teams.clone() },
            RowPredicate::AnyOf(parts) => {
                parts.iter().map(Self::of).fold(Self::of(&RowPredicate::Never), Self::or)
            }
        }
    }

    fn or(self, other: Self) -> Self {
        let (Some(mut owners), Some(more)) = (self.owners, other.owners) else {
            return Self { owners: None, teams: Vec::new() };
        };
        owners.extend(more);
        let teams = self.teams.into_iter().chain(other.teams).collect();
        Self { owners: Some(owners), teams }
    }

    /// Bound as the owners reached; `None` (SQL null) is every row.
    pub(crate) fn only_owners(&self) -> Option<&[Uuid]> {
        self.owners.as_deref()
    }

    /// Bound as the teams reached besides.
    pub(crate) fn teams(&self) -> &[Uuid] {
        &self.teams
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predicate_becomes_owners_and_teams() {
        let (owner, team) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let either =
            RowPredicate::AnyOf(vec![RowPredicate::OwnerIn(vec![owner]), RowPredicate::TeamIn(vec![team])]);
        let reach = Reach::of(&either);
        assert_eq!((reach.only_owners(), reach.teams()), (Some([owner].as_slice()), [team].as_slice()));
        assert_eq!(Reach::of(&RowPredicate::Always).only_owners(), None);
        assert_eq!(Reach::of(&RowPredicate::Never).only_owners(), Some([].as_slice()));
        let all = RowPredicate::AnyOf(vec![RowPredicate::Always, either]);
        assert_eq!(Reach::of(&all).only_owners(), None);
    }
}
