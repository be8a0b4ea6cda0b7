//! Sets a new password by the token of a reset.

use auth::VerifiedTenant;
use error::{Error, Reason};
use input::Violations;
use proto::identity::v1 as pb;

use super::{State, change_of, resets, store};
use crate::app::App;
use crate::call::PublicCall;
use crate::changes::{Actor, Change, ChangeTx, Touches};
use crate::places::{self, Place};
use crate::power::{Power, within};
use crate::secrets::{self, Kind};
use crate::throttle::Attempt;
use crate::{calendar_feeds, passwords, sessions, tenants};

/// Sets it, once. Every session ends, and where the user has logged in before is forgotten; the answer holds the token by which this device
/// is known at the login that follows. API keys stay.
///
/// Errors: 401 `PASSWORD_RESET_INVALID`, 422 with all violations, 429 `LOGIN_THROTTLED`, 503 `LOGIN_BUSY`.
#[tracing::instrument(name = "identity.users.reset_password", skip_all)]
pub(crate) async fn run(
    app: &App,
    call: &PublicCall,
    request: pb::ResetPasswordRequest,
) -> Result<pb::ResetPasswordResponse, Error> {
    // Not one of ours, used, expired, replaced, or its maker may do it no more: nobody learns which.
    let invalid = || {
        let text = "the reset token is not valid, was used or has expired";
        Error::unauthenticated(Reason::PASSWORD_RESET_INVALID, text)
    };
    let presented = secrets::read(Kind::PasswordReset, &request.token).ok_or_else(invalid)?;
    let target = format!("{}/{}", presented.tenant, presented.id);
    let attempt = Attempt::on(&["password reset", &target], call);
    attempt.check(&app.db, app.clock.now()).await?;

    let tenant = VerifiedTenant::from_directory(presented.tenant);
    let mut tx = db::TenantTx::begin(&app.db, tenant).await?;
    let pending = resets::pending(&mut tx, presented.id, app.clock.now()).await?;
    let user = match pending.filter(|p| presented.matches(&p.secret_hash)) {
        Some(pending) => store::get(&mut tx, pending.user_id).await?,
        None => None,
    };
    let organization = tenants::store::get(&mut tx).await?;
    tx.commit().await?;
    attempt.judge(&app.db, app.clock.now(), user.is_some()).await?;
    let (Some(user), Some(organization)) = (user, organization) else { return Err(invalid()) };

    let known = [&user.email, &organization.slug, &organization.organization, &user.display_name];
    let known = known.map(String::as_str);
    let mut violations = Violations::default();
    let password = passwords::choose(&request.password, "/password", &known, &mut violations);
    let password = password.ok_or_else(|| violations.into_error())?;
    let password_hash = app.passwords.hash(&call.network, password).await?;

    let mut change = ChangeTx::begin(&app.db, tenant).await?.ok_or_else(invalid)?;
    let now = app.clock.now_micros();
    // Two may have come this far with one token: the head's lock lets the second find it used. And since it was made its user may have
    // become more powerful than whoever made it, who still knows it and may have lost the right to make one.
    let pending = resets::pending(change.tx(), presented.id, now).await?.ok_or_else(invalid)?;
    let before = store::get(change.tx(), user.id).await?.filter(|u| u.state == State::Active);
    let before = before.ok_or_else(invalid)?;
    let maker = Power::of_maker(change.tx(), pending.created_by, now).await?.ok_or_else(invalid)?;
    if !maker.may("update", &before) || !within(maker.check_hand_over(change.tx(), &before).await)? {
        return Err(invalid());
    }
    let mut after = before.clone();
    after.version += 1;
    after.updated_at = now;
    store::update(change.tx(), &after, user.id).await?;
    store::set_password(change.tx(), user.id, &password_hash).await?;
    resets::end(change.tx(), user.id).await?;
    sessions::store::end_all(change.tx(), user.id, now).await?;
    // Whoever had a session could have made it.
    calendar_feeds::store::delete(change.tx(), user.id).await?;
    places::store::forget(change.tx(), user.id).await?;
    let network = Some(call.network.as_str());
    let device = places::remember(app, change.tx(), user.id, network, Place::Unknown, now).await?;
    let touches = Touches::Principal(user.id);
    let verbs = ("reset_password", "password_reset");
    let reset = Change { narrows: true, ..change_of(verbs, Some(&before), &after, touches) };
    change.record(&app.recorder, &Actor::user(user.id, &call.call), reset).await?;
    change.commit(&app.gate).await?;
    app.settle.wait().await;
    Ok(pb::ResetPasswordResponse { device_token: Some(device) })
}
