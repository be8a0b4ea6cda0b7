//! Trades a refresh token for the next pair.
//!
//! A token is good once. Its second use means that two parties hold it, and nobody can say which is the thief: the session
//! ends. No grace for two uses at once: a client that repeats a call whose answer it lost must log in again.

use auth::VerifiedTenant;
use db::{DbError, TenantTx};
use error::{Error, Reason};
use proto::identity::v1 as pb;

use super::{end, open, store};
use crate::app::App;
use crate::call::PublicCall;
use crate::changes::{Actor, ChangeTx};
use crate::secrets::{self, Kind};

/// Why there is no next pair.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefreshError {
    /// Not a token of ours, or its time is over.
    #[error("not a live refresh token")]
    Invalid,
    /// The session has ended, or has now, because the token was used before.
    #[error("the session has ended")]
    Revoked,
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Refused(#[from] Error),
}

impl From<RefreshError> for Error {
    fn from(cause: RefreshError) -> Self {
        match cause {
            RefreshError::Invalid => Self::unauthenticated(
                Reason::REFRESH_TOKEN_INVALID,
                "the refresh token is not valid or has expired",
            ),
            RefreshError::Revoked => {
                Self::unauthenticated(Reason::SESSION_REVOKED, "the session has ended; log in again")
            }
            RefreshError::Database(cause) => cause.into(),
            RefreshError::Refused(error) => error,
        }
    }
}

/// Refreshes. Errors: 401 `REFRESH_TOKEN_INVALID`, 401 `SESSION_REVOKED`.
#[tracing::instrument(name = "identity.sessions.refresh", skip_all)]
pub(crate) async fn run(
    app: &App,
    call: &PublicCall,
    request: pb::RefreshRequest,
) -> Result<pb::RefreshResponse, RefreshError> {
    let presented = secrets::read(Kind::Refresh, &request.refresh_token).ok_or(RefreshError::Invalid)?;
    let tenant = VerifiedTenant::from_directory(presented.tenant);
    let now = app.clock.now_micros();
    let mut tx = TenantTx::begin(&app.db, tenant).await?;
    let token = store::lock_refresh_token(&mut tx, presented.id).await?.ok_or(RefreshError::Invalid)?;
    if !presented.matches(&token.secret_hash) {
        return Err(RefreshError::Invalid);
    }
    if token.session_ended || !token.user_active {
        return Err(RefreshError::Revoked);
    }
    if token.used_at.is_some() {
        // The change takes the head's lock first, like every other; so this lock must go before.
        tx.rollback().await?;
        revoke(app, call, tenant, &token.session).await?;
        return Err(RefreshError::Revoked);
    }
    if token.expires_at <= now || token.session.expires_at <= now {
        return Err(RefreshError::Invalid);
    }
    store::spend_refresh_token(&mut tx, presented.id, now).await?;
    store::touch(&mut tx, token.session.id, now).await?;
    let tokens = open::issue(app, &mut tx, &token.session, now).await?;
    tx.commit().await?;
    Ok(pb::RefreshResponse {
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token,
        expires_in: tokens.expires_in,
    })
}

async fn revoke(
    app: &App,
    call: &PublicCall,
    tenant: VerifiedTenant,
    session: &store::Session,
) -> Result<(), RefreshError> {
    tracing::warn!(session.id = %session.id, "a refresh token was used twice; the session ends");
    let actor = Actor::user(session.user_id, &call.call);
    let mut change = ChangeTx::begin(&app.db, tenant).await?.ok_or(RefreshError::Invalid)?;
    end::run(app, &mut change, &actor, session.user_id, session.id, "refresh token used twice").await?;
    change.commit(&app.gate).await?;
    Ok(())
}
