//! Ends one of the caller's sessions.

use auth::Context;
use error::{Error, Reason};
use ids::SessionId;
use proto::identity::v1 as pb;

use super::end;
use crate::app::App;
use crate::changes::{Actor, ChangeTx};
use crate::refusals::refuse_key;

/// Ends it. Foreign, ended and random ids are one 404 `SESSION_NOT_FOUND`. Returns when no service admits it any more. An API
/// key ends none: 403.
#[tracing::instrument(name = "identity.sessions.delete", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::DeleteSessionRequest,
) -> Result<pb::DeleteSessionResponse, Error> {
    refuse_key(cx)?;
    let not_found = || Error::not_found(Reason::SESSION_NOT_FOUND);
    let id = SessionId::parse(&request.id).ok_or_else(not_found)?;
    let user_id = cx.user().uuid();
    let mut change = ChangeTx::begin_own(&app.db, cx).await?;
    if !end::run(app, &mut change, &Actor::of(cx), user_id, id.uuid(), "ended by its user").await? {
        return Err(not_found());
    }
    change.commit(&app.gate).await?;
    app.settle.wait().await;
    Ok(pb::DeleteSessionResponse {})
}
