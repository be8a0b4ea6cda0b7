//! Accepts an invitation: sets the password and opens the first session.

use auth::VerifiedTenant;
use db::{DbError, TenantTx};
use error::{Error, Reason};
use input::{Violations, required_line};
use proto::identity::v1 as pb;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{State, User, change_of, invitations, store};
use crate::app::App;
use crate::call::PublicCall;
use crate::changes::{Actor, ChangeTx, Touches};
use crate::places::{self, Place};
use crate::power::{Power, within};
use crate::secrets::{self, Kind};
use crate::sessions::open;
use crate::throttle::{Attempt, ThrottleError};
use crate::{passwords, tenants};

/// Why an invitation was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptInvitationError {
    /// Not one of ours, used, expired, or its user is no longer invited: nobody learns which.
    #[error("not a pending invitation")]
    Invalid,
    #[error(transparent)]
    Throttled(#[from] ThrottleError),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Refused(#[from] Error),
}

impl From<AcceptInvitationError> for Error {
    fn from(cause: AcceptInvitationError) -> Self {
        match cause {
            AcceptInvitationError::Invalid => Self::unauthenticated(
                Reason::INVITATION_INVALID,
                "the invitation is not valid, was used or has expired",
            ),
            AcceptInvitationError::Throttled(cause) => cause.into(),
            AcceptInvitationError::Database(cause) => cause.into(),
            AcceptInvitationError::Refused(error) => error,
        }
    }
}

/// Accepts. Errors: 401 `INVITATION_INVALID`, 422 with all violations, 429 `LOGIN_THROTTLED`, 503 `LOGIN_BUSY`.
#[tracing::instrument(name = "identity.users.accept_invitation", skip_all)]
pub(crate) async fn run(
    app: &App,
    call: &PublicCall,
    request: pb::AcceptInvitationRequest,
) -> Result<pb::AcceptInvitationResponse, AcceptInvitationError> {
    let presented = secrets::read(Kind::Invitation, &request.token).ok_or(AcceptInvitationError::Invalid)?;
    let target = format!("{}/{}", presented.tenant, presented.id);
    let attempt = Attempt::on(&["invitation", &target], call);
    attempt.check(&app.db, app.clock.now()).await?;

    let tenant = VerifiedTenant::from_directory(presented.tenant);
    let mut tx = TenantTx::begin(&app.db, tenant).await?;
    let pending = invitations::pending(&mut tx, presented.id, app.clock.now()).await?;
    let pending = pending.filter(|p| presented.matches(&p.secret_hash));
    let user = match &pending {
        Some(pending) => store::get(&mut tx, pending.user_id).await?,
        None => None,
    };
    let organization = tenants::store::get(&mut tx).await?;
    tx.commit().await?;
    attempt.judge(&app.db, app.clock.now(), user.is_some()).await?;
    let (Some(user), Some(organization)) = (user, organization) else {
        return Err(AcceptInvitationError::Invalid);
    };

    let mut violations = Violations::default();
    let display_name = match &request.display_name {
        Some(name) => violations.take("/display_name", required_line(name, 200)).unwrap_or_default(),
        None => user.display_name.clone(),
    };
    let known =
        [&user.email, &organization.slug, &organization.organization, &display_name].map(String::as_str);
    let password = passwords::choose(&request.password, "/password", &known, &mut violations);
    let Some(password) = password.filter(|_| violations.is_empty()) else {
        return Err(violations.into_error().into());
    };
    let password_hash = app.passwords.hash(&call.network, password).await?;

    let now = app.clock.now_micros();
    let actor = Actor::user(user.id, &call.call);
    let mut change = ChangeTx::begin(&app.db, tenant).await?.ok_or(AcceptInvitationError::Invalid)?;
    // Two may have come this far with one token: the head's lock lets the second find it used.
    let pending = invitations::pending(change.tx(), presented.id, now).await?;
    let maker = pending.ok_or(AcceptInvitationError::Invalid)?.created_by;
    let before = store::get(change.tx(), user.id).await?.ok_or(AcceptInvitationError::Invalid)?;
    if !may_open(change.tx(), maker, &before, now).await? {
        return Err(AcceptInvitationError::Invalid);
    }
    let mut after = before.clone();
    after.display_name = display_name;
    after.state = State::Active;
    after.version += 1;
    after.updated_at = now;
    store::set_password(change.tx(), user.id, &password_hash).await?;
    store::update(change.tx(), &after, user.id).await?;
    invitations::accept(change.tx(), presented.id, now).await?;
    let verbs = ("accept_invitation", "activated");
    let accepted = change_of(verbs, Some(&before), &after, Touches::Principal(user.id));
    change.record(&app.recorder, &actor, accepted).await?;
    let tokens = open::run(app, &mut change, &actor, &call.call, user.id).await?;
    let network = Some(call.network.as_str());
    let device = places::remember(app, change.tx(), user.id, network, Place::Unknown, now).await?;
    change.commit(&app.gate).await?;
    Ok(pb::AcceptInvitationResponse {
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token,
        expires_in: tokens.expires_in,
        device_token: Some(device),
    })
}

/// Whether whoever invited may still invite, and the user lies within the reach that they have now: they hold the token, and others may
/// have made its user powerful since. A key that invited was shown no token, so it may reach less.
async fn may_open(tx: &mut TenantTx, maker: Uuid, user: &User, now: OffsetDateTime) -> Result<bool, Error> {
    let Some(power) = Power::of_maker(tx, maker, now).await?.filter(|power| power.may("create", user)) else {
        return Ok(false);
    };
    if power.is_key() {
        return Ok(true);
    }
    within(power.check_reach(tx, user).await)
}
