//! Invites a user again who has not accepted.

use auth::Context;
use error::{Code, Error, Reason};
use ids::UserId;
use proto::identity::v1 as pb;
use secrecy::ExposeSecret;

use super::{State, change_of, convert, create, invitations, not_found, store, to_change};
use crate::app::App;
use crate::changes::{Actor, ChangeTx, Touches};
use crate::power::Power;
use crate::refusals::{refuse_idempotency_key, refuse_key};

/// Makes a new invitation; the one before, run out or not, ends. Who holds the token may become the user, so all of the user
/// must lie within the caller's reach.
///
/// Errors: 403 `SESSION_REQUIRED`, 404 `USER_NOT_FOUND`, 409 `USER_NOT_INVITED`, 403 `ROLE_EXCEEDS_CALLER` or `TEAM_EXCEEDS_CALLER`.
#[tracing::instrument(name = "identity.users.resend_invitation", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::ResendInvitationRequest,
) -> Result<pb::ResendInvitationResponse, Error> {
    refuse_idempotency_key(&cx.call)?;
    refuse_key(cx)?;
    let id = UserId::parse(&request.id).ok_or_else(not_found)?.uuid();
    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let before = to_change(change.tx(), cx, id).await?;
    Power::of(change.tx(), cx).await?.check_hand_over(change.tx(), &before).await?;
    if before.state != State::Invited {
        let text = "only a user who has not accepted an invitation can be invited again";
        return Err(Error::new(Code::FailedPrecondition, Reason::USER_NOT_INVITED, text));
    }
    let mut after = before.clone();
    after.version += 1;
    after.updated_at = app.clock.now_micros();
    store::update(change.tx(), &after, cx.principal.id).await?;
    invitations::end_pending(change.tx(), id).await?;
    let token = create::invite(app, change.tx(), id, cx.principal.id).await?;
    let invited = change_of(("resend_invitation", "invited_again"), Some(&before), &after, Touches::Nobody);
    change.record(&app.recorder, &Actor::of(cx), invited).await?;
    change.commit(&app.gate).await?;
    let invitation_token = Some(token.expose_secret().to_owned());
    Ok(pb::ResendInvitationResponse {
        user: Some(pb::User { invitation_token, ..convert::to_proto(&after) }),
    })
}
