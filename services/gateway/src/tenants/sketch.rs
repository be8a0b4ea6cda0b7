//! Who comes most often, in a bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent and Top-k Elements in
//! Data Streams, 2005). Whoever makes more than one in `places` of all requests is among the places, and no count is too small by anything or too
//! large by more than all requests divided by `places`.

use std::collections::HashMap;
use std::hash::Hash;

/// Counts of those who come most often.
#[derive(Debug)]
pub(super) struct Sketch<K> {
    places: usize,
    counts: HashMap<K, u64>,
}

impl<K: Copy + Eq + Hash + Ord> Sketch<K> {
    pub(super) fn new(places: usize) -> Self {
        Self { places, counts: HashMap::with_capacity(places) }
    }

    /// One more of this key. A key without a place takes that of the rarest one, and its count.
    pub(super) fn add(&mut self, key: K) {
        if let Some(count) = self.counts.get_mut(&key) {
            *count += 1;
            return;
        }
        let mut count = 0;
        if self.counts.len() >= self.places {
            // Among equals the greatest, so that it is the same every time.
            let Some((rarest, least)) = self
                .counts
                .iter()
                .map(|(key, count)| (*key, *count))
                .min_by_key(|(key, count)| (*count, std::cmp::Reverse(*key)))
            else {
                return;
            };
            self.counts.remove(&rarest);
            count = least;
        }
        self.counts.insert(key, count + 1);
    }

    /// Halves every count, so that what was long ago counts less and less; who has none left goes.
    pub(super) fn fade(&mut self) {
        self.counts.retain(|_, count| {
            *count /= 2;
            *count > 0
        });
    }

    /// The count of a key; 0 without a place.
    pub(super) fn count(&self, key: K) -> u64 {
        self.counts.get(&key).copied().unwrap_or_default()
    }

    /// Everybody who has a place.
    pub(super) fn keys(&self) -> impl Iterator<Item = K> {
        self.counts.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look like chance, always the same.
    fn noise() -> impl Iterator<Item = u64> {
        let step =
            |n: &u64| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        std::iter::successors(Some(7), step).map(|n| n >> 33)
    }

    #[test]
    fn whoever_is_frequent_has_a_place_among_thousands_of_others_and_no_count_is_beyond_the_bound() {
        const PLACES: usize = 100;
        let mut sketch = Sketch::new(PLACES);
        let mut truth: HashMap<u64, u64> = HashMap::new();
        let mut all = 0;
        for n in noise().take(50_000) {
            // A tenth each for two of them, the rest spread over 5,000.
            let key = match n % 10 {
                0 => 1,
                1 => 2,
                _ => 10 + n / 10 % 5_000,
            };
            sketch.add(key);
            *truth.entry(key).or_default() += 1;
            all += 1;
        }
        assert!(truth.len() > 4_900);
        assert_eq!(sketch.keys().count(), PLACES);
        for key in sketch.keys() {
            let (counted, was) = (sketch.count(key), truth[&key]);
            assert!(was <= counted && counted <= was + all / PLACES as u64, "{key}: {counted} of {was}");
        }
        let mut frequent =
            truth.iter().filter(|(_, count)| **count > all / PLACES as u64).map(|(key, _)| *key);
        assert!(frequent.all(|key| sketch.count(key) > 0));
        assert!(sketch.count(1) >= truth[&1] && sketch.count(2) >= truth[&2]);
    }

    #[test]
    fn what_was_long_ago_counts_less_and_less() {
        let mut sketch = Sketch::new(4);
        (0..8).for_each(|_| sketch.add(1));
        sketch.add(2);
        sketch.fade();
        assert_eq!((sketch.count(1), sketch.count(2)), (4, 0));
        (0..3).for_each(|_| sketch.fade());
        assert_eq!(sketch.keys().count(), 0);
    }
}
