//! Pages of lists that are not statements of this crate: how many rows, after which place, and the token of the next page.
//!
//! The tokens are those of [`crate::cursor`], bound to what names the list: a token of another list, tenant or caller is refused.

use error::Error;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::cursor::{CursorKey, Position, fingerprint_of};
use crate::sql::Bind;
use crate::{list, refusal};

/// Names the list of a caller's operations. Each service with operations has a part of it, and the gateway makes one list of the
/// parts: a place in one is a place in all of them, so they and the gateway name it alike and sign with the same key.
pub const OPERATIONS: &str = "operations";

/// The place after a row, by what its list is ordered by.
pub trait Anchor: Copy {
    /// Before the first row.
    fn start() -> Self;
    /// The id and the key that a token holds.
    fn key(self) -> (Uuid, Bind);
    /// The place of such a token.
    fn of(id: Uuid, key: &Bind) -> Option<Self>;
    /// Whether it is among the rows that come after all others, as those without a value do.
    fn is_last_phase(self) -> bool {
        false
    }
    /// The same place among those rows; `None` where a list has none.
    fn into_last_phase(self) -> Option<Self> {
        None
    }
}

/// A place in a list that shows the newest first, and of those the greatest id. The greater place comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Newest {
    /// When the row was created.
    pub created_at: OffsetDateTime,
    /// Its id.
    pub id: Uuid,
}

impl Anchor for Newest {
    fn start() -> Self {
        // Later than every row.
        Self { created_at: time::macros::datetime!(9999-12-31 23:59:59 UTC), id: Uuid::max() }
    }

    fn key(self) -> (Uuid, Bind) {
        (self.id, Bind::Time(self.created_at))
    }

    fn of(id: Uuid, key: &Bind) -> Option<Self> {
        match key {
            Bind::Time(created_at) => Some(Self { created_at: *created_at, id }),
            _ => None,
        }
    }
}

/// A place in a list of two phases: the newest first, and after all of these, in the same order, rows that must not be among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phased {
    /// Whether it is among the rows that come after all others.
    pub is_last_phase: bool,
    /// The place in its phase.
    pub newest: Newest,
}

impl Anchor for Phased {
    fn start() -> Self {
        Self { is_last_phase: false, newest: Newest::start() }
    }

    fn key(self) -> (Uuid, Bind) {
        self.newest.key()
    }

    fn of(id: Uuid, key: &Bind) -> Option<Self> {
        Some(Self { is_last_phase: false, newest: Newest::of(id, key)? })
    }

    fn is_last_phase(self) -> bool {
        self.is_last_phase
    }

    fn into_last_phase(self) -> Option<Self> {
        Some(Self { is_last_phase: true, ..self })
    }
}

/// A place in a list whose rows are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordinal(pub i32);

impl Anchor for Ordinal {
    fn start() -> Self {
        Self(-1)
    }

    fn key(self) -> (Uuid, Bind) {
        (Uuid::nil(), Bind::Int(self.0.into()))
    }

    fn of(_: Uuid, key: &Bind) -> Option<Self> {
        match key {
            Bind::Int(ordinal) => i32::try_from(*ordinal).ok().map(Self),
            _ => None,
        }
    }
}

/// What a request asks of a list.
#[derive(Debug)]
pub struct PageRequest<'a, P> {
    key: &'a CursorKey,
    fingerprint: u128,
    size: usize,
    /// The rows of the page come after this place.
    pub after: P,
}

impl<'a, P: Anchor> PageRequest<'a, P> {
    /// Reads page size and token. `list` names the list, its tenant, and whoever else the token is for.
    ///
    /// Errors: 400 `PAGE_SIZE_INVALID`, `PAGE_TOKEN_INVALID`, and `PAGE_TOKEN_MISMATCH` for a token of another list.
    pub fn read(
        key: &'a CursorKey,
        list: &[&[u8]],
        page_size: Option<i32>,
        token: &str,
    ) -> Result<Self, Error> {
        let (size, fingerprint) = (list::page_size(page_size)?, fingerprint_of(list));
        let after = if token.is_empty() {
            P::start()
        } else {
            let position = Position::open(token, key, fingerprint)?;
            let place = match position.keys.as_slice() {
                [Some(key)] => P::of(position.id, key),
                _ => None,
            };
            let place = if position.unset_phase { place.and_then(P::into_last_phase) } else { place };
            place.ok_or_else(refusal::token_invalid)?
        };
        Ok(Self { key, fingerprint, size, after })
    }

    /// The same of a list that every caller has of their own: the token is of no use to another.
    pub fn read_own(
        key: &'a CursorKey,
        list: &str,
        (tenant, principal): (Uuid, Uuid),
        page_size: Option<i32>,
        token: &str,
    ) -> Result<Self, Error> {
        Self::read(key, &[list.as_bytes(), tenant.as_bytes(), principal.as_bytes()], page_size, token)
    }

