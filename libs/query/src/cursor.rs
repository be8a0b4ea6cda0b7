//! Page tokens: encrypted, authenticated, bound to the request that made them.
//!
//! Base64url of a version, and of `fingerprint of the request, phase, id, keys` sealed by AES-256-SIV (RFC 5297). The seal keeps clients from
//! making positions up; the fingerprint tells a token of another request from one of ours. The place after a row may be one that the bearer may
//! not see: the time of an entry whose `at` is hidden, or a row that a page passed over. So the payload is encrypted, too. Equal places of one
//! request have equal tokens, which says nothing else.

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::{Reader, Secret, Section};
use error::Error;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha512};
use time::{Date, OffsetDateTime};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::refusal;
use crate::sql::Bind;

/// The first byte of a token: how the rest is to be read.
const VERSION: u8 = 1;
/// What a seal is for: none made for something else is taken for a token.
const PURPOSE: &[u8] = b"globcrm page token";
/// Shortest secret, in bytes.
const MIN_SECRET_BYTES: usize = 32;
/// Longest token that is looked at, in bytes; three text keys of 128 four-byte characters stay below it.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// The key that seals page tokens; the same in every instance of a service.
#[derive(Deserialize, Clone)]
#[serde(try_from = "SecretString")]
pub struct CursorKey([u8; 64]);

/// The configured secret is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret for page tokens has fewer than {MIN_SECRET_BYTES} bytes")]
pub struct CursorKeyTooShort;

impl CursorKey {
    /// From a secret of at least 32 bytes.
    pub fn new(secret: &SecretString) -> Result<Self, CursorKeyTooShort> {
        let secret = secret.expose_secret().as_bytes();
        if secret.len() < MIN_SECRET_BYTES {
            return Err(CursorKeyTooShort);
        }
        Ok(Self::of(secret))
    }

    /// From another secret of the service, where it has none of its own for this.
    pub fn derived_from(secret: &SecretString) -> Self {
        Self::of(secret.expose_secret().as_bytes())
    }

    fn of(secret: &[u8]) -> Self {
        Self(Sha512::new().chain_update(b"globcrm page token key\0").chain_update(secret).finalize().into())
    }

    /// Seals what is no place in a list, such as a place in a journal: encrypted and authenticated, and good for this purpose only. Equal
    /// bytes give equal texts.
    pub fn seal(&self, purpose: &str, bytes: &[u8]) -> Result<String, Error> {
        let sealed = self.cipher().encrypt([purpose.as_bytes(), &[VERSION]], bytes);
        let mut token = sealed.map_err(|_| Error::internal("a cursor could not be sealed"))?;
        token.insert(0, VERSION);
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// What was sealed for a purpose; `None` for anything else.
    pub fn open(&self, purpose: &str, token: &str) -> Option<Vec<u8>> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (version, sealed) = bytes.split_first().filter(|(version, _)| **version == VERSION)?;
        self.cipher().decrypt([purpose.as_bytes(), &[*version]], sealed).ok()
    }

    fn cipher(&self) -> Aes256Siv {
        Aes256Siv::new(&self.0.into())
    }
}

impl TryFrom<SecretString> for CursorKey {
    type Error = CursorKeyTooShort;

    fn try_from(secret: SecretString) -> Result<Self, Self::Error> {
        Self::new(&secret)
    }
}

#[derive(Deserialize, JsonSchema)]
struct Setting {
    /// Secret of at least 32 bytes that seals page tokens; the same in every instance, and the same in the gateway and all services with
    /// operations.
    #[schemars(with = "Secret", extend("errorMessage" = CursorKeyTooShort.to_string()))]
    cursor_key: CursorKey,
}

impl Section for CursorKey {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group().map(|Setting { cursor_key }| cursor_key)
    }
}

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey(..)")
    }
}

/// What names a list that is no statement of this crate. Lengths keep neighbouring parts apart.
pub(crate) fn fingerprint_of(list: &[&[u8]]) -> u128 {
    let mut bytes = Vec::with_capacity(96);
    for part in list {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    xxh3_128(&bytes)
}

/// The place after a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Position {
    /// Whether the row's first key is unset (second phase).
    pub(crate) unset_phase: bool,
    pub(crate) id: Uuid,
    /// The row's keys; `None` if unset.
    pub(crate) keys: Vec<Option<Bind>>,
}

