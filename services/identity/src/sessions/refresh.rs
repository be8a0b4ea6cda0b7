//! Trades a refresh token for the next pair.
//!
//! A token is good once. Its second use means that two parties hold it, and nobody can say which is the thief: the session
//! ends (RFC 9700, 4.14.2). But a client that lost the answer, or asked from two tabs at once, uses it twice too. So for
//! [`ANSWERED_AGAIN`] the same client gets the same pair again, as long as that is unused; the same client is the same `User-Agent` in the
//! same network. A thief who comes in that time holds what the client holds, and is found out as before, when either goes on.

use auth::VerifiedTenant;
use db::{DbError, TenantTx};
use error::{Error, Reason};
use ids::TenantId;
use proto::identity::v1 as pb;
use time::OffsetDateTime;

use super::open::Tokens;
use super::{ANSWERED_AGAIN, end, open, store, succession};
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
    if let Some(used_at) = token.used_at {
        if let Some(tokens) = again(app, call, &mut tx, &token, (used_at, now), &request).await? {
            tx.commit().await?;
            return Ok(answer(tokens));
        }
        // The change takes the head's lock first, like every other; so this lock must go before.
        tx.rollback().await?;
        revoke(app, call, tenant, &token.session).await?;
        return Err(RefreshError::Revoked);
    }
    if token.expires_at <= now || token.session.expires_at <= now {
        return Err(RefreshError::Invalid);
    }
    let next_id = app.clock.new_uuid();
    let next = app.succession.next(presented.tenant, next_id, &request.refresh_token);
    let spent = store::Spent { at: now, by: succession::client(call), successor_id: next_id };
    store::spend_refresh_token(&mut tx, presented.id, &spent).await?;
    store::touch(&mut tx, token.session.id, now).await?;
    let tokens = open::issue(app, &mut tx, &token.session, (next_id, next), now).await?;
    tx.commit().await?;
    Ok(answer(tokens))
}

/// The pair that the token was spent for, where the client that spent it may have lost the answer.
async fn again(
    app: &App,
    call: &PublicCall,
    tx: &mut TenantTx,
    token: &store::RefreshToken,
    (used_at, now): (OffsetDateTime, OffsetDateTime),
    request: &pb::RefreshRequest,
) -> Result<Option<Tokens>, RefreshError> {
    let same_client = token.used_by.as_deref() == Some(succession::client(call).as_slice());
    let in_time = now - used_at <= ANSWERED_AGAIN && token.session.expires_at > now;
    let Some(next_id) = token.successor_id.filter(|_| same_client && in_time) else { return Ok(None) };
    let tenant = TenantId::from(tx.tenant_id());
    let next = app.succession.next(tenant, next_id, &request.refresh_token);
    // A statement of its own: the lock's may have begun before the other use had committed.
    match store::unused_hash(tx, next_id).await? {
        Some(stored) if stored == next.hash => {
            Ok(Some(open::pair(app, tenant, &token.session, &next, (used_at, now))?))
        }
        _ => Ok(None),
    }
}

fn answer(tokens: Tokens) -> pb::RefreshResponse {
    pb::RefreshResponse {
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token,
        expires_in: tokens.expires_in,
    }
}

async fn revoke(
    app: &App,
    call: &PublicCall,
    tenant: VerifiedTenant,
    session: &store::Session,
) -> Result<(), RefreshError> {
    let tenant_id = tenant.id();
    tracing::warn!(%tenant_id, session.id = %session.id, "a refresh token was used twice; the session ends");
    let actor = Actor::user(session.user_id, &call.call);
    let mut change = ChangeTx::begin(&app.db, tenant).await?.ok_or(RefreshError::Invalid)?;
    end::run(app, &mut change, &actor, session.user_id, session.id, "refresh token used twice").await?;
    change.commit(&app.gate).await?;
    Ok(())
}
