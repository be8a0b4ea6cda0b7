//! The operator's keys, and the setting that gives them.

use std::fmt;
use std::sync::Arc;

use config::{ExposeSecret, Reader, Secret, SecretString, Section};
use schemars::JsonSchema;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;

use crate::SealError;
use crate::cipher::{Cipher, KEY_BYTES, hash, random};

/// Most keys at a time: the one that seals, and those of earlier.
pub const MOST_KEYS: usize = 8;
/// Bytes of a key's id.
pub(crate) const ID_BYTES: usize = 8;

/// Keep the uses of a key apart.
const WRAP_PURPOSE: &[u8] = b"globcrm operator's key\0";
const ID_PURPOSE: &[u8] = b"globcrm operator's key id\0";

/// Names a key and says nothing of it. It is derived from the key, so nobody gives it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; ID_BYTES]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A key that wraps tenants' keys.
pub(crate) struct OperatorKey {
    pub(crate) id: KeyId,
    pub(crate) cipher: Cipher,
}

impl OperatorKey {
    fn new(key: &[u8; KEY_BYTES]) -> Self {
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&hash(key, ID_PURPOSE).expose_secret()[..ID_BYTES]);
        Self { id: KeyId(id), cipher: Cipher::derived_from(key, WRAP_PURPOSE) }
    }
}

/// The operator's keys: the first one seals, all of them open. Cheap to clone.
#[derive(Deserialize, Clone)]
#[serde(try_from = "SecretString")]
pub struct OperatorKeys {
    newest: Arc<OperatorKey>,
    earlier: Arc<[OperatorKey]>,
}

/// The text of a setting that is not one of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {MOST_KEYS} different random keys of 64 hexadecimal digits, separated by spaces, commas or line breaks; the first one seals"
)]
pub struct KeysUnfit;

impl OperatorKeys {
    /// From the text of the setting.
    pub fn new(text: &SecretString) -> Result<Self, KeysUnfit> {
        let is_between = |c: char| c == ',' || c.is_whitespace();
        let words = text.expose_secret().split(is_between).filter(|word| !word.is_empty());
        let mut keys = Vec::new();
        for word in words {
            let mut key = Zeroizing::new([0u8; KEY_BYTES]);
            hex::decode_to_slice(word, key.as_mut_slice()).map_err(|_| KeysUnfit)?;
            // What somebody has put where a key should be.
            let is_filler = key.iter().all(|byte| *byte == key[0]);
            let key = OperatorKey::new(&key);
            let is_repeated = keys.iter().any(|other: &OperatorKey| other.id == key.id);
            if is_filler || is_repeated || keys.len() == MOST_KEYS {
                return Err(KeysUnfit);
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let newest = Arc::new(keys.next().ok_or(KeysUnfit)?);
        Ok(Self { newest, earlier: keys.collect() })
    }

    /// The id of the key that seals.
    pub fn newest(&self) -> KeyId {
        self.newest.id
    }

    /// The ids of all keys, first the one that seals.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.all().map(|key| key.id)
    }

    pub(crate) fn newest_key(&self) -> &OperatorKey {
        &self.newest
    }

    pub(crate) fn key(&self, id: KeyId) -> Option<&OperatorKey> {
        self.all().find(|key| key.id == id)
    }

    fn all(&self) -> impl Iterator<Item = &OperatorKey> {
        std::iter::once(&*self.newest).chain(self.earlier.iter())
    }
}

/// A new key, as the setting has it.
pub fn new_key() -> Result<SecretString, SealError> {
    let key = Zeroizing::new(random::<KEY_BYTES>()?);
    Ok(SecretString::from(hex::encode(key.as_slice())))
}

impl TryFrom<SecretString> for OperatorKeys {
    type Error = KeysUnfit;

    fn try_from(text: SecretString) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl fmt::Debug for OperatorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

#[derive(Deserialize, JsonSchema)]
struct Setting {
    /// Keys that seal the secrets of organizations at rest, 64 hexadecimal digits each; the first one seals, all of them open. The same in
    /// every instance. Whoever loses them loses those secrets.
    #[schemars(with = "Secret", extend("errorMessage" = KeysUnfit.to_string()))]
    seal_keys: OperatorKeys,
}

impl Section for OperatorKeys {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group().map(|Setting { seal_keys }| seal_keys)
    }
}
