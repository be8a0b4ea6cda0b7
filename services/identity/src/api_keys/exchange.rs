//! Trades an API key for an access token: services accept nothing but access tokens.

use std::time::Duration;

use auth::{ACCESS_TTL, PrincipalKind, VerifiedTenant};
use db::TenantTx;
use error::{Error, Reason};
use proto::identity::v1 as pb;

use super::store;
use crate::app::App;
use crate::secrets::{self, Kind};

/// Uses are noted at most this often.
const NOTED_EVERY: Duration = Duration::from_secs(300);

/// The token. Whatever is wrong with the key answers one 401 `API_KEY_INVALID`; only whoever has the whole key learns that nothing but its
/// time has ended it: 401 `API_KEY_EXPIRED`.
#[tracing::instrument(name = "identity.api_keys.exchange", skip_all)]
pub(crate) async fn run(
    app: &App,
    request: pb::ExchangeApiKeyRequest,
) -> Result<pb::ExchangeApiKeyResponse, Error> {
    let invalid =
        || Error::unauthenticated(Reason::API_KEY_INVALID, "the API key is not valid or was revoked");
    let presented = secrets::read(Kind::ApiKey, &request.api_key).ok_or_else(invalid)?;
    let now = app.clock.now_micros();
    let mut tx = TenantTx::begin(&app.db, VerifiedTenant::from_directory(presented.tenant)).await?;
    let key = store::standing(&mut tx, presented.id).await?;
    let key = key.filter(|key| presented.matches(&key.secret_hash) && key.live).ok_or_else(invalid)?;
    if key.has_expired(now) {
        return Err(expired());
    }
    store::touch(&mut tx, presented.id, now, now - NOTED_EVERY).await?;
    tx.commit().await?;
    let access_token = app
        .signer
        .sign(presented.tenant, PrincipalKind::ApiKey, presented.id, None, None)
        .map_err(Error::internal)?;
    Ok(pb::ExchangeApiKeyResponse {
        access_token,
        expires_in: ACCESS_TTL.as_secs() as i32,
        api_key_id: presented.id.to_string(),
        tenant_id: presented.tenant.to_string(),
    })
}

/// 401: the key has reached its `expires_at`.
pub(crate) fn expired() -> Error {
    Error::unauthenticated(Reason::API_KEY_EXPIRED, "the API key has expired; create a new one")
}
