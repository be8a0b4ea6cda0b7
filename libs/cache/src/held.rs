//! A bounded cache with one fetch per key at a time.

use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::expiring::{Entry, Expiring, Time};
use crate::flights::Flights;

/// How fresh a value must be for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// Held, and not lapsed.
    Held,
    /// Held, and not lapsed for longer than this yet.
    For(Duration),
    /// Fetched after the caller asked.
    Anew,
}

/// What a cache of fetched values keeps to.
#[derive(Clone, Copy, Debug)]
pub struct Terms<E> {
    /// Values held at once.
    pub limit: usize,
    /// A fetch fails after this long.
    pub deadline: Duration,
    /// How it fails then.
    pub late: fn() -> E,
    /// The failure of a fetch, and how long the fetch took -> the same failure for another caller that waited for it. `None`
    /// when it concerns its own caller alone.
    pub again: fn(&E, Duration) -> Option<E>,
    /// What is held may be handed out for this long after it could not be confirmed.
    pub stale_if_error: Option<Duration>,
}

/// Values by key, fetched when they are asked for.
pub struct Held<K, V, E> {
    terms: Terms<E>,
    values: Expiring<K, Fetched<V>>,
    flights: Flights<K, Landed<V, E>>,
    /// Orders arrivals, begins and ends of fetches.
    ticks: AtomicU64,
}

#[derive(Clone)]
struct Fetched<V> {
    value: V,
    /// The tick at which its fetch began.
    began: u64,
}

/// How a fetch ended.
enum Landed<V, E> {
    /// For callers that still wait when its key is forgotten.
    Value(Entry<Fetched<V>>),
    Failure {
        error: E,
        took: Duration,
        /// The tick at which it ended.
        ended: u64,
    },
}

impl<K, V, E> std::fmt::Debug for Held<K, V, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("limit", &self.terms.limit).finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash, V: Clone, E> Held<K, V, E> {
    /// An empty cache, whose values lapse by the runtime's time.
    pub fn new(terms: Terms<E>) -> Self {
        Self::over(Expiring::new(terms.limit), terms)
    }

    /// An empty cache, whose values lapse by this time.
    pub fn timed_by(time: Time, terms: Terms<E>) -> Self {
        Self::over(Expiring::timed_by(time, terms.limit), terms)
    }

    fn over(values: Expiring<K, Fetched<V>>, terms: Terms<E>) -> Self {
        Self { terms, values, flights: Flights::default(), ticks: AtomicU64::new(0) }
    }

    /// The value of `key`: the one held if it is as fresh as the caller wants it, else what `fetch` gives, together with how
    /// long it may be held. `fetch` is given the value held, lapsed or not, and is run by one caller at a time.
    ///
    /// The caller's own fetch satisfies it however long it took. Errors: those of `fetch` and [`Terms::late`].
    pub async fn get<F>(&self, key: K, fresh: Fresh, fetch: impl FnOnce(Option<V>) -> F) -> Result<V, E>
    where
        F: Future<Output = Result<(V, Duration), E>>,
    {
        let arrived = self.ticks.load(Ordering::SeqCst);
        if let Some(value) = self.satisfying(&key, fresh, arrived) {
            return Ok(value);
        }
        let joined = self.flights.join(key);
        let mut last = joined.turn().await;
        if let Some(value) = self.satisfying(joined.key(), fresh, arrived) {
            return Ok(value);
        }
        match &*last {
            Some(Landed::Value(entry)) if self.satisfies(entry, fresh, arrived) => {
                return Ok(entry.value.value.clone());
            }
            Some(Landed::Failure { error, took, ended }) if *ended > arrived => {
                if let Some(error) = (self.terms.again)(error, *took) {
                    return Err(error);
                }
            }
            _ => {}
        }
        let before = self.values.entry(joined.key()).map(|entry| entry.value);
        let (began, asked, start) = (self.tick(), self.values.now(), Instant::now());
        let fetch = fetch(before.as_ref().map(|fetched| fetched.value.clone()));
        match timeout(self.terms.deadline, fetch).await.unwrap_or_else(|_| Err((self.terms.late)())) {
            Ok((value, keep)) => {
                let fetched = Fetched { value: value.clone(), began };
                let entry = Entry { value: fetched, until: asked.saturating_add(keep) };
                joined.unless_parted(|| self.values.insert(joined.key().clone(), entry.clone()));
                *last = Some(Landed::Value(entry));
                Ok(value)
            }
            Err(error) => {
                let took = start.elapsed();
                let again = (self.terms.again)(&error, took);
                *last = again.map(|error| Landed::Failure { error, took, ended: self.tick() });
                let stale = self.terms.stale_if_error.filter(|_| fresh != Fresh::Anew).zip(before);
                let Some((keep, before)) = stale else { return Err(error) };
                // Its fetch stays the old one, so that it satisfies nobody who asked for a newer one.
                let entry = Entry { value: before.clone(), until: asked.saturating_add(keep) };
                let is_kept = joined.unless_parted(|| self.values.insert(joined.key().clone(), entry));
                if is_kept { Ok(before.value) } else { Err(error) }
            }
        }
    }

    /// The value of `key` if it is held and has not lapsed. Fetches nothing and does not wait.
    pub fn held(&self, key: &K) -> Option<V> {
        self.values.get(key).map(|fetched| fetched.value)
    }

    /// Drops the value of `key`, also one that is being fetched.
    pub fn forget(&self, key: &K) {
        self.flights.part(|known| known == key, || self.values.remove(key));
    }

    /// Drops the values of the keys for which `which` is true, also those that are being fetched.
    pub fn forget_where(&self, which: impl Fn(&K) -> bool) {
        self.flights.part(&which, || self.values.remove_where(&which));
    }

    /// Drops everything.
    pub fn clear(&self) {
        self.forget_where(|_| true);
    }

    fn satisfying(&self, key: &K, fresh: Fresh, arrived: u64) -> Option<V> {
        let entry = self.values.entry(key)?;
        self.satisfies(&entry, fresh, arrived).then_some(entry.value.value)
    }

    fn satisfies(&self, entry: &Entry<Fetched<V>>, fresh: Fresh, arrived: u64) -> bool {
        let now = self.values.now();
        match fresh {
            Fresh::Held => entry.until > now,
            Fresh::For(rest) => entry.until > now.saturating_add(rest),
            Fresh::Anew => entry.until > now && entry.value.began > arrived,
        }
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst) + 1
    }
}

#[cfg(test)]
impl<K: Clone + Eq + Hash, V: Clone, E> Held<K, V, E> {
    /// Keys that somebody fetches or waits for.
    pub(crate) fn callers(&self) -> usize {
        self.flights.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}
