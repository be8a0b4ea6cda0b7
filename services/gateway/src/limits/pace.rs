//! How fast the requests of a minute may come: many at once, and the rest at an even pace.
//!
//! A window alone lets a caller spend a minute's requests within seconds, which others then feel as one long burst. Here each
//! request is a debt that is paid off at the pace of the limit. While the debt is small nobody waits; beyond that a request waits
//! for its turn, and one that would wait too long is refused. So a fast client that waits for its answers is slowed down to its limit,
//! where a window would refuse it for the rest of the minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Tier, WINDOW};

/// Requests that may come at once: this share of the limit, and never less than [`LEAST_FREE`], so that a low limit is a matter
/// of its window alone.
const FREE_SHARE: u32 = 20;
const LEAST_FREE: u32 = 1_000;
/// The longest wait for a turn.
const MOST: Duration = Duration::from_secs(1);
/// Refusals that are answered at once, and how many of them are forgotten in a second. A client that hears them has stopped by then.
const PROMPT: f64 = 20.0;
const FORGOTTEN_PER_SECOND: f64 = 5.0;
/// Callers that are known; beyond it those who have not come for a minute are forgotten, and if there are none, all are.
const MAX_KEYS: usize = 100_000;

/// What each caller has to pay off, by the key of its tier.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<String, Account>>);

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// Requests made and not yet paid off.
    debt: f64,
    /// Requests refused and not yet forgotten.
    refused: f64,
    /// When the two were true, in milliseconds.
    at: i64,
}

/// Whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Turn {
    /// After this wait.
    In(Duration),
    /// It would have to wait longer than a request may: the tier by its place, and the wait.
    TooFar(usize, Duration),
}

impl Pace {
    /// Puts one request on the account of every tier, or on none when it would have to wait too long.
    pub(super) fn take(&self, tiers: &[Tier], now: i64) -> Turn {
        let mut all = self.lock(now);
        let mut longest = (0, Duration::ZERO);
        for (place, tier) in tiers.iter().enumerate() {
            let wait = with(&mut all, tier, now, |account| wait(account.debt, tier.limit));
            if wait > longest.1 {
                longest = (place, wait);
            }
        }
        if longest.1 > MOST {
            return Turn::TooFar(longest.0, longest.1);
        }
        for tier in tiers {
            with(&mut all, tier, now, |account| account.debt += 1.0);
        }
        Turn::In(longest.1)
    }

    /// Adds to the debt of every tier; less than nothing gives back. A debt is never more than a minute pays off: what many
    /// requests at once have cost is known when they have ended, and may be a lot together.
    pub(super) fn add(&self, tiers: &[Tier], cost: f64, now: i64) {
        let mut all = self.lock(now);
        for tier in tiers {
            with(&mut all, tier, now, |account| {
                account.debt = (account.debt + cost).clamp(0.0, f64::from(tier.limit));
            });
        }
    }

    /// Notes a refusal by a tier; whether it has refused so many that this one is answered late. It is the tier's own account, so that
    /// a full network does not have the first refusals of each of its addresses.
    pub(super) fn refuse(&self, tier: &Tier, now: i64) -> bool {
        with(&mut self.lock(now), tier, now, |account| {
            // No more is remembered than is forgotten within some seconds.
            account.refused = (account.refused + 1.0).min(PROMPT * 2.0);
            account.refused > PROMPT
        })
    }

    fn lock(&self, now: i64) -> std::sync::MutexGuard<'_, HashMap<String, Account>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_KEYS {
            let minute = i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX);
            all.retain(|_, account| now - account.at < minute);
            if all.len() >= MAX_KEYS {
                all.clear();
            }
        }
        all
    }
}

/// Does something to the account of a tier as it is now.
fn with<T>(
    all: &mut HashMap<String, Account>,
    tier: &Tier,
    now: i64,
    change: impl FnOnce(&mut Account) -> T,
) -> T {
    let current = |account: &mut Account| {
        let passed = (now - account.at).max(0) as f64;
        account.debt = (account.debt - passed * per_milli(tier.limit)).max(0.0);
        account.refused = (account.refused - passed * FORGOTTEN_PER_SECOND / 1_000.0).max(0.0);
        // Also backwards: a clock that was set back must not stop the pace.
        account.at = now;
        change(account)
    };
    match all.get_mut(&tier.key) {
        Some(account) => current(account),
        None => current(all.entry(tier.key.clone()).or_insert(Account { at: now, ..Account::default() })),
    }
}

