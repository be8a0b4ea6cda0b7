//! Who fetches what at the moment.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync;

/// What callers of one key share: its lock is held by the one that fetches.
type Flight<T> = Arc<sync::Mutex<Option<T>>>;

/// The keys that callers fetch or wait for, each with how its last fetch ended. A key is there as long as it has callers.
pub(crate) struct Flights<K, T>(Mutex<HashMap<K, Callers<T>>>);

struct Callers<T> {
    flight: Flight<T>,
    number: usize,
}

/// One caller's part in a flight, given up when it is dropped.
pub(crate) struct Joined<'f, K: Eq + Hash, T> {
    flights: &'f Flights<K, T>,
    key: K,
    flight: Flight<T>,
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, T> Flights<K, T> {
    /// Joins those who fetch a key or wait for it, as the first one if there are none.
    pub(crate) fn join(&self, key: K) -> Joined<'_, K, T> {
        let mut all = self.lock();
        let callers = all
            .entry(key.clone())
            .or_insert_with(|| Callers { flight: Arc::new(sync::Mutex::new(None)), number: 0 });
        callers.number += 1;
        Joined { flights: self, key, flight: callers.flight.clone() }
    }

    /// Parts the keys from who fetches them now: what they fetch is not kept, and who comes later does not join them. `then`
    /// runs before anybody can join or keep a value again.
    pub(crate) fn part(&self, which: impl Fn(&K) -> bool, then: impl FnOnce()) {
        let mut all = self.lock();
        all.retain(|key, _| !which(key));
        then();
    }
}

impl<K, T> Flights<K, T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Callers<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, T> Joined<'_, K, T> {
    /// The key.
    pub(crate) fn key(&self) -> &K {
        &self.key
    }

    /// Waits until nobody else fetches; holds how the last fetch ended, if that is known.
    pub(crate) async fn turn(&self) -> sync::MutexGuard<'_, Option<T>> {
        self.flight.lock().await
    }

    /// Runs `keep` unless the key was forgotten meanwhile, and says which.
    pub(crate) fn unless_parted(&self, keep: impl FnOnce()) -> bool {
        let all = self.flights.lock();
        let is_current = all.get(&self.key).is_some_and(|callers| Arc::ptr_eq(&callers.flight, &self.flight));
        if is_current {
            keep();
        }
        is_current
    }
}

impl<K: Eq + Hash, T> Drop for Joined<'_, K, T> {
    fn drop(&mut self) {
        let mut all = self.flights.lock();
        if let Some(callers) = all.get_mut(&self.key)
            && Arc::ptr_eq(&callers.flight, &self.flight)
        {
            callers.number -= 1;
            if callers.number == 0 {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
impl<K, T> Flights<K, T> {
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}
