//! The token that follows a refresh token.
//!
//! It is derived from the one before it, by a key that only the instances of this service have. So whoever presents a token twice can be
//! answered twice the same, and the database holds nothing but hashes: neither it alone nor a spent token alone leads to the next.

use config::{ExposeSecret, SecretString};
use error::Error;
use hmac::{Hmac, KeyInit, Mac};
use ids::TenantId;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::call::PublicCall;
use crate::secrets::{self, Fresh, Kind};

/// Derives refresh tokens.
#[derive(Clone)]
pub(crate) struct Succession(Hmac<Sha256>);

impl std::fmt::Debug for Succession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Succession")
    }
}

impl Succession {
    /// From a secret that all instances share.
    pub(crate) fn derived_from(secret: &SecretString) -> Result<Self, Error> {
        let key = Sha256::new()
            .chain_update(b"globcrm refresh token key\0")
            .chain_update(secret.expose_secret())
            .finalize();
        Hmac::new_from_slice(&key).map(Self).map_err(Error::internal)
    }

    /// The token of row `id`, which follows `before`.
    pub(crate) fn next(&self, tenant: TenantId, id: Uuid, before: &str) -> Fresh {
        let mut mac = self.0.clone();
        mac.update(id.as_bytes());
        mac.update(before.as_bytes());
        secrets::of(Kind::Refresh, tenant, id, &mac.finalize().into_bytes().into())
    }
}

/// What a client is recognised by for some seconds: its `User-Agent` and its network. Weak, as both can be forged; the proof is the token.
/// It only decides whether a token that was just spent may be answered again or ends the session.
pub(super) fn client(call: &PublicCall) -> [u8; 32] {
    let agent = call.call.user_agent.as_deref().unwrap_or_default();
    let mut hasher = Sha256::new();
    hasher.update((agent.len() as u64).to_be_bytes());
    hasher.update(agent);
    hasher.update(&call.network);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn succession(secret: &str) -> Succession {
        Succession::derived_from(&SecretString::from(secret)).unwrap()
    }

    #[test]
    fn a_token_has_one_successor_in_all_instances_and_none_without_their_key() {
        let (tenant, id) = (Uuid::from_u128(1).into(), Uuid::from_u128(2));
        let text = |key: &str, id, before: &str| {
            succession(key).next(tenant, id, before).text.expose_secret().to_owned()
        };
        let next = text("the key", id, "grt_before");
        assert_eq!(next, text("the key", id, "grt_before"));
        for other in [
            text("another key", id, "grt_before"),
            text("the key", Uuid::from_u128(3), "grt_before"),
            text("the key", id, "grt_other"),
        ] {
            assert_ne!(next, other);
            assert_ne!(next.rsplit('.').next(), other.rsplit('.').next());
        }
        assert!(
            secrets::read(Kind::Refresh, &next).is_some_and(|read| (read.tenant, read.id) == (tenant, id))
        );
    }

    #[test]
    fn a_client_is_its_agent_in_its_network() {
        let call = |agent: Option<&str>, network: &str| {
            let mut call = auth::Call::read(&tonic::metadata::MetadataMap::new()).unwrap();
            call.user_agent = agent.map(str::to_owned);
            client(&PublicCall { call, network: network.to_owned() })
        };
        assert_eq!(call(Some("a"), "n"), call(Some("a"), "n"));
        for other in [call(Some("b"), "n"), call(Some("a"), "m"), call(None, "n"), call(None, "an")] {
            assert_ne!(call(Some("a"), "n"), other);
        }
    }
}