fn per_milli(limit: u32) -> f64 {
    f64::from(limit.max(1)) / WINDOW.as_millis() as f64
}

/// How long the next request waits for its turn.
fn wait(debt: f64, limit: u32) -> Duration {
    let over = debt + 1.0 - f64::from((limit / FREE_SHARE).max(LEAST_FREE));
    let millis = (over / per_milli(limit)).max(0.0);
    Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u32 = 60_000;

    fn tier(name: &'static str, limit: u32) -> Tier {
        Tier { name, key: name.to_owned(), limit }
    }

    /// How many of `asked` requests at `now` may go on, and the longest wait among them.
    fn turns(pace: &Pace, tiers: &[Tier], asked: u32, now: i64) -> (u32, Duration) {
        (0..asked).fold((0, Duration::ZERO), |(taken, longest), _| match pace.take(tiers, now) {
            Turn::In(wait) => (taken + 1, longest.max(wait)),
            Turn::TooFar(..) => (taken, longest),
        })
    }

    #[test]
    fn many_may_come_at_once_and_the_rest_at_an_even_pace() {
        let (pace, tiers) = (Pace::default(), [tier("t", LIMIT)]);
        let free = LIMIT / FREE_SHARE;
        assert_eq!(turns(&pace, &tiers, free, 0), (free, Duration::ZERO));
        // A second's worth of requests waits, each a millisecond longer than the one before.
        assert_eq!(turns(&pace, &tiers, 5_000, 0), (1_000, MOST));
        assert_eq!(pace.take(&tiers, 0), Turn::TooFar(0, MOST + Duration::from_millis(1)));
        assert_eq!(turns(&pace, &tiers, 5_000, 250).0, 250);
        // Whoever has rested may come at once again.
        assert_eq!(turns(&pace, &tiers, free, 60_000), (free, Duration::ZERO));
    }

    #[test]
    fn a_low_limit_is_a_matter_of_its_window() {
        let (pace, tiers) = (Pace::default(), [tier("t", 600)]);
        assert_eq!(turns(&pace, &tiers, 600, 0), (600, Duration::ZERO));
    }

    #[test]
    fn the_slowest_tier_decides_and_what_is_refused_is_on_no_account() {
        let (pace, wide, tight) = (Pace::default(), tier("wide", 600_000), tier("tight", LIMIT));
        let both = [wide.clone(), tight];
        let (taken, _) = turns(&pace, &both, 10_000, 0);
        assert_eq!(taken, LIMIT / FREE_SHARE + 1_000);
        assert!(matches!(pace.take(&both, 0), Turn::TooFar(1, _)));
        assert_eq!(turns(&pace, &[wide], 30_000 - taken, 0), (30_000 - taken, Duration::ZERO));
    }

    #[test]
    fn costs_are_paid_off_too() {
        let (pace, tiers) = (Pace::default(), [tier("t", LIMIT)]);
        pace.add(&tiers, 5_000.0, 0);
        assert!(matches!(pace.take(&tiers, 0), Turn::TooFar(0, _)));
        pace.add(&tiers, -5_000.0, 0);
        assert_eq!(pace.take(&tiers, 0), Turn::In(Duration::ZERO));
        pace.add(&tiers, 1e9, 0);
        assert_eq!(pace.take(&tiers, 60_000), Turn::In(Duration::ZERO));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_the_pace() {
        let (pace, tiers) = (Pace::default(), [tier("t", LIMIT)]);
        turns(&pace, &tiers, 10_000, 3_600_000);
        assert!(matches!(pace.take(&tiers, 0), Turn::TooFar(..)));
        assert!(matches!(pace.take(&tiers, 1_000), Turn::In(_)));
    }

    #[test]
    fn who_goes_on_after_refusals_is_answered_late_and_who_stops_is_not() {
        let (pace, tier) = (Pace::default(), tier("t", 12));
        let late = (0..1_000).filter(|n| pace.refuse(&tier, *n)).count();
        assert!((970..=985).contains(&late), "{late}");
        assert!(!pace.refuse(&tier, 9_000));
        // One in half a second is no storm.
        assert!((0..500).all(|n| !pace.refuse(&tier, 20_000 + n * 500)));
    }
}
