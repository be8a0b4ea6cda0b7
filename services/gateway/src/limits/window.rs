//! Windows counted in this process, all the time: beside those in Redis, and alone where there is none.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Standing, Tier, WINDOW};

/// Counters held at once; beyond it those of past windows go, and if none is past, all go.
const MAX_KEYS: usize = 100_000;

/// Two buckets per key: what the last window holds counts by the share of it that still lies inside.
#[derive(Clone, Copy, Debug, Default)]
struct Buckets {
    window: i64,
    current: u32,
    previous: u32,
}

#[derive(Debug, Default)]
pub(crate) struct LocalWindows(Mutex<HashMap<String, Buckets>>);

impl LocalWindows {
    /// Charges all tiers or none; gives the tightest.
    pub(crate) fn charge(&self, tiers: &[Tier], now_millis: i64) -> (usize, Standing) {
        let (window, into) = at(now_millis);
        let mut all = self.lock(window);
        let mut tightest =
            (usize::MAX, Standing { limit: u32::MAX, remaining: u32::MAX, reset: 0, allowed: true });
        for (place, tier) in tiers.iter().enumerate() {
            let standing = with(&mut all, tier, window, |b| standing(tier.limit, *b, into));
            if (standing.allowed, standing.remaining) < (tightest.1.allowed, tightest.1.remaining) {
                tightest = (place, standing);
            }
        }
        if tightest.1.allowed {
            for tier in tiers {
                with(&mut all, tier, window, |b| b.current = b.current.saturating_add(1));
            }
            tightest.1.remaining = tightest.1.remaining.saturating_sub(1);
        }
        tightest
    }

    /// How a tier stands, without a charge.
    pub(crate) fn look(&self, tier: &Tier, now_millis: i64) -> Standing {
        let (window, into) = at(now_millis);
        with(&mut self.lock(window), tier, window, |b| standing(tier.limit, *b, into))
    }

    /// Charges more, whether there is room or not.
    pub(crate) fn add(&self, tiers: &[Tier], cost: u32, now_millis: i64) {
        let (window, _) = at(now_millis);
        let mut all = self.lock(window);
        for tier in tiers {
            with(&mut all, tier, window, |b| b.current = b.current.saturating_add(cost));
        }
    }

    /// Takes back what was charged.
    pub(crate) fn give_back(&self, tiers: &[Tier], count: u32, now_millis: i64) {
        let (window, _) = at(now_millis);
        let mut all = self.lock(window);
        for tier in tiers {
            with(&mut all, tier, window, |b| b.current = b.current.saturating_sub(count));
        }
    }

    fn lock(&self, window: i64) -> MutexGuard<'_, HashMap<String, Buckets>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_KEYS {
            all.retain(|_, b| b.window >= window - 1);
            if all.len() >= MAX_KEYS {
                all.clear();
            }
        }
        all
    }
}

/// The number of the window, and the milliseconds since it began.
fn at(now_millis: i64) -> (i64, i64) {
    let length = WINDOW.as_millis() as i64;
    (now_millis.div_euclid(length), now_millis.rem_euclid(length))
}

/// Does something to the buckets of a tier, moved to this window.
fn with<T>(
    all: &mut HashMap<String, Buckets>,
    tier: &Tier,
    window: i64,
    change: impl FnOnce(&mut Buckets) -> T,
) -> T {
    let moved = |buckets: &mut Buckets| {
        match window - buckets.window {
            0 => {}
            1 => *buckets = Buckets { window, current: 0, previous: buckets.current },
            _ => *buckets = Buckets { window, current: 0, previous: 0 },
        }
        change(buckets)
    };
    // No copy of the key of one that is known, which is nearly every one.
    match all.get_mut(&tier.key) {
        Some(buckets) => moved(buckets),
        None => moved(all.entry(tier.key.clone()).or_default()),
    }
}

fn standing(limit: u32, buckets: Buckets, into: i64) -> Standing {
    let length = WINDOW.as_millis() as i64;
    let carried = i64::from(buckets.previous) * (length - into) / length;
    let used = u32::try_from(carried).unwrap_or(u32::MAX).saturating_add(buckets.current);
    let reset = u64::try_from(length - into).unwrap_or(0).div_ceil(1_000);
    Standing { limit, remaining: limit.saturating_sub(used), reset, allowed: used < limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(name: &'static str, limit: u32) -> Tier {
        Tier { name, key: name.to_owned(), limit }
    }

    #[test]
    fn a_full_tier_refuses_and_charges_no_other() {
        let windows = LocalWindows::default();
        let tiers = [tier("wide", 100), tier("tight", 2)];
        for left in [1, 0] {
            let (tier, standing) = windows.charge(&tiers, 0);
            assert_eq!((tier, standing.allowed, standing.remaining), (1, true, left));
        }
        assert!(!windows.charge(&tiers, 0).1.allowed);
        assert_eq!(windows.charge(&tiers[..1], 0).1.remaining, 100 - 2 - 1);
    }

    #[test]
    fn costs_are_added_and_what_was_not_used_is_given_back() {
        let windows = LocalWindows::default();
        let tiers = [tier("t", 10)];
        windows.charge(&tiers, 0);
        windows.add(&tiers, 20, 0);
        assert!(!windows.charge(&tiers, 0).1.allowed);
        windows.give_back(&tiers, 20, 0);
        assert_eq!(windows.charge(&tiers, 0).1.remaining, 8);
        windows.give_back(&tiers, 99, 0);
        assert_eq!(windows.charge(&tiers, 0).1.remaining, 9);
    }

    #[test]
    fn the_last_window_fades_out() {
        let windows = LocalWindows::default();
        let tiers = [tier("t", 10)];
        for _ in 0..10 {
            windows.charge(&tiers, 0);
        }
        assert!(!windows.charge(&tiers, 59_999).1.allowed);
        // Half of the last window still counts half a minute later.
        assert_eq!(windows.charge(&tiers, 90_000).1.remaining, 10 - 5 - 1);
        assert_eq!(windows.charge(&tiers, 600_000).1.remaining, 9);
    }
}
