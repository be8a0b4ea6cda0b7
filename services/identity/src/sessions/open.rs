//! Opens a session within a change: its row, its first refresh token, its access token.

use auth::{ACCESS_TTL, Call, PrincipalKind};
use error::Error;
use ids::{SessionId, TenantId};
use secrecy::ExposeSecret;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{IDLE_TTL, MOST_SESSIONS, SESSION_TTL, end, store};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx, Touches};
use crate::secrets::{self, Fresh, Kind};

/// The pair of tokens that answers hold.
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) expires_in: i32,
}

/// Opens a session of `user_id`.
pub(crate) async fn run(
    app: &App,
    change: &mut ChangeTx,
    actor: &Actor,
    call: &Call,
    user_id: Uuid,
) -> Result<Tokens, Error> {
    let now = app.clock.now_micros();
    let id = app.clock.new_uuid();
    let session = store::Session {
        id,
        user_id,
        created_at: now,
        last_used_at: now,
        expires_at: now + SESSION_TTL,
        user_agent: call.user_agent.clone(),
    };
    store::insert(change.tx(), &session).await?;
    for ended in store::end_oldest(change.tx(), user_id, MOST_SESSIONS, now).await? {
        let ended = end::record_of(user_id, ended, "too many sessions");
        change.record(&app.recorder, actor, ended).await?;
    }
    change
        .record(
            &app.recorder,
            actor,
            Change {
                object: "session",
                action: "create",
                verb: "created",
                record_id: id,
                version: 1,
                owner: Some(user_id),
                before: None,
                after: Some(json!({"user_id": user_id, "user_agent": session.user_agent})),
                reason: "",
                // A further session of the same user allows nothing new.
                touches: Touches::Nobody,
                narrows: false,
            },
        )
        .await?;
    let tenant = TenantId::from(change.tx().tenant_id());
    let token_id = app.clock.new_uuid();
    let fresh = secrets::make(Kind::Refresh, tenant, token_id, &app.entropy)?;
    issue(app, change.tx(), &session, (token_id, fresh), now).await
}

/// Gives a session its next pair of tokens.
pub(crate) async fn issue(
    app: &App,
    tx: &mut db::TenantTx,
    session: &store::Session,
    (token_id, fresh): (Uuid, Fresh),
    now: OffsetDateTime,
) -> Result<Tokens, Error> {
    let expires_at = session.expires_at.min(now + IDLE_TTL);
    store::insert_refresh_token(tx, token_id, session.id, &fresh.hash, now, expires_at).await?;
    pair(app, TenantId::from(tx.tenant_id()), session, &fresh, (now, now))
}

/// The pair of tokens that a session got at one time, as it is at another.
pub(super) fn pair(
    app: &App,
    tenant: TenantId,
    session: &store::Session,
    refresh: &Fresh,
    (got_at, now): (OffsetDateTime, OffsetDateTime),
) -> Result<Tokens, Error> {
    let session_id = SessionId::from(session.id);
    let access_token = app
        .signer
        .sign_at(got_at, tenant, PrincipalKind::User, session.user_id, Some(session_id), None)
        .map_err(Error::internal)?;
    let left = ACCESS_TTL.as_secs() as i64 - (now - got_at).whole_seconds().max(0);
    Ok(Tokens {
        access_token,
        refresh_token: refresh.text.expose_secret().to_owned(),
        expires_in: left as i32,
    })
}
