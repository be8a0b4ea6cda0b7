//! Roles: named sets of permissions and field rules.

pub(crate) mod body;
pub(crate) mod convert;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod guard;
pub(crate) mod list;
pub(crate) mod names;
pub(crate) mod store;
pub(crate) mod update;

use auth::{Context, RowFacts};
use body::RoleBody;
use db::{DbError, TenantTx};
use error::{Code, Error, Reason};
use time::OffsetDateTime;
use uuid::Uuid;

/// A role as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) name: String,
    /// The administrators' role: made by sign-up, never changed.
    pub(crate) system: bool,
    pub(crate) body: RoleBody,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) created_by: Uuid,
    pub(crate) updated_at: OffsetDateTime,
}

/// The name of the role that sign-up makes.
pub(crate) const ADMINISTRATOR: &str = "Administrator";

impl Role {
    /// What row rules look at: a role is a row of its maker.
    pub(crate) fn facts(&self) -> RowFacts {
        RowFacts { owner_id: Some(self.created_by), team_id: None }
    }
}

/// Why a role was not made, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoleError {
    #[error("another role has the name")]
    NameTaken(#[source] DbError),
    #[error("users hold the role")]
    InUse,
    #[error("the role is the system's")]
    System,
    #[error(transparent)]
    Refused(#[from] Error),
}

impl From<RoleError> for Error {
    fn from(cause: RoleError) -> Self {
        match cause {
            RoleError::NameTaken(_) => {
                Self::new(Code::AlreadyExists, Reason::ROLE_NAME_TAKEN, "another role has this name")
                    .with_metadata("field", "name")
            }
            RoleError::InUse => {
                Self::new(Code::FailedPrecondition, Reason::ROLE_IN_USE, "users hold this role")
            }
            RoleError::System => Self::new(
                Code::FailedPrecondition,
                Reason::ROLE_IS_SYSTEM,
                "this role cannot be changed or deleted",
            ),
            RoleError::Refused(error) => error,
        }
    }
}

impl From<DbError> for RoleError {
    fn from(cause: DbError) -> Self {
        match cause.duplicate() {
            Some("role_name") => Self::NameTaken(cause),
            _ => Self::Refused(cause.into()),
        }
    }
}

/// The role as it is before a change: one that the caller's permission reaches, not the system's, at the version that the
/// caller knows. Errors: 404 `ROLE_NOT_FOUND`, 409 `ROLE_IS_SYSTEM`, 412 `VERSION_STALE`.
async fn to_change(tx: &mut TenantTx, cx: &Context, id: Uuid) -> Result<Role, RoleError> {
    let found = store::get(tx, id).await?;
    let role = found.filter(|role| cx.reached().evaluate(&role.facts())).ok_or_else(not_found)?;
    if role.system {
        return Err(RoleError::System);
    }
    cx.check_version(role.version)?;
    Ok(role)
}

/// 404 of a role.
pub(crate) fn not_found() -> Error {
    Error::not_found(Reason::ROLE_NOT_FOUND)
}
