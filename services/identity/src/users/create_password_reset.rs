//! Makes the token by which a user who forgot the password sets a new one.

use std::time::Duration;

use auth::Context;
use error::{Code, Error, Reason};
use ids::{TenantId, UserId};
use proto::identity::v1 as pb;
use proto::timestamp;
use secrecy::ExposeSecret;

use super::{State, change_of, not_found, resets, store, to_change};
use crate::app::App;
use crate::changes::{Actor, ChangeTx, Touches};
use crate::power::Power;
use crate::refusals::{refuse_idempotency_key, refuse_key};
use crate::secrets::{self, Kind};

/// How long it can be used: it is passed on by hand, as there is no mail to the user yet.
const RESET_TTL: Duration = Duration::from_secs(24 * 3_600);

/// Makes it; the one before ends. The password and the sessions stay until it is used. Whoever has the token can become the user, so all of
/// the user must lie within the caller's reach, and the caller's own password is changed by whoever knows it.
///
/// Errors: 403 `SESSION_REQUIRED`, 404 `USER_NOT_FOUND`, 403 `OWN_PASSWORD_RESET`, `ROLE_EXCEEDS_CALLER` or `TEAM_EXCEEDS_CALLER`, 409
/// `USER_NOT_ACTIVE`.
#[tracing::instrument(name = "identity.users.create_password_reset", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::CreatePasswordResetRequest,
) -> Result<pb::CreatePasswordResetResponse, Error> {
    refuse_idempotency_key(&cx.call)?;
    refuse_key(cx)?;
    let user_id = UserId::parse(&request.id).ok_or_else(not_found)?.uuid();
    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let before = to_change(change.tx(), cx, user_id).await?;
    if user_id == cx.user().uuid() {
        // Else a stolen session would need no password to keep the account.
        let text = "change your own password with POST /me/password, which asks for the current one";
        return Err(Error::new(Code::PermissionDenied, Reason::OWN_PASSWORD_RESET, text));
    }
    Power::of(change.tx(), cx).await?.check_hand_over(change.tx(), &before).await?;
    if before.state != State::Active {
        let text = "only an active user has a password to reset; invite one who has not accepted again";
        return Err(Error::new(Code::FailedPrecondition, Reason::USER_NOT_ACTIVE, text));
    }
    let now = app.clock.now_micros();
    let (id, tenant) = (app.clock.new_uuid(), TenantId::from(change.tx().tenant_id()));
    let token = secrets::make(Kind::PasswordReset, tenant, id, &app.entropy)?;
    let reset = resets::Reset {
        id,
        user_id,
        secret_hash: token.hash,
        created_at: now,
        created_by: cx.user().uuid(),
        expires_at: now + RESET_TTL,
    };
    resets::put(change.tx(), &reset).await?;
    let mut after = before.clone();
    after.version += 1;
    after.updated_at = now;
    store::update(change.tx(), &after, cx.principal.id).await?;
    let verbs = ("create_password_reset", "password_reset_created");
    let made = change_of(verbs, Some(&before), &after, Touches::Nobody);
    change.record(&app.recorder, &Actor::of(cx), made).await?;
    change.commit(&app.gate).await?;
    Ok(pb::CreatePasswordResetResponse {
        reset_token: token.text.expose_secret().to_owned(),
        expires_at: Some(timestamp(reset.expires_at)),
    })
}
