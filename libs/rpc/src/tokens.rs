//! Tokens held for a while, one fetch at a time for each key.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use error::Error;
use ids::Clock;
use time::OffsetDateTime;

/// At most this many are held; beyond it the ended ones go, and if none has, all.
const MAX_HELD: usize = 10_000;

type Slot<V> = Arc<tokio::sync::Mutex<Option<(V, OffsetDateTime)>>>;

/// Values by key, each until its time.
pub(crate) struct Held<K, V> {
    clock: Clock,
    slots: Mutex<HashMap<K, Slot<V>>>,
}

impl<K: Eq + Hash, V: Clone> Held<K, V> {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, slots: Mutex::default() }
    }

    /// The value held, or the one `fetch` gives with the time it may be held. Who asks while it is fetched waits for it.
    pub(crate) async fn get<F>(&self, key: K, fetch: F) -> Result<V, Error>
    where
        F: Future<Output = Result<(V, Duration), Error>>,
    {
        let slot = self.slot(key);
        let mut held = slot.lock().await;
        if let Some((value, until)) = held.as_ref()
            && *until > self.clock.now()
        {
            return Ok(value.clone());
        }
        // Counted from before the question: a slow answer does not live longer.
        let asked = self.clock.now();
        let (value, keep) = fetch.await?;
        *held = Some((value.clone(), asked + keep));
        Ok(value)
    }

    /// Drops the values for which `keep` is false. One being fetched right now is dropped too.
    pub(crate) fn retain(&self, keep: impl Fn(&K, &V) -> bool) {
        let mut all = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|key, slot| {
            slot.try_lock().is_ok_and(|held| held.as_ref().is_some_and(|(value, _)| keep(key, value)))
        });
    }

    fn slot(&self, key: K) -> Slot<V> {
        let mut all = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_HELD && !all.contains_key(&key) {
            let now = self.clock.now();
            all.retain(|_, slot| {
                slot.try_lock().map_or(true, |held| held.as_ref().is_some_and(|(_, until)| *until > now))
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
                0 => Err(Error::unavailable("DOWN", "down")),
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

    #[tokio::test]
    async fn the_number_held_is_bounded() {
        let held = Held::<usize, ()>::new(Clock::system());
        for key in 0..MAX_HELD * 2 {
            held.get(key, async { Ok(((), Duration::from_secs(30))) }).await.unwrap();
        }
        assert!(held.slots.lock().unwrap().len() <= MAX_HELD);
    }
}
