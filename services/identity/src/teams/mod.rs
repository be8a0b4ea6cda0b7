//! Teams: the nodes of the team tree.

pub(crate) mod convert;
pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod store;

use auth::RowFacts;
use error::{Error, Reason};
use time::OffsetDateTime;
use uuid::Uuid;

/// A team as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Team {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) parent_id: Option<Uuid>,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) created_by: Uuid,
}

impl Team {
    /// What row rules look at: a team is a row of its maker and of itself.
    pub(crate) fn facts(&self) -> RowFacts {
        RowFacts { owner_id: Some(self.created_by), team_id: Some(self.id) }
    }
}

/// 404 of a team.
pub(crate) fn not_found() -> Error {
    Error::not_found(Reason::TEAM_NOT_FOUND)
}
