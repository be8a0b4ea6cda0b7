//! Makes a role.

use auth::{Answer, Context};
use db::idempotency;
use input::{Violations, required_line};
use proto::identity::v1 as pb;

use super::body::{RoleBody, read_fields, read_permissions};
use super::{Role, RoleError, convert, guard, store};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx, Touches};

const RPC: &str = <pb::CreateRoleRequest as proto::Rpc>::NAME;

/// Creates. Errors: 422 with all violations, 403 `ROLE_EXCEEDS_CALLER`, 409 `ROLE_NAME_TAKEN`.
#[tracing::instrument(name = "identity.roles.create", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::CreateRoleRequest,
) -> Result<Answer<pb::CreateRoleResponse>, RoleError> {
    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let result = make(app, cx, &mut change, request).await;
    change.settle(&app.gate, result).await
}

async fn make(
    app: &App,
    cx: &Context,
    change: &mut ChangeTx,
    request: pb::CreateRoleRequest,
) -> Result<Answer<pb::CreateRoleResponse>, RoleError> {
    let now = app.clock.now_micros();
    let claim = idempotency::claim(change.tx(), cx, RPC, &request, now).await?;
    if let Some(first) = claim.replayed::<pb::CreateRoleResponse>()? {
        let version = first.role.as_ref().map_or(0, |r| r.version);
        return Ok(Answer::of_version(version, first).again());
    }
    let wire = request.role.unwrap_or_default();
    let mut violations = Violations::default();
    let name = violations.take("/name", required_line(&wire.name, 100)).unwrap_or_default();
    let permissions = read_permissions(&wire.permissions, &mut violations);
    let fields = read_fields(&wire.fields, &mut violations);
    violations.into_result()?;
    let body = RoleBody { permissions, fields };
    guard::check(&body, &cx.snapshot)?;

    let id = app.clock.new_uuid();
    let created_by = cx.user().uuid();
    let role =
        Role { id, version: 1, name, system: false, body, created_at: now, created_by, updated_at: now };
    store::insert(change.tx(), &role).await?;
    let created = Change {
        object: "role",
        action: "create",
        verb: "created",
        record_id: id,
        version: 1,
        owner: None,
        before: None,
        after: Some(convert::to_json(&role)),
        reason: "",
        // Nobody holds it yet.
        touches: Touches::Nobody,
        narrows: false,
    };
    change.record(&app.recorder, &Actor::of(cx), created).await?;
    let response = pb::CreateRoleResponse { role: Some(convert::to_proto(&role)) };
    claim.keep(change.tx(), &response).await?;
    Ok(Answer::of_version(1, response))
}
