//! Shuts a user out: sessions, API keys, the address of the calendar, and a token that would let the user in, end at once.

use auth::Context;
use error::Error;
use ids::UserId;
use proto::identity::v1 as pb;

use super::{
    State, change_of, convert, invitations, keep_an_administrator, not_found, resets, store, to_change,
};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx, Touches};
use crate::power::Power;
use crate::{api_keys, calendar_feeds, places, sessions};

/// Disables; returns when no service admits the user or its keys any more. Disabling twice is no error.
///
/// Errors: 404 `USER_NOT_FOUND`, 412 `VERSION_STALE`, 403 `ROLE_EXCEEDS_CALLER` or `TEAM_EXCEEDS_CALLER`, 409
/// `LAST_ADMINISTRATOR`.
#[tracing::instrument(name = "identity.users.disable", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::DisableUserRequest,
) -> Result<pb::DisableUserResponse, Error> {
    let id = UserId::parse(&request.id).ok_or_else(not_found)?.uuid();
    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let before = to_change(change.tx(), cx, id).await?;
    if before.state == State::Disabled {
        return Ok(pb::DisableUserResponse { user: Some(convert::to_proto(&before)) });
    }
    Power::of(change.tx(), cx).await?.check_reach(change.tx(), &before).await?;
    let now = app.clock.now_micros();
    let mut after = before.clone();
    after.state = State::Disabled;
    after.version += 1;
    after.updated_at = now;
    store::update(change.tx(), &after, cx.principal.id).await?;
    sessions::store::end_all(change.tx(), id, now).await?;
    api_keys::store::revoke_all(change.tx(), id, now).await?;
    calendar_feeds::store::delete(change.tx(), id).await?;
    places::store::forget(change.tx(), id).await?;
    // Else a token would open the account once it is enabled again.
    invitations::end_pending(change.tx(), id).await?;
    resets::end(change.tx(), id).await?;
    keep_an_administrator(change.tx()).await?;
    let touches = Touches::Principal(id);
    let disabled =
        Change { narrows: true, ..change_of(("disable", "disabled"), Some(&before), &after, touches) };
    change.record(&app.recorder, &Actor::of(cx), disabled).await?;
    change.commit(&app.gate).await?;
    // The keys of the user have entries of their own, so all of the tenant go.
    app.gate.forget(cx.tenant.id().uuid(), None);
    app.settle.wait().await;
    Ok(pb::DisableUserResponse { user: Some(convert::to_proto(&after)) })
}
