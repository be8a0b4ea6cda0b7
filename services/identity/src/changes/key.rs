//! The key of the audit log.
//!
//! It is not in the database, so whoever owns that can take entries out or write others, but not make a chain that fits.

use ::config::{ExposeSecret, SecretString};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

/// The fewest bytes of the secret: as many as the hash has.
const FEWEST: usize = 32;

/// Chains and seals the audit log. Cheap to clone.
#[derive(Deserialize, Clone)]
#[serde(try_from = "SecretString")]
pub struct AuditKey(Hmac<Sha256>);

/// The secret is too short.
#[derive(Debug, thiserror::Error)]
#[error("must have at least {FEWEST} bytes")]
pub struct AuditKeyTooShort;

impl AuditKey {
    /// From a secret that all instances share, for as long as the log is kept.
    pub fn new(secret: &SecretString) -> Result<Self, AuditKeyTooShort> {
        let secret = secret.expose_secret().as_bytes();
        if secret.len() < FEWEST {
            return Err(AuditKeyTooShort);
        }
        Hmac::new_from_slice(secret).map(Self).map_err(|_| AuditKeyTooShort)
    }

    /// The code of these parts, each with its length before it, so that no two lists of parts read alike. `purpose` keeps one use of the
    /// key apart from another. An absent part differs from an empty one.
    pub(super) fn code(&self, purpose: &[u8], parts: &[Option<&[u8]>]) -> Vec<u8> {
        let mut mac = self.0.clone();
        for part in [Some(purpose)].iter().chain(parts) {
            mac.update(&part.map_or(-1_i64, |part| part.len() as i64).to_be_bytes());
            mac.update(part.unwrap_or_default());
        }
        mac.finalize().into_bytes().to_vec()
    }
}

impl TryFrom<SecretString> for AuditKey {
    type Error = AuditKeyTooShort;

    fn try_from(secret: SecretString) -> Result<Self, Self::Error> {
        Self::new(&secret)
    }
}

impl std::fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditKey(..)")
    }
}
