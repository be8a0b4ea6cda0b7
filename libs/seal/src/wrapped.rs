//! Tenants' keys, sealed by an operator's.

use ids::TenantId;
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use crate::cipher::{KEY_BYTES, OVERHEAD, random};
use crate::operator::{ID_BYTES, OperatorKey};
use crate::{KeyId, OperatorKeys, SealError, TenantKey};

/// The first byte of a wrapped key: how the rest is to be read.
const VERSION: u8 = 1;
const PURPOSE: &[u8] = b"globcrm tenant key";
/// Bytes of a wrapped key.
const LENGTH: usize = 1 + ID_BYTES + OVERHEAD + KEY_BYTES;

/// A tenant's key, sealed: what a database may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// By which key.
    pub by: KeyId,
    /// As it is stored.
    pub bytes: Vec<u8>,
}

/// Which of the operator's keys sealed this tenant's key.
pub fn key_id(wrapped: &[u8]) -> Result<KeyId, SealError> {
    read(wrapped).map(|(id, _)| id)
}

impl OperatorKeys {
    /// A key for a tenant that has none, and as it is to be stored.
    pub fn create(&self, tenant: TenantId) -> Result<(TenantKey, WrappedKey), SealError> {
        let key = Zeroizing::new(random::<KEY_BYTES>()?);
        Ok((TenantKey::new(tenant, &key), wrap(self.newest_key(), tenant, &key)?))
    }

    /// The key of a tenant.
    pub fn unwrap_key(&self, tenant: TenantId, wrapped: &[u8]) -> Result<TenantKey, SealError> {
        Ok(TenantKey::new(tenant, &*self.unwrapped(tenant, wrapped)?))
    }

    /// The same key, sealed by the first of the operator's keys. What the tenant's key sealed stays as it is.
    pub fn rewrap(&self, tenant: TenantId, wrapped: &[u8]) -> Result<WrappedKey, SealError> {
        wrap(self.newest_key(), tenant, &*self.unwrapped(tenant, wrapped)?)
    }

    fn unwrapped(&self, tenant: TenantId, wrapped: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
        let (id, sealed) = read(wrapped)?;
        let by = self.key(id).ok_or(SealError::UnknownKey(id))?;
        let opened = by.cipher.open(&header(&id.0, tenant.uuid().as_bytes()), sealed)?;
        let mut key = Zeroizing::new([0u8; KEY_BYTES]);
        // `read` has looked at the length.
        key.copy_from_slice(opened.expose_secret());
        Ok(key)
    }
}

fn wrap(by: &OperatorKey, tenant: TenantId, key: &[u8; KEY_BYTES]) -> Result<WrappedKey, SealError> {
    let sealed = by.cipher.seal(&header(&by.id.0, tenant.uuid().as_bytes()), key)?;
    Ok(WrappedKey { by: by.id, bytes: [[VERSION].as_slice(), &by.id.0, &sealed].concat() })
}

fn read(wrapped: &[u8]) -> Result<(KeyId, &[u8]), SealError> {
    let (version, rest) = wrapped.split_first().ok_or(SealError::Malformed)?;
    let (id, sealed) = rest.split_first_chunk::<ID_BYTES>().ok_or(SealError::Malformed)?;
    if *version != VERSION || wrapped.len() != LENGTH {
        return Err(SealError::Malformed);
    }
    Ok((KeyId(*id), sealed))
}

fn header<'a>(id: &'a [u8; ID_BYTES], tenant: &'a [u8; 16]) -> [&'a [u8]; 4] {
    [PURPOSE, &[VERSION], id, tenant]
}