impl Position {
    pub(crate) fn seal(&self, key: &CursorKey, fingerprint: u128) -> Result<String, Error> {
        let mut bytes = Vec::with_capacity(96);
        bytes.extend_from_slice(&fingerprint.to_be_bytes());
        bytes.push(u8::from(self.unset_phase));
        bytes.extend_from_slice(self.id.as_bytes());
        for value in &self.keys {
            write_value(&mut bytes, value.as_ref());
        }
        let sealed = key.cipher().encrypt([PURPOSE, &[VERSION]], &bytes);
        let mut token = sealed.map_err(|_| Error::internal("a page token could not be sealed"))?;
        token.insert(0, VERSION);
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    pub(crate) fn open(token: &str, key: &CursorKey, fingerprint: u128) -> Result<Self, Error> {
        let (made_for, position) = Self::read(token, key).ok_or_else(refusal::token_invalid)?;
        if made_for == fingerprint { Ok(position) } else { Err(refusal::token_mismatch()) }
    }

    fn read(token: &str, key: &CursorKey) -> Option<(u128, Self)> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (version, sealed) = bytes.split_first().filter(|(version, _)| **version == VERSION)?;
        let payload = key.cipher().decrypt([PURPOSE, &[*version]], sealed).ok()?;
        let mut rest: &[u8] = &payload;
        let fingerprint = u128::from_be_bytes(take(&mut rest)?);
        let unset_phase = take::<1>(&mut rest)? == [1];
        let id = Uuid::from_bytes(take(&mut rest)?);
        let mut keys = Vec::new();
        while !rest.is_empty() {
            keys.push(read_value(&mut rest)?);
        }
        Some((fingerprint, Self { unset_phase, id, keys }))
    }
}

fn write_value(bytes: &mut Vec<u8>, value: Option<&Bind>) {
    match value {
        Some(Bind::Int(value)) => tagged(bytes, b'i', &value.to_be_bytes()),
        Some(Bind::Float(value)) => tagged(bytes, b'f', &value.to_bits().to_be_bytes()),
        Some(Bind::Bool(value)) => tagged(bytes, b'b', &[u8::from(*value)]),
        Some(Bind::Date(value)) => tagged(bytes, b'd', &value.to_julian_day().to_be_bytes()),
        // PostgreSQL keeps microseconds.
        Some(Bind::Time(value)) => tagged(bytes, b't', &(value.unix_timestamp_nanos() / 1_000).to_be_bytes()),
        Some(Bind::Text(value)) => {
            // Keys are cut at 128 characters, so the length always fits.
            let text = field_types::text::cut(value, usize::from(u16::MAX) / 4).as_bytes();
            tagged(bytes, b's', &(text.len() as u16).to_be_bytes());
            bytes.extend_from_slice(text);
        }
        // No key is of another type.
        _ => bytes.push(b'n'),
    }
}

fn tagged(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) {
    bytes.push(tag);
    bytes.extend_from_slice(value);
}

