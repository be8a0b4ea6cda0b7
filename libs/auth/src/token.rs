//! Access tokens: compact JWS (RFC 7515) with EdDSA (RFC 8037) and nothing else.
//!
//! One algorithm, fixed by the code and not by the token's header, so there is nothing to negotiate and nothing to
//! confuse. The verifier knows keys by their id and asks the key source again, at most every few seconds, for an unknown
//! one.

mod good;
mod service;

pub use service::{MIN_SERVICE_SECRET_BYTES, SERVICE_TTL, ServiceName};

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use ids::{Clock, SessionId, TenantId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::context::PrincipalKind;
use good::{Good, GoodTokens, Timed};
use service::ServiceClaims;

/// How long an access token lives.
pub const ACCESS_TTL: Duration = Duration::from_secs(300);
/// Clocks of two machines may differ by this much.
const LEEWAY_SECONDS: i64 = 5;
/// Longer texts are no tokens of ours.
const MAX_TOKEN_BYTES: usize = 2_048;
const ISSUER: &str = "globcrm";
/// The type in the header of an access token; that of a service's token is another.
const ACCESS_TYPE: &str = "JWT";

/// What an access token says: who, in which tenant, until when. No permissions: those are asked for by version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    iss: String,
    /// The tenant.
    pub tid: TenantId,
    /// The kind of principal.
    pub knd: PrincipalKind,
    /// The principal.
    pub sub: Uuid,
    /// The session, for a user's token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sid: Option<SessionId>,
    /// The service that acts for the principal, for a service's token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub act: Option<String>,
    iat: i64,
    /// Seconds since 1970 at which it ends.
    pub exp: i64,
}

impl Timed for Claims {
    fn span(&self) -> (i64, i64) {
        (self.iat, self.exp)
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of ours at all.
    #[error("not an access token")]
    Malformed,
    /// No such key.
    #[error("signed by an unknown key")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the signature does not fit")]
    BadSignature,
    /// It ended.
    #[error("expired")]
    Expired,
}

/// Signs access tokens; identity's alone.
pub struct Signer {
    key: SigningKey,
    kid: String,
    clock: Clock,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Signer {
    /// From an Ed25519 private key in PKCS#8 PEM.
    pub fn from_pem(pem: &str, clock: Clock) -> Result<Self, TokenError> {
        let key = SigningKey::from_pkcs8_pem(pem).map_err(|_| TokenError::Malformed)?;
        let digest = Sha256::digest(key.verifying_key().as_bytes());
        let kid = BASE64.encode(&digest[..9]);
        Ok(Self { key, kid, clock })
    }

    /// The public key as a JWK.
    pub fn jwk(&self) -> proto::identity::v1::Jwk {
        proto::identity::v1::Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            kid: self.kid.clone(),
            x: BASE64.encode(self.key.verifying_key().as_bytes()),
            alg: "EdDSA".to_owned(),
            r#use: "sig".to_owned(),
        }
    }

    /// A token for `sub`, living [`ACCESS_TTL`].
    pub fn sign(
        &self,
        tid: TenantId,
        knd: PrincipalKind,
        sub: Uuid,
        sid: Option<SessionId>,
        act: Option<String>,
    ) -> Result<String, serde_json::Error> {
        self.sign_at(self.clock.now(), tid, knd, sub, sid, act)
    }

    /// The token that [`Signer::sign`] gave at that time: the same text, as signatures are deterministic (RFC 8032).
    pub fn sign_at(
        &self,
        at: OffsetDateTime,
        tid: TenantId,
        knd: PrincipalKind,
        sub: Uuid,
        sid: Option<SessionId>,
        act: Option<String>,
    ) -> Result<String, serde_json::Error> {
        let (iat, exp) = span(at, ACCESS_TTL);
        self.seal(ACCESS_TYPE, &Claims { iss: ISSUER.to_owned(), tid, knd, sub, sid, act, iat, exp })
    }