    /// Rows to fetch: one more than the page holds says whether there is a next one.
    pub fn limit(&self) -> i64 {
        self.size as i64 + 1
    }

    /// Cuts the rows to the page, and to `most` where fewer fit, but not below one. Gives the token of the next page, empty on the
    /// last.
    pub fn cut<T>(&self, rows: &mut Vec<T>, most: usize, place: impl Fn(&T) -> P) -> Result<String, Error> {
        self.cut_of_more(rows, most, false, place)
    }

    /// The same of rows that are pages themselves: where there are `more` after the last of them, the page is not the last either.
    pub fn cut_of_more<T>(
        &self,
        rows: &mut Vec<T>,
        most: usize,
        more: bool,
        place: impl Fn(&T) -> P,
    ) -> Result<String, Error> {
        let size = self.size.min(most.max(1));
        if rows.len() <= size && !more {
            return Ok(String::new());
        }
        rows.truncate(size);
        rows.last().map(|row| self.seal(place(row))).transpose().map(Option::unwrap_or_default)
    }

    /// The token of a page that begins after a place.
    pub fn seal(&self, place: P) -> Result<String, Error> {
        let (id, key) = place.key();
        Position { unset_phase: place.is_last_phase(), id, keys: vec![Some(key)] }
            .seal(self.key, self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    fn key(fill: &str) -> CursorKey {
        CursorKey::new(&SecretString::from(fill.repeat(32))).unwrap()
    }

    fn newest(n: u128) -> Newest {
        Newest { created_at: time::macros::datetime!(2026-05-04 03:02:01.123456 UTC), id: Uuid::from_u128(n) }
    }

    fn read<'a, P: Anchor>(
        key: &'a CursorKey,
        list: &[&[u8]],
        token: &str,
    ) -> Result<PageRequest<'a, P>, String> {
        PageRequest::read(key, list, Some(2), token).map_err(|error| error.reason().to_owned())
    }

    #[test]
    fn pages_follow_each_other_to_the_last() {
        let key = key("k");
        let first = read::<Newest>(&key, &[b"users"], "").unwrap();
        assert_eq!((first.after, first.limit()), (Newest::start(), 3));
        let mut rows = vec![newest(3), newest(2), newest(1)];
        let token = first.cut(&mut rows, usize::MAX, |row| *row).unwrap();
        assert_eq!(rows, [newest(3), newest(2)]);
        let second = read::<Newest>(&key, &[b"users"], &token).unwrap();
        assert_eq!(second.after, newest(2));
        assert_eq!(second.cut(&mut vec![newest(1)], usize::MAX, |row| *row).unwrap(), "");
        // Fewer fit, but one always does.
        for most in [0, 1] {
            let mut rows = vec![newest(3), newest(2)];
            let token = first.cut(&mut rows, most, |row| *row).unwrap();
            assert_eq!(
                (rows.len(), read::<Newest>(&key, &[b"users"], &token).unwrap().after),
                (1, newest(3))
            );
        }
    }

    #[test]
    fn a_token_keeps_its_phase() {
        let key = key("k");
        let page = read::<Phased>(&key, &[b"timeline"], "").unwrap();
        assert_eq!(page.after, Phased::start());
        for is_last_phase in [false, true] {
            let place = Phased { is_last_phase, newest: newest(1) };
            let token = page.seal(place).unwrap();
            assert_eq!(read::<Phased>(&key, &[b"timeline"], &token).unwrap().after, place);
            // A list of one phase has no place in another.
            let other = read::<Newest>(&key, &[b"timeline"], &token).map(|page| page.after);
            let expected = if is_last_phase { Err("PAGE_TOKEN_INVALID".to_owned()) } else { Ok(newest(1)) };
            assert_eq!(other, expected);
        }
    }

    #[test]
    fn a_token_is_good_for_its_own_list_and_key_only() {
        let key = key("k");
        let list = [&b"fields"[..], b"contact"];
        let page = read::<Ordinal>(&key, &list, "").unwrap();
        let token = page.cut(&mut vec![7, 8, 9], usize::MAX, |n| Ordinal(*n)).unwrap();
        assert_eq!(read::<Ordinal>(&key, &list, &token).unwrap().after, Ordinal(8));
        for other in [[&b"fields"[..], b"company"], [&b"field"[..], b"scontact"]] {
            assert_eq!(read::<Ordinal>(&key, &other, &token).unwrap_err(), "PAGE_TOKEN_MISMATCH");
        }
        assert_eq!(
            read::<Ordinal>(&super::tests::key("x"), &list, &token).unwrap_err(),
            "PAGE_TOKEN_INVALID"
        );
        // Ours, and of a list that is ordered by something else.
        assert_eq!(read::<Newest>(&key, &list, &token).unwrap_err(), "PAGE_TOKEN_INVALID");
        assert_eq!(read::<Ordinal>(&key, &list, "x").unwrap_err(), "PAGE_TOKEN_INVALID");
    }
}
