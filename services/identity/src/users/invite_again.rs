//! Invites at an address whose user is still invited: whoever lost the answer, or let the invitation run out, asks as for the first
//! time.

use auth::{Context, PrincipalKind};
use error::{Error, Reason};
use input::Violations;
use proto::identity::v1 as pb;
use secrecy::ExposeSecret;

use super::{State, User, change_of, convert, create, invitations, store, write};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx};
use crate::power::Power;

/// The user of this address whom the caller may invite again as `wanted`; `None`: for this caller the address is taken. A key invites
/// nobody again: it gets no token, and would only end the one that somebody holds. What differs from the first time is a change of the
/// user, which needs the permission for that.
pub(super) async fn of(change: &mut ChangeTx, cx: &Context, wanted: &User) -> Result<Option<User>, Error> {
    let found = store::credentials(change.tx(), &wanted.email).await?;
    let Some(found) = found.filter(|c| c.state == State::Invited) else { return Ok(None) };
    let Some(before) = store::get(change.tx(), found.id).await? else { return Ok(None) };
    let may = cx.principal.kind != PrincipalKind::ApiKey
        && before.reached_by(cx.reached())
        && anew(&before, wanted).reached_by(cx.reached())
        && (anew(&before, wanted) == before || before.reached_by(&cx.snapshot.predicate("user", "update")));
    Ok(may.then_some(before))
}

/// Makes the user what the call wants and a new invitation; the one before ends. Errors: 422 `REFERENCE_CYCLE`, 403
/// `ROLE_EXCEEDS_CALLER`, `TEAM_EXCEEDS_CALLER` or `MANAGER_EXCEEDS_CALLER`.
pub(super) async fn run(
    app: &App,
    cx: &Context,
    mut change: ChangeTx,
    before: User,
    wanted: &User,
) -> Result<pb::CreateUserResponse, Error> {
    let (id, by) = (before.id, cx.principal.id);
    let mut after = anew(&before, wanted);
    if let Some(manager) = after.manager_id.filter(|_| after.manager_id != before.manager_id)
        && store::manages(change.tx(), id, manager).await?
    {
        let mut violations = Violations::default();
        let text = "a user cannot be their own manager, directly or indirectly";
        violations.note("/manager_id", Reason::REFERENCE_CYCLE, text);
        return Err(violations.into_error());
    }
    let power = Power::of(change.tx(), cx).await?;
    power.check_change(change.tx(), &before, &after).await?;
    power.check_hand_over(change.tx(), &after).await?;
    after.version += 1;
    after.updated_at = app.clock.now_micros();
    let effect = write::changed(change.tx(), &before, &after, by).await?;
    invitations::end_pending(change.tx(), id).await?;
    let token = create::invite(app, change.tx(), id, by).await?;
    let verbs = ("resend_invitation", "invited_again");
    let invited =
        Change { narrows: effect.narrows, ..change_of(verbs, Some(&before), &after, effect.touches) };
    change.record(&app.recorder, &Actor::of(cx), invited).await?;
    change.commit(&app.gate).await?;
    if effect.narrows {
        app.settle.wait().await;
    }
    let invitation_token = Some(token.expose_secret().to_owned());
    Ok(pb::CreateUserResponse { user: Some(pb::User { invitation_token, ..convert::to_proto(&after) }) })
}

/// The user with what the call says of a new one.
fn anew(before: &User, wanted: &User) -> User {
    User {
        display_name: wanted.display_name.clone(),
        role_ids: wanted.role_ids.clone(),
        team_ids: wanted.team_ids.clone(),
        manager_id: wanted.manager_id,
        ..before.clone()
    }
}
