//! The token of a service: says which service calls, and nothing of users or tenants.
//!
//! Signed by the key of the access tokens. The two are told apart by the type in the signed header, and by claims that the other
//! does not have and does not take: neither passes for the other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::good::Timed;
use super::{ISSUER, Signer, TokenError, Verifier};

/// Fewest bytes of the secret that a service trades for its token.
pub const MIN_SERVICE_SECRET_BYTES: usize = 32;
/// How long a service's token lives.
pub const SERVICE_TTL: Duration = Duration::from_secs(300);
const SERVICE_TYPE: &str = "globcrm-service+jwt";
const AUDIENCE: &str = "globcrm-services";

/// The verified name of a service that calls: `gateway`, `records`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceName(String);

impl ServiceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceClaims {
    iss: String,
    aud: String,
    /// The service.
    svc: String,
    iat: i64,
    exp: i64,
}

impl Timed for ServiceClaims {
    fn span(&self) -> (i64, i64) {
        (self.iat, self.exp)
    }
}

impl Signer {
    /// A token for the service `name`, living [`SERVICE_TTL`].
    pub fn sign_service(&self, name: &str) -> Result<String, serde_json::Error> {
        let (iat, exp) = self.span(SERVICE_TTL);
        let (iss, aud) = (ISSUER.to_owned(), AUDIENCE.to_owned());
        self.seal(SERVICE_TYPE, &ServiceClaims { iss, aud, svc: name.to_owned(), iat, exp })
    }
}

impl Verifier {
    /// The service that shows a token that is ours, whole and not expired.
    pub fn verify_service(&self, token: &str) -> Result<ServiceName, TokenError> {
        let ours = |claims: &ServiceClaims| claims.iss == ISSUER && claims.aud == AUDIENCE;
        Ok(ServiceName(self.open(token, SERVICE_TYPE, &self.good_services, ours)?.svc))
    }
}

#[cfg(test)]
mod tests {
    use ids::TenantId;
    use uuid::Uuid;

    use super::super::tests::signer;
    use super::super::{ACCESS_TYPE, Claims};
    use super::*;
    use crate::PrincipalKind;

    #[test]
    fn a_services_token_names_the_service_until_it_ends() {
        let (signer, verifier, hand) = signer(1);
        let token = signer.sign_service("gateway").unwrap();
        for _ in 0..2 {
            assert_eq!(verifier.verify_service(&token).unwrap().as_str(), "gateway");
        }
        hand.advance(SERVICE_TTL + Duration::from_secs(5));
        assert_eq!(verifier.verify_service(&token), Err(TokenError::Expired));
    }

    #[test]
    fn neither_token_passes_for_the_other() {
        let (signer, verifier, _) = signer(1);
        let service = signer.sign_service("gateway").unwrap();
        let tenant = TenantId::from(Uuid::from_u128(1));
        let access = signer.sign(tenant, PrincipalKind::Service, Uuid::from_u128(2), None, None).unwrap();
        for _ in 0..2 {
            assert_eq!(verifier.verify(&service), Err(TokenError::Malformed));
            assert_eq!(verifier.verify_service(&access), Err(TokenError::Malformed));
            // Known as good from here on, each as what it is.
            assert!(verifier.verify_service(&service).is_ok() && verifier.verify(&access).is_ok());
        }
    }

    #[test]
    fn the_claims_part_them_also_under_the_others_type() {
        let (signer, verifier, _) = signer(1);
        let (iat, exp) = signer.span(SERVICE_TTL);
        let (iss, aud) = (ISSUER.to_owned(), AUDIENCE.to_owned());
        let claims = ServiceClaims { iss, aud, svc: "gateway".to_owned(), iat, exp };
        let mistyped = signer.seal(ACCESS_TYPE, &claims).unwrap();
        assert_eq!(verifier.verify(&mistyped), Err(TokenError::Malformed));
        let foreign = ServiceClaims { aud: "others".to_owned(), ..claims };
        let foreign = signer.seal(SERVICE_TYPE, &foreign).unwrap();
        assert_eq!(verifier.verify_service(&foreign), Err(TokenError::Malformed));
        let access = Claims {
            iss: ISSUER.to_owned(),
            tid: Uuid::from_u128(1).into(),
            knd: PrincipalKind::User,
            sub: Uuid::from_u128(2),
            sid: None,
            act: Some("gateway".to_owned()),
            iat,
            exp,
        };
        let mistyped = signer.seal(SERVICE_TYPE, &access).unwrap();
        assert_eq!(verifier.verify_service(&mistyped), Err(TokenError::Malformed));
    }

    #[test]
    fn another_key_is_not_ours() {
        let (_, verifier, _) = signer(1);
        let (other, ..) = signer(2);
        let token = other.sign_service("gateway").unwrap();
        assert_eq!(verifier.verify_service(&token), Err(TokenError::UnknownKey));
    }
}
