//! The key of a tenant.

use std::fmt;

use ids::TenantId;
use secrecy::SecretSlice;

use crate::cipher::{Cipher, KEY_BYTES, MAX_SECRET_BYTES, OVERHEAD};
use crate::{Place, SealError};

/// The first byte of a value: how the rest is to be read.
const VERSION: u8 = 1;
const PURPOSE: &[u8] = b"globcrm sealed value";
/// Keeps this use of the key apart from any other.
const KEY_PURPOSE: &[u8] = b"globcrm sealed value key\0";

/// Seals the secrets of one tenant.
pub struct TenantKey {
    tenant: TenantId,
    cipher: Cipher,
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantKey").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl TenantKey {
    pub(crate) fn new(tenant: TenantId, key: &[u8; KEY_BYTES]) -> Self {
        Self { tenant, cipher: Cipher::derived_from(key, KEY_PURPOSE) }
    }

    /// Whose secrets it seals.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Seals a secret of up to [`MAX_SECRET_BYTES`] for its place.
    pub fn seal(&self, place: &Place, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        if secret.len() > MAX_SECRET_BYTES {
            return Err(SealError::TooLong);
        }
        let tenant = self.tenant.uuid();
        let header = header(tenant.as_bytes(), place);
        let sealed = self.cipher.seal(&header, secret)?;
        Ok([[VERSION].as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for this place.
    pub fn open(&self, place: &Place, sealed: &[u8]) -> Result<SecretSlice<u8>, SealError> {
        let (version, sealed) = sealed.split_first().ok_or(SealError::Malformed)?;
        if *version != VERSION || !(OVERHEAD..=OVERHEAD + MAX_SECRET_BYTES).contains(&sealed.len()) {
            return Err(SealError::Malformed);
        }
        let tenant = self.tenant.uuid();
        self.cipher.open(&header(tenant.as_bytes(), place), sealed)
    }
}

fn header<'a>(tenant: &'a [u8; 16], place: &'a Place) -> [&'a [u8]; 5] {
    [PURPOSE, &[VERSION], tenant, place.column.as_bytes(), place.row.as_bytes()]
}
