//! Pages of lists that show the newest first: page size and page token.
//!
//! A token is the place after a row, `created_at` and id, with a MAC over it and over what it was made for: list, tenant and
//! user. So a token cannot be made up, and one of another list is told apart.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use error::{Error, Reason};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

const MAC_BYTES: usize = 16;

/// The secret that signs page tokens.
#[derive(Clone)]
pub(crate) struct PageKey(Hmac<Sha256>);

impl std::fmt::Debug for PageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageKey")
    }
}

impl PageKey {
    /// Derived from the signing key, so that every instance has the same.
    pub(crate) fn derive(signing_key: &str) -> Result<Self, Error> {
        let digest = Sha256::new().chain_update(b"globcrm page token\0").chain_update(signing_key).finalize();
        Hmac::new_from_slice(&digest).map(Self).map_err(Error::internal)
    }

    fn mac(&self, list: &str, whose: [Uuid; 2], place: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(list.as_bytes());
        mac.update(&[0]);
        mac.update(whose[0].as_bytes());
        mac.update(whose[1].as_bytes());
        mac.update(place);
        mac
    }
}

/// The place after a row in a list that shows the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) created_at: OffsetDateTime,
    pub(crate) id: Uuid,
}

impl Place {
    /// Before the first row: later than every row.
    pub(crate) fn start() -> Self {
        Self { created_at: time::macros::datetime!(9999-12-31 23:59:59 UTC), id: Uuid::max() }
    }
}

/// What one request wants of a list.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    key: &'a PageKey,
    list: &'static str,
    whose: [Uuid; 2],
    size: usize,
    /// The rows wanted come after this place.
    pub(crate) after: Place,
}

impl<'a> Wanted<'a> {
    /// Reads page size and token. `whose` is the tenant and the principal.
    ///
    /// Errors: 400 `PAGE_SIZE_INVALID`, `PAGE_TOKEN_INVALID`, `PAGE_TOKEN_MISMATCH`.
    pub(crate) fn read(
        key: &'a PageKey,
        list: &'static str,
        cx: &auth::Context,
        page_size: Option<i32>,
        token: &str,
    ) -> Result<Self, Error> {
        let whose = [cx.tenant.id().uuid(), cx.principal.id];
        let size = query::list::page_size(page_size)?;
        let after = if token.is_empty() { Place::start() } else { open(key, list, whose, token)? };
        Ok(Self { key, list, whose, size, after })
    }

    /// Rows to fetch: one more than the page holds tells whether there is a next one.
    pub(crate) fn limit(&self) -> i64 {
        self.size as i64 + 1
    }

    /// Cuts the rows to the page and gives the token of the next one, empty on the last.
    pub(crate) fn cut<T>(&self, rows: &mut Vec<T>, place: impl Fn(&T) -> Place) -> String {
        if rows.len() <= self.size {
            return String::new();
        }
        rows.truncate(self.size);
        rows.last().map(|row| seal(self.key, self.list, self.whose, place(row))).unwrap_or_default()
    }
}

fn seal(key: &PageKey, list: &str, whose: [Uuid; 2], place: Place) -> String {
    let micros = (place.created_at.unix_timestamp_nanos() / 1_000) as i64;
    let mut bytes = micros.to_be_bytes().to_vec();
    bytes.extend_from_slice(place.id.as_bytes());
    // The first MAC says that we made the token, the second for what.
    let ours = key.mac("", [Uuid::nil(); 2], &bytes).finalize().into_bytes();
    let bound = key.mac(list, whose, &bytes).finalize().into_bytes();
    bytes.extend_from_slice(&ours[..MAC_BYTES]);
    bytes.extend_from_slice(&bound[..MAC_BYTES]);
    BASE64.encode(bytes)
}

fn open(key: &PageKey, list: &str, whose: [Uuid; 2], token: &str) -> Result<Place, Error> {
    let invalid = || Error::malformed(Reason::PAGE_TOKEN_INVALID, "not a page token");
    let bytes = BASE64.decode(token).map_err(|_| invalid())?;
    if bytes.len() != 24 + 2 * MAC_BYTES {
        return Err(invalid());
    }
    let (payload, macs) = bytes.split_at(24);
    let (ours, bound) = macs.split_at(MAC_BYTES);
    key.mac("", [Uuid::nil(); 2], payload).verify_truncated_left(ours).map_err(|_| invalid())?;
    key.mac(list, whose, payload).verify_truncated_left(bound).map_err(|_| {
        Error::malformed(
            Reason::PAGE_TOKEN_MISMATCH,
            "the page token belongs to a request with other arguments",
        )
    })?;
    let micros: [u8; 8] = payload[..8].try_into().map_err(|_| invalid())?;
    let created_at =
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(i64::from_be_bytes(micros)) * 1_000)
            .map_err(|_| invalid())?;
    Ok(Place { created_at, id: Uuid::from_slice(&payload[8..]).map_err(|_| invalid())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { created_at: time::macros::datetime!(2026-05-04 03:02:01.123456 UTC), id: Uuid::from_u128(9) }
    }

    #[test]
    fn a_token_gives_its_place_back_and_fits_its_own_list_only() {
        let key = PageKey::derive("secret").unwrap();
        let whose = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let token = seal(&key, "users", whose, place());
        assert_eq!(open(&key, "users", whose, &token).unwrap(), place());
        let reason =
            |list, whose, token: &str| open(&key, list, whose, token).unwrap_err().reason().to_owned();
        assert_eq!(reason("roles", whose, &token), "PAGE_TOKEN_MISMATCH");
        assert_eq!(reason("users", [Uuid::from_u128(3), whose[1]], &token), "PAGE_TOKEN_MISMATCH");
        for bad in ["x", "!!", &token[1..], &token[..token.len() - 2]] {
            assert_eq!(reason("users", whose, bad), "PAGE_TOKEN_INVALID", "{bad}");
        }
        let other = PageKey::derive("other").unwrap();
        assert_eq!(open(&other, "users", whose, &token).unwrap_err().reason(), "PAGE_TOKEN_INVALID");
    }
}
