//! The texts that stand for a secret: refresh tokens, invitations, API keys, known devices, password resets and
//! addresses of calendars.
//!
//! One form for all: `<prefix><tenant>.<id>.<secret>`, each part base64url. The tenant and the id say where to look, so
//! no table is searched across tenants; the secret has 256 bits, and only the SHA-256 of the whole is stored. A fast hash is
//! right here: there is nothing to guess.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ids::TenantId;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::entropy::Entropy;

/// What a secret opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Refresh,
    Invitation,
    ApiKey,
    Device,
    PasswordReset,
    CalendarFeed,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Refresh => "grt_",
            Self::Invitation => "giv_",
            Self::ApiKey => auth::API_KEY_PREFIX,
            Self::Device => "gdv_",
            Self::PasswordReset => "gpr_",
            Self::CalendarFeed => "gcf_",
        }
    }
}

/// Characters of an API key that are shown to recognise it by: prefix, tenant, and the part of the id that differs first.
const SHOWN_CHARS: usize = 4 + 22 + 1 + 12;

/// A secret just made.
pub(crate) struct Fresh {
    /// What the bearer gets, once.
    pub(crate) text: SecretString,
    /// What is stored.
    pub(crate) hash: Vec<u8>,
    /// The first characters.
    pub(crate) shown: String,
}

/// A secret as somebody presented it: nothing of it is verified yet.
pub(crate) struct Presented {
    pub(crate) tenant: TenantId,
    pub(crate) id: Uuid,
    hash: [u8; 32],
}

/// Makes the secret of row `id`.
pub(crate) fn make(kind: Kind, tenant: TenantId, id: Uuid, entropy: &Entropy) -> Result<Fresh, error::Error> {
    Ok(of(kind, tenant, id, &entropy.bytes()?))
}

/// The secret of row `id` with these bytes, which nobody else knows.
pub(crate) fn of(kind: Kind, tenant: TenantId, id: Uuid, secret: &[u8; 32]) -> Fresh {
    let text = format!(
        "{}{}.{}.{}",
        kind.prefix(),
        BASE64.encode(tenant.uuid().as_bytes()),
        BASE64.encode(id.as_bytes()),
        BASE64.encode(secret)
    );
    let shown = text.chars().take(SHOWN_CHARS).collect();
    Fresh { hash: Sha256::digest(text.as_bytes()).to_vec(), text: SecretString::from(text), shown }
}

/// Reads a secret's text; `None` for anything that cannot be one of this kind.
pub(crate) fn read(kind: Kind, text: &str) -> Option<Presented> {
    let mut parts = text.strip_prefix(kind.prefix())?.split('.');
    let (tenant, id, secret) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || secret.len() != 43 {
        return None;
    }
    let uuid = |part: &str| -> Option<Uuid> { Uuid::from_slice(&BASE64.decode(part).ok()?).ok() };
    Some(Presented {
        tenant: uuid(tenant)?.into(),
        id: uuid(id)?,
        hash: Sha256::digest(text.as_bytes()).into(),
    })
}

impl Presented {
    /// Whether this is the secret whose hash is stored.
    pub(crate) fn matches(&self, stored: &[u8]) -> bool {
        self.hash.ct_eq(stored).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    fn fresh(kind: Kind) -> Fresh {
        make(kind, Uuid::from_u128(1).into(), Uuid::from_u128(2), &Entropy::system()).unwrap()
    }

    #[test]
    fn a_secret_is_read_back_and_matches_its_hash_only() {
        for kind in [
            Kind::Refresh,
            Kind::Invitation,
            Kind::ApiKey,
            Kind::Device,
            Kind::PasswordReset,
            Kind::CalendarFeed,
        ] {
            let (one, other) = (fresh(kind), fresh(kind));
            let presented = read(kind, one.text.expose_secret()).unwrap();
            assert_eq!((presented.tenant.uuid(), presented.id), (Uuid::from_u128(1), Uuid::from_u128(2)));
            assert!(
                presented.matches(&one.hash) && !presented.matches(&other.hash) && !presented.matches(&[])
            );
            assert!(one.text.expose_secret().starts_with(&one.shown));
        }
    }

    #[test]
    fn a_secret_of_another_kind_or_form_is_none() {
        let refresh = fresh(Kind::Refresh);
        let text = refresh.text.expose_secret();
        assert!(read(Kind::ApiKey, text).is_none());
        for bad in ["", "grt_", "grt_..", &text[..text.len() - 1], &format!("{text}."), &format!("{text}A")] {
            assert!(read(Kind::Refresh, bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_is_shown_of_a_key_is_far_from_its_secret() {
        let key = fresh(Kind::ApiKey);
        assert!(key.text.expose_secret().len() - key.shown.len() > 43);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(grt_|gck_)?[A-Za-z0-9_.-]{0,120}") {
            // Whatever is read has all of its parts.
            for kind in [Kind::Refresh, Kind::ApiKey] {
                prop_assert!(read(kind, &text).is_none() || text.matches('.').count() == 2);
            }
        }
    }
}
