//! Changes settings of the caller's organization.

use auth::Context;
use error::Error;
use input::{Mask, Violations, required_line};
use proto::identity::v1 as pb;

use super::{Organization, convert, store};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx, Touches};

/// Updates. `null` gives a setting its default back. Services learn of it with the permissions of their callers.
///
/// Errors: 403 `PERMISSION_DENIED`, 412 `VERSION_STALE`, 422 with all violations.
#[tracing::instrument(name = "identity.organization.update", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::UpdateOrganizationRequest,
) -> Result<pb::UpdateOrganizationResponse, Error> {
    cx.require_scope_all()?;
    let wire = request.organization.unwrap_or_default();
    let mut violations = Violations::default();
    let mask = Mask::read(request.update_mask, &wire, &mut violations);
    let name = mask.has("name").then(|| violations.take("/name", required_line(&wire.name, 200))).flatten();
    violations.into_result()?;
    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let result = apply(app, cx, &mut change, &mask, (&wire, name)).await;
    let organization = change.settle(&app.gate, result).await?;
    Ok(pb::UpdateOrganizationResponse { organization: Some(convert::to_proto(cx, &organization)) })
}

async fn apply(
    app: &App,
    cx: &Context,
    change: &mut ChangeTx,
    mask: &Mask,
    (wire, name): (&pb::Organization, Option<String>),
) -> Result<Organization, Error> {
    let before = store::get(change.tx()).await?;
    cx.check_version(before.version)?;
    let mut after = before.clone();
    if mask.has("duplicate_check") {
        after.duplicate_check = wire.duplicate_check.unwrap_or(true);
    }
    after.name = name.unwrap_or(after.name);
    if after == before {
        return Ok(before);
    }
    after.version += 1;
    store::update(change.tx(), &after).await?;
    let updated = Change {
        object: "organization",
        action: "update",
        verb: "updated",
        record_id: cx.tenant.id().uuid(),
        version: after.version,
        owner: None,
        before: Some(convert::to_json(&before)),
        after: Some(convert::to_json(&after)),
        reason: "",
        // Settings reach the other services in the snapshots of their callers.
        touches: Touches::Everyone,
        narrows: false,
    };
    change.record(&app.recorder, &Actor::of(cx), updated).await?;
    Ok(after)
}
