//! Which rows an action reaches: one tree, with its evaluation in Rust and as text (the SQL form is in `libs/query`).

use uuid::Uuid;

/// A condition on the owner and team of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowPredicate {
    /// Every row of the tenant.
    Always,
    /// No row.
    Never,
    /// Rows owned by one of these users.
    OwnerIn(Vec<Uuid>),
    /// Rows of one of these teams.
    TeamIn(Vec<Uuid>),
    /// Rows that any of these reaches.
    AnyOf(Vec<RowPredicate>),
}

/// The columns of a row that predicates look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowFacts {
    /// The owning user.
    pub owner_id: Option<Uuid>,
    /// The team.
    pub team_id: Option<Uuid>,
}

impl RowPredicate {
    /// Whether the row is reached.
    pub fn evaluate(&self, row: &RowFacts) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::OwnerIn(users) => row.owner_id.is_some_and(|o| users.contains(&o)),
            Self::TeamIn(teams) => row.team_id.is_some_and(|t| teams.contains(&t)),
            Self::AnyOf(parts) => parts.iter().any(|p| p.evaluate(row)),
        }
    }

    /// The condition in words.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Always => out.push_str("every row"),
            Self::Never => out.push_str("no row"),
            Self::OwnerIn(users) => out.push_str(&format!("rows owned by {} user(s)", users.len())),
            Self::TeamIn(teams) => out.push_str(&format!("rows of {} team(s)", teams.len())),
            Self::AnyOf(parts) => {
                for (i, part) in parts.iter().enumerate() {
                    if i > 0 {
                        out.push_str(" or ");
                    }
                    part.write(out);
                }
            }
        }
    }
}
