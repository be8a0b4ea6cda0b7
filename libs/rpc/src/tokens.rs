//! Tokens held for a while, one fetch at a time for each key.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use error::Error;
use ids::Clock;
use time::OffsetDateTime;
use tokio::time::Instant;

/// At most this many are held; beyond it the ended ones go, and if none has, all.
const MAX_HELD: usize = 10_000;

type Slot<V> = Arc<tokio::sync::Mutex<Place<V>>>;

/// What stands in a slot.
struct Place<V> {
    held: Option<(V, OffsetDateTime)>,
    /// The last fetch that failed, and when: it answers all who waited for it.
    failure: Option<(Instant, Error)>,
}

impl<V> Default for Place<V> {
    fn default() -> Self {
        Self { held: None, failure: None }
    }
}

/// Values by key, each until its time.
pub(crate) struct Held<K, V> {
    clock: Clock,
    slots: Mutex<HashMap<K, Slot<V>>>,
}

impl<K: Eq + Hash, V: Clone> Held<K, V> {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, slots: Mutex::default() }
    }

    /// The value held, or the one `fetch` gives with the time it may be held. Who asks while it is fetched waits for it, and
    /// shares its failure: waiting in turn for fetches that hang would take the last one the time of all.
    pub(crate) async fn get<F>(&self, key: K, fetch: F) -> Result<V, Error>
    where
        F: Future<Output = Result<(V, Duration), Error>>,
    {
        let slot = self.slot(key);
        let arrived = Instant::now();
        let mut place = slot.lock().await;
        if let Some((value, until)) = &place.held
            && *until > self.clock.now()
        {
            return Ok(value.clone());
        }
        if let Some((at, error)) = &place.failure
            && *at > arrived
        {
            return Err(error.again());
        }
        // Counted from before the question: a slow answer does not live longer.
        let asked = self.clock.now();
        match fetch.await {
            Ok((value, keep)) => {
                *place = Place { held: Some((value.clone(), asked + keep)), failure: None };
                Ok(value)
            }
            Err(error) => {
                place.failure = Some((Instant::now(), error.again()));
                Err(error)
            }
        }
    }

    /// The value held, if it is and nobody is fetching it.
    pub(crate) fn held(&self, key: &K) -> Option<V> {
        let slot = self.slots.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()?;
        let place = slot.try_lock().ok()?;
        let (value, until) = place.held.as_ref()?;
        (*until > self.clock.now()).then(|| value.clone())
    }

    /// Drops the values for which `keep` is false. One being fetched right now is dropped too.
    pub(crate) fn retain(&self, keep: impl Fn(&K, &V) -> bool) {
        let mut all = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|key, slot| {
            slot.try_lock().is_ok_and(|place| place.held.as_ref().is_some_and(|(value, _)| keep(key, value)))
        });
    }

    fn slot(&self, key: K) -> Slot<V> {
        let mut all = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_HELD && !all.contains_key(&key) {
            let now = self.clock.now();
            all.retain(|_, slot| {
                slot.try_lock()
                    .map_or(true, |place| place.held.as_ref().is_some_and(|(_, until)| *until > now))
            });
            if all.len() >= MAX_HELD {
                all.clear();
            }
        }
        all.entry(key).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn one_fetch_serves_all_until_its_time_and_a_failure_is_not_held() {
        let (clock, hand) = Clock::fixed(OffsetDateTime::UNIX_EPOCH);
        let held = Held::<u8, u32>::new(clock);
        let fetches = AtomicU32::new(0);
        let fetch = || async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            match fetches.fetch_add(1, Ordering::SeqCst) {
                0 => Err(Error::unavailable(error::Reason::UNAVAILABLE, "down")),
                n => Ok((n, Duration::from_secs(30))),
            }
        };
        held.get(1, fetch()).await.unwrap_err();
        let (a, b) = tokio::join!(held.get(1, fetch()), held.get(1, fetch()));
        assert_eq!((a.unwrap(), b.unwrap()), (1, 1));
        hand.advance(Duration::from_secs(29));
        assert_eq!(held.get(1, fetch()).await.unwrap(), 1);
        hand.advance(Duration::from_secs(1));
        assert_eq!(held.get(1, fetch()).await.unwrap(), 2);
        held.retain(|key, _| *key != 1);
        assert_eq!(held.get(1, fetch()).await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_for_a_fetch_share_its_failure() {
        let held = Held::<u8, u32>::new(Clock::system());
        let began = Instant::now();
        let fetch = || async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Err(Error::unavailable(error::Reason::UNAVAILABLE, "down"))
        };
        let calls = (0..10).map(|_| held.get(1, fetch()));
        for result in futures_util::future::join_all(calls).await {
            assert_eq!(result.unwrap_err().reason(), "UNAVAILABLE");
        }
        assert_eq!(began.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test]
    async fn the_number_held_is_bounded() {
        let held = Held::<usize, ()>::new(Clock::system());
        for key in 0..MAX_HELD * 2 {
            held.get(key, async { Ok(((), Duration::from_secs(30))) }).await.unwrap();
        }
        assert!(held.slots.lock().unwrap().len() <= MAX_HELD);
    }
}
