//! Acting for the principal who asked for an operation, after the call that did so has ended.

use std::sync::Arc;

use auth::{Call, Context, Future, Gate};
use error::Error;
use ids::TenantId;
use rpc::identity::Identity;
use secrecy::SecretString;
use uuid::Uuid;

use crate::Claim;

/// Asks identity for a token that acts in a tenant for a principal.
pub type ServiceToken = Arc<dyn Fn(TenantId, Uuid) -> Future<Result<SecretString, Error>> + Send + Sync>;

/// Asks identity.
pub fn service_token(identity: Identity) -> ServiceToken {
    Arc::new(move |tenant, act_for| {
        let identity = identity.clone();
        Box::pin(async move { identity.service_token(tenant, act_for).await })
    })
}

/// How operations of a service act for whoever asked for them. Cheap to clone.
#[derive(Clone)]
pub struct Acting {
    /// Admits calls.
    pub gate: Gate,
    /// Tokens with which the service acts for a principal.
    pub service_token: ServiceToken,
}

impl std::fmt::Debug for Acting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acting").finish_non_exhaustive()
    }
}

impl Acting {
    /// The context of the principal who asked for an operation, by its permissions of now.
    pub async fn context(&self, claim: &Claim) -> Result<Context, Error> {
        let token = (self.service_token)(claim.tenant().id(), claim.principal_id).await?;
        let call = Call {
            request_id: claim.id.to_string(),
            idempotency_key: None,
            if_match: None,
            user_agent: None,
            traceparent: None,
        };
        self.gate.open(call, token).await
    }
}
