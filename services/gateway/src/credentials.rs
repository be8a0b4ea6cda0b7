//! From what a client presents to an access token that services verify.

use axum::http::{HeaderMap, header};
use error::Error;
use ids::TenantId;
use secrecy::SecretString;
use uuid::Uuid;

/// What an API key begins with; everything else is taken for an access token.
const API_KEY_PREFIX: &str = "gck_";

/// A caller whose token was verified here, for limits; services verify it again.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    pub(crate) principal: Uuid,
    pub(crate) token: SecretString,
}

/// Trades API keys and verifies tokens.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) identity: rpc::identity::Identity,
    pub(crate) gate: auth::Gate,
}

impl Credentials {
    /// The caller named by `Authorization: Bearer <access token or API key>`.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Error> {
        let missing = || {
            Error::unauthenticated(
                "CREDENTIALS_MISSING",
                "send Authorization: Bearer <access token or API key>",
            )
        };
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().ok_or_else(missing)?;
        if values.next().is_some() {
            return Err(Error::malformed("AUTHORIZATION_REPEATED", "Authorization was sent more than once"));
        }
        let (scheme, presented) = value.to_str().ok().and_then(|t| t.split_once(' ')).ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") || presented.trim().is_empty() {
            return Err(missing());
        }
        let presented = presented.trim();
        let token = if presented.starts_with(API_KEY_PREFIX) {
            self.identity.exchange_api_key(SecretString::from(presented)).await?
        } else {
            SecretString::from(presented)
        };
        let claims = self.gate.verify(&token).await?;
        Ok(Caller { tenant: claims.tid, principal: claims.sub, token })
    }
}
