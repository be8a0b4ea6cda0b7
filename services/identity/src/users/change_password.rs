//! Changes the caller's own password.

use auth::{Context, PrincipalKind};
use error::{Code, Error, Reason};
use input::Violations;
use proto::identity::v1 as pb;

use super::{State, change_of, resets, store};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx, Touches};
use crate::passwords::{self, Password};
use crate::places::{self, Place};
use crate::refusals::refuse_idempotency_key;
use crate::throttle::Attempt;
use crate::{sessions, tenants};

/// Changes it, and ends every session but the caller's: whoever knew the old password is out when this returns. Where the user
/// has logged in before is forgotten, too, and a token to reset the password ends; the answer holds the token by which this device is known. API keys stay.
///
/// Errors: 403 `SESSION_REQUIRED`, 403 `CURRENT_PASSWORD_WRONG`, 422 with all violations, 429 `LOGIN_THROTTLED`, 503
/// `LOGIN_BUSY`.
#[tracing::instrument(name = "identity.users.change_password", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::ChangePasswordRequest,
) -> Result<pb::ChangePasswordResponse, Error> {
    refuse_idempotency_key(&cx.call)?;
    let (PrincipalKind::User, Some(session)) = (cx.principal.kind, cx.session_id) else {
        let text = "log in to change your password";
        return Err(Error::new(Code::PermissionDenied, Reason::SESSION_REQUIRED, text));
    };
    let session = session.uuid();
    let gone = || Error::unauthenticated(Reason::SESSION_REVOKED, "the session has ended; log in again");
    let id = cx.principal.id;
    let mut tx = db::TenantTx::begin(&app.db, cx.tenant).await?;
    let organization = tenants::store::get(&mut tx).await?.ok_or_else(gone)?;
    let user = store::get(&mut tx, id).await?.ok_or_else(gone)?;
    let stored = store::credentials(&mut tx, &user.email).await?.and_then(|c| c.password_hash);
    tx.commit().await?;

    let known = [&user.email, &organization.slug, &organization.organization, &user.display_name];
    let mut violations = Violations::default();
    let current = Password::parse(&request.current_password).ok();
    let known = known.map(String::as_str);
    let password = passwords::choose(&request.new_password, "/new_password", &known, &mut violations);
    if password.is_some() && password == current {
        let text = "must differ from the current password";
        violations.note("/new_password", Reason::PASSWORD_UNCHANGED, text);
    }
    let Some(password) = password.filter(|_| violations.is_empty()) else {
        return Err(violations.into_error());
    };

    // By session: a stolen one must not keep its user's others from this.
    let (tenant, of_session) = (cx.tenant.id().to_string(), session.to_string());
    let attempt = Attempt::signed_in(&["change password", &tenant, &of_session]);
    attempt.check(&app.db, app.clock.now()).await?;
    let share = format!("user {id}");
    let fits = app.passwords.verify(&share, current, stored.clone()).await?;
    attempt.judge(&app.db, app.clock.now(), fits).await?;
    if !fits {
        let text = "the current password is wrong";
        return Err(Error::new(Code::PermissionDenied, Reason::CURRENT_PASSWORD_WRONG, text));
    }
    let password_hash = app.passwords.hash(&share, password).await?;

    let mut change = ChangeTx::begin_own(&app.db, cx).await?;
    let now = app.clock.now_micros();
    // Under the head's lock: of two changes at once, and of a change beside a disabling, one comes first.
    let before = store::get(change.tx(), id).await?.filter(|u| u.state == State::Active).ok_or_else(gone)?;
    if !sessions::store::is_live(change.tx(), id, session, now).await? {
        return Err(gone());
    }
    if store::credentials(change.tx(), &before.email).await?.and_then(|c| c.password_hash) != stored {
        let text = "the password was changed in the meantime";
        return Err(Error::new(Code::PermissionDenied, Reason::CURRENT_PASSWORD_WRONG, text));
    }
    let mut after = before.clone();
    after.version += 1;
    after.updated_at = now;
    store::update(change.tx(), &after, id).await?;
    store::set_password(change.tx(), id, &password_hash).await?;
    resets::end(change.tx(), id).await?;
    sessions::store::end_others(change.tx(), id, session, now).await?;
    places::store::forget(change.tx(), id).await?;
    let device = places::remember(app, change.tx(), id, None, Place::Unknown, now).await?;
    let touches = Touches::Principal(id);
    let verbs = ("change_password", "password_changed");
    let changed = Change { narrows: true, ..change_of(verbs, Some(&before), &after, touches) };
    change.record(&app.recorder, &Actor::of(cx), changed).await?;
    change.commit(&app.gate).await?;
    app.settle.wait().await;
    Ok(pb::ChangePasswordResponse { device_token: Some(device) })
}
