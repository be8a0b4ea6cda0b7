//! AES-256-SIV with a random nonce, under a key that is derived for one purpose.

use aes_siv::siv::Aes256Siv;
use aes_siv::{KeyInit, Tag};
use rand::TryRng;
use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretBox, SecretSlice};
use sha2::{Digest, Sha512};

use crate::SealError;

/// Most bytes of a secret.
pub const MAX_SECRET_BYTES: usize = 16 << 10;

/// Bytes of a key as it is made and given.
pub(crate) const KEY_BYTES: usize = 32;
/// At least 128 bits where it is random (RFC 5297, section 3).
const NONCE_BYTES: usize = 16;
/// The synthetic initialization vector, which is the tag.
const TAG_BYTES: usize = 16;
/// What sealing adds.
pub(crate) const OVERHEAD: usize = NONCE_BYTES + TAG_BYTES;

/// A key for one purpose: half of it authenticates, half of it encrypts.
pub(crate) struct Cipher(SecretBox<[u8; 64]>);

impl Cipher {
    /// For `purpose`: what is sealed under one does not open under another, although the key is the same.
    pub(crate) fn derived_from(key: &[u8; KEY_BYTES], purpose: &[u8]) -> Self {
        Self(hash(key, purpose))
    }

    /// `nonce | tag | text`, which opens with the same header only.
    pub(crate) fn seal(&self, header: &[&[u8]], secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = random::<NONCE_BYTES>()?;
        let headers = header.iter().copied().chain([nonce.as_slice()]);
        let sealed = self.siv().encrypt(headers, secret);
        let sealed = sealed.map_err(|_| SealError::Failed("the cipher refused"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// The secret.
    pub(crate) fn open(&self, header: &[&[u8]], sealed: &[u8]) -> Result<SecretSlice<u8>, SealError> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Malformed)?;
        let (tag, text) = rest.split_first_chunk::<TAG_BYTES>().ok_or(SealError::Malformed)?;
        // Decrypted where it stays: a buffer that grows or shrinks would leave its text behind.
        let mut text: Box<[u8]> = text.into();
        let headers = header.iter().copied().chain([nonce.as_slice()]);
        self.siv()
            .decrypt_inout_detached(headers, (&mut *text).into(), &Tag::from(*tag))
            .map_err(|_| SealError::DoesNotOpen)?;
        Ok(SecretSlice::new(text))
    }

    fn siv(&self) -> Aes256Siv {
        Aes256Siv::new(self.0.expose_secret().into())
    }
}

/// SHA-512 of a purpose and a key. Both have lengths that the purpose fixes, and keys have 256 random bits, so this is a key derivation.
pub(crate) fn hash(key: &[u8; KEY_BYTES], purpose: &[u8]) -> SecretBox<[u8; 64]> {
    let mut digest = Sha512::new().chain_update(purpose).chain_update(key).finalize();
    let mut kept = Box::new([0u8; 64]);
    kept.copy_from_slice(&digest);
    digest.as_mut_slice().zeroize();
    SecretBox::new(kept)
}

/// Bytes of the operating system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    let filled = rand::rngs::SysRng.try_fill_bytes(&mut bytes);
    filled.map_err(|_| SealError::Failed("the system gave no random bytes"))?;
    Ok(bytes)
}