#[allow(clippy::option_option, reason = "outer: readable at all; inner: set at all")]
fn read_value(rest: &mut &[u8]) -> Option<Option<Bind>> {
    Some(Some(match take::<1>(rest)? {
        [b'n'] => return Some(None),
        [b'i'] => Bind::Int(i64::from_be_bytes(take(rest)?)),
        [b'f'] => Bind::Float(f64::from_bits(u64::from_be_bytes(take(rest)?))),
        [b'b'] => Bind::Bool(take::<1>(rest)? == [1]),
        [b'd'] => Bind::Date(Date::from_julian_day(i32::from_be_bytes(take(rest)?)).ok()?),
        [b't'] => {
            let nanos = i128::from_be_bytes(take(rest)?).checked_mul(1_000)?;
            Bind::Time(OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?)
        }
        [b's'] => {
            let len = u16::from_be_bytes(take(rest)?);
            let (text, after) = rest.split_at_checked(len.into())?;
            *rest = after;
            Bind::Text(std::str::from_utf8(text).ok()?.to_owned())
        }
        _ => return None,
    }))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{date, datetime};

    fn key(fill: &str) -> CursorKey {
        CursorKey::new(&SecretString::from(fill.repeat(32))).unwrap()
    }

    fn position() -> Position {
        Position {
            unset_phase: true,
            id: Uuid::from_u128(7),
            keys: vec![
                None,
                Some(Bind::Int(-5)),
                Some(Bind::Float(-0.1)),
                Some(Bind::Bool(true)),
                Some(Bind::Text("größe".into())),
                Some(Bind::Date(date!(2026 - 01 - 31))),
                Some(Bind::Time(datetime!(1969-12-31 23:59:59.999999 UTC))),
            ],
        }
    }

    #[test]
    fn a_token_gives_its_position_back() {
        let token = position().seal(&key("k"), 42).unwrap();
        assert_eq!(Position::open(&token, &key("k"), 42).unwrap(), position());
    }

    #[test]
    fn a_token_of_another_request_is_a_mismatch() {
        let token = position().seal(&key("k"), 42).unwrap();
        assert_eq!(Position::open(&token, &key("k"), 43).unwrap_err().reason(), "PAGE_TOKEN_MISMATCH");
    }

    #[test]
    fn garbage_and_foreign_signatures_are_invalid() {
        let token = position().seal(&key("k"), 42).unwrap();
        let other = position().seal(&key("x"), 42).unwrap();
        let long = "A".repeat(MAX_TOKEN_BYTES + 1);
        for bad in ["", "x", "!!!!", "AAAA", &token[1..], &token[..token.len() - 1], &other, &long] {
            assert_eq!(
                Position::open(bad, &key("k"), 42).unwrap_err().reason(),
                "PAGE_TOKEN_INVALID",
                "{bad}"
            );
        }
    }

    #[test]
    fn a_token_shows_nothing_of_its_position() {
        let moment = datetime!(2026-05-04 03:02:01.123456 UTC);
        let of = |id: u128, moment: OffsetDateTime| {
            let keys = vec![Some(Bind::Time(moment)), Some(Bind::Text("confidential".into()))];
            URL_SAFE_NO_PAD.decode(
                Position { unset_phase: false, id: Uuid::from_u128(id), keys }.seal(&key("k"), 42).unwrap(),
            )
        };
        let shown = of(7, moment).unwrap();
        let micros = (moment.unix_timestamp_nanos() / 1_000).to_be_bytes();
        for secret in [&micros[8..], Uuid::from_u128(7).as_bytes(), b"confidential"] {
            assert!(!shown.windows(secret.len()).any(|part| part == secret));
        }
        // Neighbouring places have nothing in common, or their difference would show.
        let next = of(7, moment + time::Duration::microseconds(1)).unwrap();
        let equal = shown.iter().zip(&next).filter(|(one, other)| one == other).count();
        assert!(equal < shown.len() / 4, "{equal} of {} bytes", shown.len());
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let token = position().seal(&key("k"), 42).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(Position::open(&changed, &key("k"), 42).unwrap_err().reason(), "PAGE_TOKEN_INVALID");
        }
    }

    #[test]
    fn the_longest_token_is_below_the_limit() {
        let text = || Some(Bind::Text("\u{1f600}".repeat(field_types::SLOT_TEXT_CHARS)));
        let longest = Position { unset_phase: false, id: Uuid::nil(), keys: vec![text(), text(), text()] };
        assert!(longest.seal(&key("k"), 1).unwrap().len() <= MAX_TOKEN_BYTES);
    }

    #[test]
    fn a_short_secret_is_refused_and_a_key_shows_nothing() {
        assert_eq!(CursorKey::new(&SecretString::from("short")).unwrap_err(), CursorKeyTooShort);
        assert_eq!(format!("{:?}", key("k")), "CursorKey(..)");
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_and_for_its_purpose_only() {
        let key = key("k");
        let token = key.seal("a journal", b"place").unwrap();
        assert_eq!(key.open("a journal", &token).unwrap(), b"place");
        assert!(!token.contains("place"));
        for (other, purpose) in [(self::key("x"), "a journal"), (key.clone(), "a list")] {
            assert!(other.open(purpose, &token).is_none());
        }
        let page = Position { unset_phase: false, id: Uuid::nil(), keys: Vec::new() }.seal(&key, 42).unwrap();
        assert!(key.open("a journal", &page).is_none(), "a page token");
        assert!(Position::open(&token, &key, 42).is_err(), "taken for a page token");
        let mut changed = token.clone();
        let last = if changed.pop() == Some('A') { 'B' } else { 'A' };
        changed.push(last);
        assert!(key.open("a journal", &changed).is_none());
    }
}
