//! Shows one role.

use auth::Context;
use db::TenantTx;
use error::Error;
use ids::RoleId;
use proto::identity::v1 as pb;

use super::{convert, not_found, store};
use crate::app::App;

/// The role. Foreign, invisible, deleted and random ids are one 404 `ROLE_NOT_FOUND`.
#[tracing::instrument(name = "identity.roles.get", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::GetRoleRequest,
) -> Result<pb::GetRoleResponse, Error> {
    let id = RoleId::parse(&request.id).ok_or_else(not_found)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let role = store::get(&mut tx, id.uuid())
        .await?
        .filter(|r| cx.reached().evaluate(&r.facts()))
        .ok_or_else(not_found)?;
    tx.commit().await?;
    Ok(pb::GetRoleResponse { role: Some(convert::to_proto(&role)) })
}
