//! Opens a session by organisation, address and password.

use auth::VerifiedTenant;
use db::{DbError, TenantTx};
use error::{Error, Reason};
use proto::identity::v1 as pb;
use uuid::Uuid;

use super::open;
use crate::app::App;
use crate::call::PublicCall;
use crate::changes::{Actor, Change, ChangeTx, Touches};
use crate::directory;
use crate::metrics::{self, Outcome};
use crate::passwords::Password;
use crate::places;
use crate::secrets::{self, Kind};
use crate::throttle::{Attempt, Judged, ThrottleError};
use crate::users::{self, State};

/// Why no session was opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// Organisation, user, password or state: nobody learns which.
    #[error("the credentials do not fit")]
    CredentialsInvalid,
    #[error(transparent)]
    Throttled(#[from] ThrottleError),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Refused(#[from] Error),
}

impl From<LoginError> for Error {
    fn from(cause: LoginError) -> Self {
        match cause {
            LoginError::CredentialsInvalid => Self::unauthenticated(
                Reason::CREDENTIALS_INVALID,
                "wrong organization, e-mail address or password",
            ),
            LoginError::Throttled(cause) => cause.into(),
            LoginError::Database(cause) => cause.into(),
            LoginError::Refused(error) => error,
        }
    }
}

/// Logs in, and counts what came of it: see [`attempt`].
pub(crate) async fn run(
    app: &App,
    call: &PublicCall,
    request: pb::LoginRequest,
) -> Result<pb::LoginResponse, LoginError> {
    let mut slowed = false;
    let result = attempt(app, call, request, &mut slowed).await;
    match &result {
        Ok(_) => metrics::login(Outcome::Opened),
        Err(LoginError::CredentialsInvalid) if slowed => metrics::login(Outcome::Slowed),
        Err(LoginError::CredentialsInvalid) => metrics::login(Outcome::Wrong),
        Err(LoginError::Throttled(ThrottleError::Wait(_))) => metrics::login(Outcome::Throttled),
        // The server's fault, or no log-in at all.
        Err(LoginError::Throttled(_) | LoginError::Database(_) | LoginError::Refused(_)) => {}
    }
    result
}

/// Logs in. Whatever does not fit costs the same work and answers the same; only for somebody who knows the password does it
/// matter where a login comes from. Errors: 401 `CREDENTIALS_INVALID`, 429
/// `LOGIN_THROTTLED`, 503 `LOGIN_BUSY`.
#[tracing::instrument(name = "identity.sessions.login", skip_all)]
async fn attempt(
    app: &App,
    call: &PublicCall,
    request: pb::LoginRequest,
    slowed: &mut bool,
) -> Result<pb::LoginResponse, LoginError> {
    let slug = request.organization.trim().to_lowercase();
    let email =
        field_types::email::parse(&request.email).unwrap_or_else(|_| request.email.trim().to_lowercase());
    let presented = request.device_token.as_deref().and_then(|text| secrets::read(Kind::Device, text));

    // A slug or address with NUL cannot be asked for, and names nobody.
    let askable = !slug.contains('\0') && !email.contains('\0');
    let tenant = if askable { directory::store::resolve(&app.db, &slug).await? } else { None };
    let tenant = tenant.map_or_else(directory::nobody, VerifiedTenant::from_directory);
    let mut tx = TenantTx::begin(&app.db, tenant).await?;
    let named = if askable { email.as_str() } else { "" };
    let found = users::store::credentials(&mut tx, named).await?;
    let (id, now) = (found.as_ref().map(|c| c.id), app.clock.now());
    let place = places::of(&mut tx, id, &call.network, presented.as_ref(), now).await?;
    tx.commit().await?;
    let attempt = Attempt::on_account(&slug, &email, call, place);
    attempt.check(&app.db, now).await?;

    // What can be nobody's password costs as much as a wrong one.
    let password = Password::parse(&request.password).ok();
    let stored = found.as_ref().filter(|c| c.state == State::Active).and_then(|c| c.password_hash.clone());
    let fits = app.passwords.verify(&call.network, password, stored.clone()).await?;
    let judged = attempt.judge(&app.db, app.clock.now(), fits).await?;
    *slowed = judged == Judged::AccountWaits;
    if let (Judged::AccountWaits, Some(id)) = (judged, id) {
        note_guessing(app, call, tenant, id).await?;
    }
    let user = found.filter(|_| fits).ok_or(LoginError::CredentialsInvalid)?;

    let actor = Actor::user(user.id, &call.call);
    let mut change = ChangeTx::begin(&app.db, tenant).await?.ok_or(LoginError::CredentialsInvalid)?;
    // Since the verification the user may have been disabled; the head's lock now keeps what is read.
    let current = users::store::credentials(change.tx(), named).await?;
    if !current.is_some_and(|c| c.state == State::Active && c.password_hash == stored) {
        return Err(LoginError::CredentialsInvalid);
    }
    let tokens = open::run(app, &mut change, &actor, &call.call, user.id).await?;
    let (now, network) = (app.clock.now_micros(), Some(call.network.as_str()));
    let device = places::remember(app, change.tx(), user.id, network, place, now).await?;
    change.commit(&app.gate).await?;
    Ok(pb::LoginResponse {
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token,
        expires_in: tokens.expires_in,
        user: Some(pb::SessionUser { id: user.id.to_string(), email, display_name: user.display_name }),
        device_token: Some(device),
    })
}

/// Leaves a row in the audit log, and an event, when an account has begun to wait: there is no mail to its user yet.
async fn note_guessing(
    app: &App,
    call: &PublicCall,
    tenant: VerifiedTenant,
    user_id: Uuid,
) -> Result<(), LoginError> {
    let Some(mut change) = ChangeTx::begin(&app.db, tenant).await? else { return Ok(()) };
    let Some(user) = users::store::get(change.tx(), user_id).await? else { return Ok(()) };
    let noted = Change {
        object: "user",
        action: "slow_logins",
        verb: "logins_slowed",
        record_id: user_id,
        version: user.version,
        owner: Some(user_id),
        before: None,
        after: None,
        reason: "many failed logins from places where the user is not known",
        touches: Touches::Nobody,
        narrows: false,
    };
    change.record(&app.recorder, &Actor::nobody(&call.call), noted).await?;
    change.commit(&app.gate).await?;
    Ok(())
}
