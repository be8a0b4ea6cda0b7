//! Tokens whose signature was found to fit.

use std::sync::Arc;
use std::time::Duration;

use cache::Expiring;
use ed25519_dalek::VerifyingKey;

/// Tokens held as verified; a caller sends the same one for minutes, and a signature costs 50 µs.
pub(super) const MAX_GOOD: usize = 10_000;

/// Claims that begin and end.
pub(super) trait Timed: Clone + serde::de::DeserializeOwned {
    /// Seconds since 1970 at which they begin and end.
    fn span(&self) -> (i64, i64);
}

/// What a token says, and the key it was found by.
#[derive(Clone, Debug)]
pub(super) struct Good<C> {
    pub(super) kid: String,
    pub(super) key: VerifyingKey,
    pub(super) claims: C,
}

/// Tokens of one type, by digest: the tokens themselves are not kept. Where there are too many, those go that end soonest.
#[derive(Debug)]
pub(super) struct GoodTokens<C>(Arc<Expiring<[u8; 32], Good<C>>>);

impl<C> Clone for GoodTokens<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: Timed> Default for GoodTokens<C> {
    fn default() -> Self {
        Self(Arc::new(Expiring::new(MAX_GOOD)))
    }
}

impl<C: Timed> GoodTokens<C> {
    pub(super) fn get(&self, digest: &[u8; 32]) -> Option<Good<C>> {
        self.0.get(digest)
    }

    pub(super) fn put(&self, digest: [u8; 32], token: Good<C>, now: i64) {
        let left = u64::try_from(token.claims.span().1 - now).unwrap_or_default();
        self.0.put(digest, token, Duration::from_secs(left));
    }
}
