//! Shows one user.

use auth::Context;
use db::TenantTx;
use error::Error;
use ids::UserId;
use proto::identity::v1 as pb;

use super::{convert, not_found, store};
use crate::app::App;

/// The user. Foreign, invisible and random ids are one 404 `USER_NOT_FOUND`.
#[tracing::instrument(name = "identity.users.get", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::GetUserRequest,
) -> Result<pb::GetUserResponse, Error> {
    let id = UserId::parse(&request.id).ok_or_else(not_found)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let user =
        store::get(&mut tx, id.uuid()).await?.filter(|u| u.reached_by(cx.reached())).ok_or_else(not_found)?;
    tx.commit().await?;
    Ok(pb::GetUserResponse { user: Some(convert::to_proto(&user)) })
}
