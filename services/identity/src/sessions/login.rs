//! Opens a session by organisation, address and password.

use auth::VerifiedTenant;
use db::{DbError, TenantTx};
use error::Error;
use proto::identity::v1 as pb;
use secrecy::SecretString;

use super::open;
use crate::call::PublicCall;
use crate::changes::{Actor, ChangeTx};
use crate::directory;
use crate::identity::Identity;
use crate::throttle::{Attempt, ThrottleError};
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
                "CREDENTIALS_INVALID",
                "organisation, e-mail address and password do not fit together",
            ),
            LoginError::Throttled(cause) => cause.into(),
            LoginError::Database(cause) => cause.into(),
            LoginError::Refused(error) => error,
        }
    }
}

/// Logs in. Whatever does not fit costs the same work and answers the same. Errors: 401 `CREDENTIALS_INVALID`, 429
/// `LOGIN_THROTTLED`, 503 `LOGIN_BUSY`.
#[tracing::instrument(name = "identity.sessions.login", skip_all)]
pub(crate) async fn run(
    identity: &Identity,
    call: &PublicCall,
    request: pb::LoginRequest,
) -> Result<pb::LoginResponse, LoginError> {
    let slug = request.organization.trim().to_lowercase();
    let email =
        field_types::email::parse(&request.email).unwrap_or_else(|_| request.email.trim().to_lowercase());
    let attempt = Attempt::on(&["account", &slug, &email], call);
    attempt.check(&identity.db, identity.clock.now()).await?;

    // A slug or address with NUL cannot be asked for, and names nobody.
    let askable = !slug.contains('\0') && !email.contains('\0');
    let tenant = if askable { directory::store::resolve(&identity.db, &slug).await? } else { None };
    let tenant = tenant.map_or_else(directory::nobody, VerifiedTenant::from_directory);
    let mut tx = TenantTx::begin(&identity.db, tenant).await?;
    let email = if askable { email } else { String::new() };
    let found = users::store::credentials(&mut tx, &email).await?;
    tx.commit().await?;

    let password = SecretString::from(request.password);
    let stored = found.as_ref().filter(|c| c.state == State::Active).and_then(|c| c.password_hash.clone());
    let fits = identity.passwords.verify(password, stored.clone()).await?;
    attempt.judge(&identity.db, identity.clock.now(), fits).await?;
    let user = found.filter(|_| fits).ok_or(LoginError::CredentialsInvalid)?;

    let actor = Actor::user(user.id, &call.call);
    let mut change = ChangeTx::begin(&identity.db, tenant).await?.ok_or(LoginError::CredentialsInvalid)?;
    // Since the verification the user may have been disabled; the head's lock now keeps what is read.
    let current = users::store::credentials(change.tx(), &email).await?;
    if !current.is_some_and(|c| c.state == State::Active && c.password_hash == stored) {
        return Err(LoginError::CredentialsInvalid);
    }
    let tokens = open::run(identity, &mut change, &actor, &call.call, user.id).await?;
    change.commit(&identity.gate).await?;
    Ok(pb::LoginResponse {
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token,
        expires_in: tokens.expires_in,
        user: Some(pb::SessionUser { id: user.id.to_string(), email, display_name: user.display_name }),
    })
}
