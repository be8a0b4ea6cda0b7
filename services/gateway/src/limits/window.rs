//! Windows counted in this process: the fallback, and the whole of it where no Redis is configured.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

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
    /// Charges all tiers or none.
    pub(crate) fn charge(&self, tiers: &[Tier], now_millis: i64) -> Vec<Standing> {
        let length = WINDOW.as_millis() as i64;
        let (window, into) = (now_millis.div_euclid(length), now_millis.rem_euclid(length));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_KEYS {
            all.retain(|_, b| b.window >= window - 1);
            if all.len() >= MAX_KEYS {
                all.clear();
            }
        }
        let mut standings: Vec<Standing> = tiers
            .iter()
            .map(|tier| {
                let buckets = all.entry(tier.key.clone()).or_default();
                match window - buckets.window {
                    0 => {}
                    1 => *buckets = Buckets { window, current: 0, previous: buckets.current },
                    _ => *buckets = Buckets { window, current: 0, previous: 0 },
                }
                standing(tier.limit, *buckets, into, length)
            })
            .collect();
        if standings.iter().all(|s| s.allowed) {
            for (tier, standing) in tiers.iter().zip(&mut standings) {
                if let Some(buckets) = all.get_mut(&tier.key) {
                    buckets.current += 1;
                }
                standing.remaining = standing.remaining.saturating_sub(1);
            }
        }
        standings
    }
}

fn standing(limit: u32, buckets: Buckets, into: i64, length: i64) -> Standing {
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
            let standings = windows.charge(&tiers, 0);
            assert!(standings[1].allowed);
            assert_eq!(standings[1].remaining, left);
        }
        assert!(!windows.charge(&tiers, 0)[1].allowed);
        assert_eq!(windows.charge(&tiers[..1], 0)[0].remaining, 100 - 2 - 1);
    }

    #[test]
    fn the_last_window_fades_out() {
        let windows = LocalWindows::default();
        let tiers = [tier("t", 10)];
        for _ in 0..10 {
            windows.charge(&tiers, 0);
        }
        assert!(!windows.charge(&tiers, 59_999)[0].allowed);
        // Half of the last window still counts half a minute later.
        assert_eq!(windows.charge(&tiers, 90_000)[0].remaining, 10 - 5 - 1);
        assert_eq!(windows.charge(&tiers, 600_000)[0].remaining, 9);
    }
}
