//! Trades a service's secret for a token that acts in one tenant for one principal.

use auth::{ACCESS_TTL, VerifiedTenant};
use config::ExposeSecret;
use error::Error;
use ids::{TenantId, UserId};
use proto::identity::v1 as pb;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::get_snapshot::kind_of_live;
use crate::identity::Identity;

/// The token; it has the principal's current permissions, asked for again with every batch.
///
/// Errors: 401 `SERVICE_SECRET_INVALID`, 401 `SESSION_REVOKED` when the principal is not live.
#[tracing::instrument(name = "identity.permissions.exchange_service_token", skip_all, fields(service = request.service))]
pub(crate) async fn run(
    identity: &Identity,
    request: pb::ExchangeServiceTokenRequest,
) -> Result<pb::ExchangeServiceTokenResponse, Error> {
    let known = identity.service_secrets.get(&request.service).map(|s| s.expose_secret());
    if !fits(known, &request.secret) {
        return Err(Error::unauthenticated(
            "SERVICE_SECRET_INVALID",
            "the service and its secret do not fit",
        ));
    }
    let gone = || Error::unauthenticated("SESSION_REVOKED", "the principal is not live");
    let tenant = TenantId::parse(&request.tenant_id).ok_or_else(gone)?;
    let principal = UserId::parse(&request.act_for).ok_or_else(gone)?.uuid();
    let verified = VerifiedTenant::from_directory(tenant);
    let kind =
        kind_of_live(&identity.db, verified, principal, identity.clock.now()).await?.ok_or_else(gone)?;
    let access_token = identity
        .signer
        .sign(tenant, kind, principal, None, Some(request.service))
        .map_err(Error::internal)?;
    Ok(pb::ExchangeServiceTokenResponse { access_token, expires_in: ACCESS_TTL.as_secs() as i32 })
}

/// Compares digests, so that neither content nor length of the secret shows in the time; an unknown service takes as long.
fn fits(known: Option<&str>, given: &str) -> bool {
    let same = Sha256::digest(known.unwrap_or_default()).ct_eq(&Sha256::digest(given));
    known.is_some() && bool::from(same)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn only_a_known_service_with_its_own_secret_fits() {
        assert!(fits(Some("secret"), "secret"));
        assert!(!fits(Some("secret"), "secre") && !fits(None, "") && !fits(None, "secret"));
    }
}
