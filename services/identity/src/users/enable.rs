//! Lets a disabled user in again.

use auth::Context;
use error::Error;
use ids::UserId;
use proto::identity::v1 as pb;

use super::{State, change_of, convert, not_found, store, to_change};
use crate::app::App;
use crate::changes::{Actor, ChangeTx, Touches};
use crate::power::Power;

/// Enables; one who never accepted an invitation is in the state `invited` again and needs a new one. Sessions, keys and invitations stay
/// ended. Enabling an enabled user is no error.
///
/// Errors: 404 `USER_NOT_FOUND`, 412 `VERSION_STALE`, 403 `ROLE_EXCEEDS_CALLER` or `TEAM_EXCEEDS_CALLER`.
#[tracing::instrument(name = "identity.users.enable", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::EnableUserRequest,
) -> Result<pb::EnableUserResponse, Error> {
    let id = UserId::parse(&request.id).ok_or_else(not_found)?.uuid();
    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let before = to_change(change.tx(), cx, id).await?;
    if before.state != State::Disabled {
        return Ok(pb::EnableUserResponse { user: Some(convert::to_proto(&before)) });
    }
    // To enable somebody is to hand out all that they have.
    Power::of(change.tx(), cx).await?.check_reach(change.tx(), &before).await?;
    let mut after = before.clone();
    let has_password = store::has_password(change.tx(), id).await?;
    after.state = if has_password { State::Active } else { State::Invited };
    after.version += 1;
    after.updated_at = app.clock.now_micros();
    store::update(change.tx(), &after, cx.principal.id).await?;
    let enabled = change_of(("enable", "enabled"), Some(&before), &after, Touches::Principal(id));
    change.record(&app.recorder, &Actor::of(cx), enabled).await?;
    change.commit(&app.gate).await?;
    Ok(pb::EnableUserResponse { user: Some(convert::to_proto(&after)) })
}
