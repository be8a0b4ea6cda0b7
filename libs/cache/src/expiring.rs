//! Values by key, each with an end of its own, bounded in number.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time, counted from any fixed point.
pub type Time = Arc<dyn Fn() -> Duration + Send + Sync>;

/// A full map makes room for one in this many of its values at once, so that it is not searched at every new key.
const ROOM: usize = 8;

/// A bounded map whose values lapse.
pub struct Expiring<K, V> {
    limit: usize,
    time: Time,
    entries: Mutex<HashMap<K, Entry<V>>>,
}

/// A value and when it lapses.
#[derive(Clone)]
pub(crate) struct Entry<V> {
    pub(crate) value: V,
    pub(crate) until: Duration,
}

impl<K, V> std::fmt::Debug for Expiring<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expiring").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Expiring<K, V> {
    /// A map of at most `limit` values.
    pub fn new(limit: usize) -> Self {
        let start = Instant::now();
        Self::timed_by(Arc::new(move || start.elapsed()), limit)
    }

    /// A map whose values lapse by this time.
    pub(crate) fn timed_by(time: Time, limit: usize) -> Self {
        Self { limit, time, entries: Mutex::default() }
    }

    /// The value of a key, if it has not lapsed.
    pub fn get(&self, key: &K) -> Option<V> {
        let now = self.now();
        self.lock().get(key).filter(|entry| entry.until > now).map(|entry| entry.value.clone())
    }

    /// Puts a value that lapses after `keep`.
    pub fn put(&self, key: K, value: V, keep: Duration) {
        self.insert(key, Entry { value, until: self.now().saturating_add(keep) });
    }

    pub(crate) fn now(&self) -> Duration {
        (self.time)()
    }

    /// The value of a key, lapsed or not.
    pub(crate) fn entry(&self, key: &K) -> Option<Entry<V>> {
        self.lock().get(key).cloned()
    }

    pub(crate) fn insert(&self, key: K, entry: Entry<V>) {
        let now = self.now();
        let mut entries = self.lock();
        if entries.len() >= self.limit && !entries.contains_key(&key) {
            make_room(&mut entries, self.limit, now);
        }
        entries.insert(key, entry);
    }

    pub(crate) fn remove(&self, key: &K) {
        self.lock().remove(key);
    }

    pub(crate) fn remove_where(&self, which: impl Fn(&K) -> bool) {
        self.lock().retain(|key, _| !which(key));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Entry<V>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what has lapsed and, where that is too little, what lapses soonest.
fn make_room<K: Clone + Eq + Hash, V>(entries: &mut HashMap<K, Entry<V>>, limit: usize, now: Duration) {
    entries.retain(|_, entry| entry.until > now);
    let excess = (entries.len() + 1 + limit / ROOM).saturating_sub(limit);
    if excess == 0 || entries.is_empty() {
        return;
    }
    let mut ends: Vec<(Duration, K)> =
        entries.iter().map(|(key, entry)| (entry.until, key.clone())).collect();
    ends.select_nth_unstable_by_key(excess - 1, |(until, _)| *until);
    for (_, key) in ends.drain(..excess) {
        entries.remove(&key);
    }
}
