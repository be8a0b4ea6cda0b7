//! Trades a service's secret for the token that says which service calls.
//!
//! There is no brake on guesses: a secret has 32 bytes or more, and a brake by address would let whoever shares a service's
//! address keep it out, and the fleet with it. A wrong secret costs one hash.

use auth::SERVICE_TTL;
use error::Error;
use proto::identity::v1 as pb;

use crate::app::App;

/// The token. Errors: 401 `SERVICE_SECRET_INVALID`.
#[tracing::instrument(name = "identity.permissions.exchange_service_secret", skip_all)]
pub(crate) fn run(
    app: &App,
    request: &pb::ExchangeServiceSecretRequest,
) -> Result<pb::ExchangeServiceSecretResponse, Error> {
    app.service_secrets.check(&request.service, &request.secret)?;
    let service_token = app.signer.sign_service(&request.service).map_err(Error::internal)?;
    Ok(pb::ExchangeServiceSecretResponse { service_token, expires_in: SERVICE_TTL.as_secs() as i32 })
}
