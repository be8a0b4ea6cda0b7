//! Ends the caller's session.

use auth::Context;
use error::{Error, Reason};
use proto::identity::v1 as pb;

use super::end;
use crate::app::App;
use crate::changes::{Actor, ChangeTx};

/// Logs out. A caller without a session (an API key) has nothing to end: 404 `SESSION_NOT_FOUND`.
#[tracing::instrument(name = "identity.sessions.logout", skip_all)]
pub(crate) async fn run(app: &App, cx: &Context) -> Result<pb::LogoutResponse, Error> {
    let session_id = cx.session_id.ok_or_else(|| Error::not_found(Reason::SESSION_NOT_FOUND))?;
    let mut change = ChangeTx::begin_own(&app.db, cx).await?;
    end::run(app, &mut change, &Actor::of(cx), cx.principal.id, session_id.uuid(), "logout").await?;
    change.commit(&app.gate).await?;
    Ok(pb::LogoutResponse {})
}
