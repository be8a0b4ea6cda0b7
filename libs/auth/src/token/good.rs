//! Tokens whose signature was found to fit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

type ByDigest<C> = HashMap<[u8; 32], Good<C>>;

/// Tokens of one type, by digest: the tokens themselves are not kept.
#[derive(Debug)]
pub(super) struct GoodTokens<C>(Arc<Mutex<ByDigest<C>>>);

impl<C> Clone for GoodTokens<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C> Default for GoodTokens<C> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<C: Timed> GoodTokens<C> {
    pub(super) fn get(&self, digest: &[u8; 32]) -> Option<Good<C>> {
        self.lock().get(digest).cloned()
    }

    pub(super) fn put(&self, digest: [u8; 32], token: Good<C>, now: i64) {
        let mut good = self.lock();
        if good.len() >= MAX_GOOD {
            good.retain(|_, held| held.claims.span().1 > now);
            // Without a token that has ended, all begin anew: rare, and cheaper than an order of use.
            if good.len() >= MAX_GOOD {
                good.clear();
            }
        }
        good.insert(digest, token);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, ByDigest<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
