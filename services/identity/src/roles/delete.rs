//! Deletes a role that nobody holds.

use auth::Context;
use ids::RoleId;
use proto::identity::v1 as pb;

use super::{RoleError, convert, not_found, store, to_change};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx, Touches};
use crate::power::Power;

/// Deletes, softly. Errors: 404 `ROLE_NOT_FOUND`, 409 `ROLE_IS_SYSTEM`, 403 `ROLE_EXCEEDS_CALLER`, 409 `ROLE_IN_USE`, 412
/// `VERSION_STALE`.
#[tracing::instrument(name = "identity.roles.delete", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::DeleteRoleRequest,
) -> Result<pb::DeleteRoleResponse, RoleError> {
    let id = RoleId::parse(&request.id).ok_or_else(not_found)?.uuid();
    // The head's lock keeps anybody from being given the role meanwhile.
    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let role = to_change(change.tx(), cx, id).await?;
    Power::of(change.tx(), cx).await?.check_role(change.tx(), id, [&role.body, &role.body]).await?;
    if store::is_held(change.tx(), id).await? {
        return Err(RoleError::InUse);
    }
    store::delete(change.tx(), id, app.clock.now_micros(), cx.principal.id).await?;
    let deleted = Change {
        object: "role",
        action: "delete",
        verb: "deleted",
        record_id: id,
        version: role.version + 1,
        owner: None,
        before: Some(convert::to_json(&role)),
        after: None,
        reason: "",
        touches: Touches::Nobody,
        narrows: false,
    };
    change.record(&app.recorder, &Actor::of(cx), deleted).await?;
    change.commit(&app.gate).await?;
    Ok(pb::DeleteRoleResponse {})
}
