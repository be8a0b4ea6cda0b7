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
use crate::secrets::{self, Kind};

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
        change.record(&app.clock, actor, ended).await?;
    }
    change
        .record(
            &app.clock,
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
    issue(app, change.tx(), &session, now).await
}

/// Makes the next pair of tokens of a session.
pub(crate) async fn issue(
    app: &App,
    tx: &mut db::TenantTx,
    session: &store::Session,
    now: OffsetDateTime,
) -> Result<Tokens, Error> {
    let tenant = TenantId::from(tx.tenant_id());
    let token_id = app.clock.new_uuid();
    let fresh = secrets::make(Kind::Refresh, tenant, token_id, &app.entropy)?;
    let expires_at = session.expires_at.min(now + IDLE_TTL);
    store::insert_refresh_token(tx, token_id, session.id, &fresh.hash, now, expires_at).await?;
    let session_id = SessionId::from(session.id);
    let access_token = app
        .signer
        .sign(tenant, PrincipalKind::User, session.user_id, Some(session_id), None)
        .map_err(Error::internal)?;
    Ok(Tokens {
        access_token,
        refresh_token: fresh.text.expose_secret().to_owned(),
        expires_in: ACCESS_TTL.as_secs() as i32,
    })
}