    /// From now on for so long.
    fn span(&self, ttl: Duration) -> (i64, i64) {
        span(self.clock.now(), ttl)
    }

    fn seal(&self, typ: &str, claims: &impl Serialize) -> Result<String, serde_json::Error> {
        let header = Header { alg: "EdDSA".to_owned(), typ: typ.to_owned(), kid: self.kid.clone() };
        let mut token = BASE64.encode(serde_json::to_vec(&header)?);
        token.push('.');
        token.push_str(&BASE64.encode(serde_json::to_vec(claims)?));
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        token.push_str(&BASE64.encode(signature.to_bytes()));
        Ok(token)
    }
}

/// From that time on for so long.
fn span(from: OffsetDateTime, ttl: Duration) -> (i64, i64) {
    let iat = from.unix_timestamp();
    (iat, iat + ttl.as_secs() as i64)
}

/// Verifies tokens against the keys it knows.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Arc<RwLock<HashMap<String, VerifyingKey>>>,
    good: GoodTokens<Claims>,
    good_services: GoodTokens<ServiceClaims>,
    clock: Clock,
}

impl Verifier {
    /// A verifier that knows no key yet.
    pub fn new(clock: Clock) -> Self {
        let (good, good_services) = (GoodTokens::default(), GoodTokens::default());
        Self { keys: Arc::default(), good, good_services, clock }
    }

    /// Replaces the known keys; entries that are no Ed25519 keys are left out.
    pub fn set_keys(&self, jwks: &[proto::identity::v1::Jwk]) {
        let keys = jwks
            .iter()
            .filter(|k| k.kty == "OKP" && k.crv == "Ed25519")
            .filter_map(|k| {
                let bytes: [u8; 32] = BASE64.decode(&k.x).ok()?.try_into().ok()?;
                Some((k.kid.clone(), VerifyingKey::from_bytes(&bytes).ok()?))
            })
            .collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// The claims of an access token that is ours, whole and not expired.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        self.open(token, ACCESS_TYPE, &self.good, |claims| claims.iss == ISSUER)
    }

    /// The claims of a token of this type that are ours, whole and not expired.
    fn open<C: Timed>(
        &self,
        token: &str,
        typ: &str,
        good: &GoodTokens<C>,
        ours: impl Fn(&C) -> bool,
    ) -> Result<C, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let digest = Sha256::digest(token.as_bytes()).into();
        // By a key that is still known.
        if let Some(found) = good.get(&digest).filter(|found| self.key(&found.kid) == Some(found.key)) {
            return self.in_time(found.claims);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header: Header = decode(header)?;
        if header.alg != "EdDSA" || header.typ != typ {
            return Err(TokenError::Malformed);
        }
        let key = self.key(&header.kid).ok_or(TokenError::UnknownKey)?;
        let signature = BASE64.decode(signature).map_err(|_| TokenError::Malformed)?;
        let signature = Signature::from_slice(&signature).map_err(|_| TokenError::Malformed)?;
        key.verify_strict(signed.as_bytes(), &signature).map_err(|_| TokenError::BadSignature)?;
        let claims: C = decode(claims)?;
        if !ours(&claims) {
            return Err(TokenError::Malformed);
        }
        let claims = self.in_time(claims)?;
        let now = self.clock.now().unix_timestamp();
        good.put(digest, Good { kid: header.kid, key, claims: claims.clone() }, now);
        Ok(claims)
    }

