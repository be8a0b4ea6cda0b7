//! Changes a role.

use auth::Context;
use ids::RoleId;
use input::{Mask, Violations, required_line};
use proto::identity::v1 as pb;

use super::body::{read_fields, read_permissions};
use super::{RoleError, convert, guard, not_found, store, to_change};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx, Touches};
use crate::power::Power;

/// Updates. Unless the change provably takes nothing away, it returns when no older permission can decide any more.
///
/// Errors: 404 `ROLE_NOT_FOUND`, 409 `ROLE_IS_SYSTEM`, 412 `VERSION_STALE`, 422 with all violations, 403
/// `ROLE_EXCEEDS_CALLER` or `TEAM_EXCEEDS_CALLER`, 409 `ROLE_NAME_TAKEN`.
#[tracing::instrument(name = "identity.roles.update", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::UpdateRoleRequest,
) -> Result<pb::UpdateRoleResponse, RoleError> {
    let id = RoleId::parse(&request.id).ok_or_else(not_found)?.uuid();
    let wire = request.role.unwrap_or_default();
    let mut violations = Violations::default();
    let mask = Mask::read(request.update_mask, &wire, &mut violations);

    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let before = to_change(change.tx(), cx, id).await?;
    let mut after = before.clone();
    if mask.has("name") {
        after.name = violations.take("/name", required_line(&wire.name, 100)).unwrap_or_default();
    }
    if mask.has("permissions") {
        after.body.permissions = read_permissions(&wire.permissions, &mut violations);
    }
    if mask.has("fields") {
        after.body.fields = read_fields(&wire.fields, &mut violations);
    }
    violations.into_result()?;
    let same_body = after.body == before.body;
    if same_body && after.name == before.name {
        return Ok(pb::UpdateRoleResponse { role: Some(convert::to_proto(&before)) });
    }
    Power::of(change.tx(), cx).await?.check_role(change.tx(), id, [&before.body, &after.body]).await?;
    after.version += 1;
    after.updated_at = app.clock.now_micros();
    store::update(change.tx(), &after, cx.principal.id).await?;
    let narrows = guard::narrows(&before.body, &after.body);
    let updated = Change {
        object: "role",
        action: "update",
        verb: "updated",
        record_id: id,
        version: after.version,
        owner: None,
        before: Some(convert::to_json(&before)),
        after: Some(convert::to_json(&after)),
        reason: "",
        // Any number may hold it: one version for everyone instead of one row per holder.
        touches: if same_body { Touches::Nobody } else { Touches::Everyone },
        narrows,
    };
    change.record(&app.recorder, &Actor::of(cx), updated).await?;
    change.commit(&app.gate).await?;
    if narrows {
        app.settle.wait().await;
    }
    Ok(pb::UpdateRoleResponse { role: Some(convert::to_proto(&after)) })
}
