//! Users: invited, active, disabled; never deleted, because records name them.

pub(crate) mod accept_invitation;
pub(crate) mod change_password;
pub(crate) mod convert;
pub(crate) mod create;
pub(crate) mod create_password_reset;
pub(crate) mod disable;
pub(crate) mod enable;
pub(crate) mod get;
mod invitations;
mod invite_again;
pub(crate) mod list;
pub(crate) mod names;
mod references;
pub(crate) mod resend_invitation;
pub(crate) mod reset_password;
mod resets;
pub(crate) mod store;
pub(crate) mod update;
pub(crate) mod write;

use auth::{Context, RowFacts, RowPredicate};
use db::TenantTx;
use error::{Code, Error, Reason};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::changes::{Change, Touches};

/// The states of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Invited,
    Active,
    Disabled,
}

impl State {
    /// As it is stored.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    fn read(name: &str) -> Self {
        match name {
            "invited" => Self::Invited,
            "active" => Self::Active,
            // The table's CHECK knows three states; whatever else stood there may not log in.
            _ => Self::Disabled,
        }
    }
}

/// A user as it is stored, with roles and teams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) email: String,
    pub(crate) display_name: String,
    pub(crate) state: State,
    /// Sorted.
    pub(crate) role_ids: Vec<Uuid>,
    /// Sorted.
    pub(crate) team_ids: Vec<Uuid>,
    pub(crate) manager_id: Option<Uuid>,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) updated_at: OffsetDateTime,
}

impl User {
    /// Whether the predicate reaches this user: a user is its own row, and a row of each of its teams.
    pub(crate) fn reached_by(&self, predicate: &RowPredicate) -> bool {
        let row = |team_id| RowFacts { owner_id: Some(self.id), team_id };
        predicate.evaluate(&row(None)) || self.team_ids.iter().any(|t| predicate.evaluate(&row(Some(*t))))
    }
}

/// 404 of a user.
pub(crate) fn not_found() -> Error {
    Error::not_found(Reason::USER_NOT_FOUND)
}

/// The user as it is before a change: one that the caller's permission reaches, at the version that the caller knows.
/// Errors: 404 `USER_NOT_FOUND`, 412 `VERSION_STALE`.
async fn to_change(tx: &mut TenantTx, cx: &Context, id: Uuid) -> Result<User, Error> {
    let user = store::get(tx, id).await?.filter(|u| u.reached_by(cx.reached())).ok_or_else(not_found)?;
    cx.check_version(user.version)?;
    Ok(user)
}

/// A change of a user that takes nothing away, to be recorded; `before` is `None` for a new one.
pub(crate) fn change_of(
    (action, verb): (&'static str, &'static str),
    before: Option<&User>,
    after: &User,
    touches: Touches,
) -> Change {
    Change {
        object: "user",
        action,
        verb,
        record_id: after.id,
        version: after.version,
        owner: Some(after.id),
        before: before.map(convert::to_json),
        after: Some(convert::to_json(after)),
        reason: "",
        touches,
        narrows: false,
    }
}

/// Refuses a change after which nobody could administer. Errors: 409 `LAST_ADMINISTRATOR`.
async fn keep_an_administrator(tx: &mut TenantTx) -> Result<(), Error> {
    if store::active_administrators(tx).await? > 0 {
        return Ok(());
    }
    let text = "the organization needs an active administrator";
    Err(Error::new(Code::FailedPrecondition, Reason::LAST_ADMINISTRATOR, text))
}
