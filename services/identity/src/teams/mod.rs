//! Teams: the nodes of the team tree.

pub(crate) mod convert;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod store;
pub(crate) mod update;

use auth::{Context, RowFacts};
use db::TenantTx;
use error::{Error, Reason};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::changes::{Change, Touches};

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

/// The team as it is before a change: one that the caller's permission reaches, at the version that the caller knows.
/// Errors: 404 `TEAM_NOT_FOUND`, 412 `VERSION_STALE`.
async fn to_change(tx: &mut TenantTx, cx: &Context, id: Uuid) -> Result<Team, Error> {
    let team =
        store::get(tx, id).await?.filter(|t| cx.reached().evaluate(&t.facts())).ok_or_else(not_found)?;
    cx.check_version(team.version)?;
    Ok(team)
}

/// A change of a team that takes nothing away, to be recorded: `before` is `None` for a new one, `after` for one that goes.
fn change_of(
    (action, verb): (&'static str, &'static str),
    before: Option<&Team>,
    after: Option<&Team>,
    touches: Touches,
) -> Change {
    let version = after.map(|team| team.version).or(before.map(|team| team.version + 1));
    Change {
        object: "team",
        action,
        verb,
        record_id: after.or(before).map(|team| team.id).unwrap_or_default(),
        version: version.unwrap_or_default(),
        owner: None,
        before: before.map(convert::to_json),
        after: after.map(convert::to_json),
        reason: "",
        touches,
        narrows: false,
    }
}
