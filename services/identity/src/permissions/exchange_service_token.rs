//! Trades a service's secret for a token that acts in one tenant for one principal.
//!
//! The call shows the service's token like every internal one, and the secret besides: a token that leaks may tell who calls for
//! five minutes, but opens no tenant.

use auth::{ACCESS_TTL, VerifiedTenant};
use error::{Code, Error, Reason};
use fleet::Role;
use ids::{TenantId, UserId};
use proto::identity::v1 as pb;

use super::get_snapshot::kind_of_live;
use crate::app::App;

/// The token; it has the principal's current permissions, asked for again with every batch.
///
/// Errors: 401 `SERVICE_SECRET_INVALID`, 403 `SERVICE_NOT_ACTING`, 401 `SESSION_REVOKED` when the principal is not live.
#[tracing::instrument(name = "identity.permissions.exchange_service_token", skip_all, fields(service = request.service))]
pub(crate) async fn run(
    app: &App,
    request: pb::ExchangeServiceTokenRequest,
) -> Result<pb::ExchangeServiceTokenResponse, Error> {
    app.service_secrets.check(&request.service, &request.secret)?;
    if !Role::named(&request.service).is_some_and(|role| role.member().acts_for_principals) {
        let text = "this service may not act for a principal";
        return Err(Error::new(Code::PermissionDenied, Reason::SERVICE_NOT_ACTING, text));
    }
    let gone = || Error::unauthenticated(Reason::SESSION_REVOKED, "the principal is not live");
    let tenant = TenantId::parse(&request.tenant_id).ok_or_else(gone)?;
    let principal = UserId::parse(&request.act_for).ok_or_else(gone)?.uuid();
    let verified = VerifiedTenant::from_directory(tenant);
    let kind = kind_of_live(&app.db, verified, principal, app.clock.now()).await?.ok_or_else(gone)?;
    let access_token =
        app.signer.sign(tenant, kind, principal, None, Some(request.service)).map_err(Error::internal)?;
    Ok(pb::ExchangeServiceTokenResponse { access_token, expires_in: ACCESS_TTL.as_secs() as i32 })
}