    fn key(&self, kid: &str) -> Option<VerifyingKey> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(kid).copied()
    }

    fn in_time<C: Timed>(&self, claims: C) -> Result<C, TokenError> {
        let now = self.clock.now().unix_timestamp();
        let (iat, exp) = claims.span();
        if now >= exp + LEEWAY_SECONDS || iat > now + LEEWAY_SECONDS {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let bytes = BASE64.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A throw-away key made for these tests.
    pub(crate) fn signer(seed: u8) -> (Signer, Verifier, ids::FixedClock) {
        let (clock, hand) = Clock::fixed(time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000));
        let key = SigningKey::from_bytes(&[seed; 32]);
        let signer = Signer { key, kid: format!("k{seed}"), clock: clock.clone() };
        let verifier = Verifier::new(clock);
        verifier.set_keys(&[signer.jwk()]);
        (signer, verifier, hand)
    }

    fn token(signer: &Signer) -> String {
        signer.sign(Uuid::from_u128(1).into(), PrincipalKind::User, Uuid::from_u128(2), None, None).unwrap()
    }

    #[test]
    fn a_token_of_ours_is_read_back_until_it_ends() {
        let (signer, verifier, hand) = signer(1);
        let token = token(&signer);
        assert_eq!(verifier.verify(&token).unwrap().sub, Uuid::from_u128(2));
        hand.advance(ACCESS_TTL + Duration::from_secs(5));
        assert_eq!(verifier.verify(&token), Err(TokenError::Expired));
    }

    #[test]
    fn a_token_that_was_verified_is_refused_once_its_key_is_gone_or_another() {
        let (signer1, verifier, _) = signer(1);
        let token = token(&signer1);
        assert!(verifier.verify(&token).is_ok() && verifier.verify(&token).is_ok());
        let mut jwk = signer(2).0.jwk();
        verifier.set_keys(&[jwk.clone()]);
        assert_eq!(verifier.verify(&token), Err(TokenError::UnknownKey));
        jwk.kid = "k1".to_owned();
        verifier.set_keys(&[jwk]);
        assert_eq!(verifier.verify(&token), Err(TokenError::BadSignature));
    }

    #[test]
    fn verified_tokens_are_held_up_to_a_bound_and_those_that_last_longest_stay() {
        let (signer, verifier, _) = signer(1);
        let claims = verifier.verify(&token(&signer)).unwrap();
        let key = signer.key.verifying_key();
        let digest = |n: usize| {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&n.to_be_bytes());
            digest
        };
        let put = |n: usize, exp: i64| {
            let now = claims.iat;
            let claims = Claims { exp, ..claims.clone() };
            verifier.good.put(digest(n), Good { kid: "k1".to_owned(), key, claims }, now);
        };
        for n in 0..2 * good::MAX_GOOD {
            put(n, if n < 100 { claims.exp + 600 } else { claims.exp });
        }
        let held = |from: usize| (0..from).filter(|n| verifier.good.get(&digest(*n)).is_some()).count();
        assert!(held(2 * good::MAX_GOOD) <= good::MAX_GOOD);
        assert_eq!(held(100), 100);
    }

    #[test]
    fn another_key_a_changed_claim_and_no_algorithm_are_refused() {
        let (signer1, verifier, _) = signer(1);
        let (signer2, ..) = signer(2);
        assert_eq!(verifier.verify(&token(&signer2)), Err(TokenError::UnknownKey));
        let good = token(&signer1);
        let parts: Vec<&str> = good.split('.').collect();
        let mut claims: serde_json::Value =
            serde_json::from_slice(&BASE64.decode(parts[1]).unwrap()).unwrap();
        claims["tid"] = serde_json::json!(Uuid::from_u128(9));
        let forged = format!("{}.{}.{}", parts[0], BASE64.encode(claims.to_string()), parts[2]);
        assert_eq!(verifier.verify(&forged), Err(TokenError::BadSignature));
        let header = BASE64.encode(r#"{"alg":"none","typ":"JWT","kid":"k1"}"#);
        assert_eq!(verifier.verify(&format!("{header}.{}.", parts[1])), Err(TokenError::Malformed));
        for garbage in ["", ".", "..", "a.b.c", &"x".repeat(5000)] {
            assert_eq!(verifier.verify(garbage), Err(TokenError::Malformed), "{garbage}");
        }
    }
}
