//! Requests charged ahead, so that a busy caller does not cost a round trip to Redis each time (ADR 0005).
//!
//! What a lease holds is already charged, so leases make no limit wider, however many gateways share it: what holds it is the count
//! in Redis, and beside it the one of each process (`limits/mod.rs`). What is left of a lease when it ends is given back to the
//! window that it was charged to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::redis_window::Granted;
use super::{Standing, Tier, tightest};

/// A lease is used within this time or not at all.
pub(super) const LIFE_MILLIS: i64 = 100;
/// Requests in a lease: at most this many, and at most this share of the tightest limit, so that what one gateway holds
/// does not matter to the others.
const MOST: u32 = 64;
const SHARE: u32 = 100;
/// Callers held at once; beyond it nobody new is charged ahead.
const MAX_CALLERS: usize = 100_000;

/// The leases of this process, by the most particular tier of a caller.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<String, Lease>>);

#[derive(Debug)]
struct Lease {
    tiers: Vec<Tier>,
    left: u32,
    used: u32,
    until: i64,
    /// The window that it was charged to.
    window: i64,
    /// The tightest tier as it stood with everything leased charged.
    tier: usize,
    standing: Standing,
}

/// One request as Redis has charged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shared {
    /// The tightest tier, by its place, and how it stands.
    pub(super) tier: usize,
    pub(super) standing: Standing,
    /// The window that it is charged to.
    pub(super) window: i64,
}

/// What to charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Requests wanted.
    pub(super) wanted: u32,
    /// Requests that were charged to `window` and not made; less than none where more is to be charged to the window of now.
    pub(super) unused: i64,
    pub(super) window: i64,
}

impl Order {
    /// Charges `cost` without asking: it was used already.
    pub(super) fn of_more(cost: u32) -> Self {
        Self { wanted: 0, unused: -i64::from(cost), window: 0 }
    }
}

impl Leases {
    /// Takes one request from the lease that these tiers' caller has.
    pub(super) fn take(&self, tiers: &[Tier], now: i64) -> Option<Shared> {
        let mut all = self.lock();
        let lease = all.get_mut(&tiers.last()?.key)?;
        if lease.until <= now {
            return None;
        }
        lease.left = lease.left.checked_sub(1)?;
        lease.used += 1;
        let remaining = lease.standing.remaining.saturating_add(lease.left);
        let standing = Standing { remaining, ..lease.standing };
        Some(Shared { tier: lease.tier, standing, window: lease.window })
    }

    /// The next charge: twice as many requests as the last lease when that was used up in time. Whoever asks now and then
    /// asks for one.
    pub(super) fn order(&self, tiers: &[Tier], now: i64) -> Order {
        let most = tiers.iter().map(|tier| tier.limit / SHARE).min().unwrap_or_default().clamp(1, MOST);
        let mut all = self.lock();
        let Some(lease) = tiers.last().and_then(|tier| all.get_mut(&tier.key)) else {
            return Order { wanted: 1, unused: 0, window: 0 };
        };
        let unused = std::mem::take(&mut lease.left);
        let used = std::mem::take(&mut lease.used);
        let wanted = if lease.until > now { used.saturating_mul(2) } else { 1 };
        Order { wanted: wanted.clamp(1, most), unused: unused.into(), window: lease.window }
    }

    /// Keeps what was granted beyond the request at hand.
    pub(super) fn keep(&self, tiers: &[Tier], granted: &Granted, now: i64) {
        let Some(caller) = tiers.last() else { return };
        let (tier, standing) = tightest(&granted.standings);
        let mut all = self.lock();
        // Two charges at once add up. Of two windows the older one's rest is left charged: that errs on the safe side.
        let known = all.get(&caller.key).filter(|lease| lease.window == granted.window);
        let (left, used) = known.map_or((0, 0), |lease| (lease.left, lease.used));
        if all.len() >= MAX_CALLERS && !all.contains_key(&caller.key) {
            return;
        }
        let lease = Lease {
            tiers: tiers.to_vec(),
            left: left.saturating_add(granted.requests.saturating_sub(1)),
            used: used + 1,
            until: now + LIFE_MILLIS,
            window: granted.window,
            tier,
            standing,
        };
        all.insert(caller.key.clone(), lease);
    }

    /// Puts one request back that was charged to this window. Each charge leaves a lease behind, also one of which nothing is left;
    /// where that is gone, or one of another window, the request stays charged.
    pub(super) fn give_back(&self, tiers: &[Tier], window: i64) {
        let mut all = self.lock();
        let lease = tiers.last().and_then(|tier| all.get_mut(&tier.key));
        if let Some(lease) = lease.filter(|lease| lease.window == window) {
            lease.left = lease.left.saturating_add(1);
            lease.used = lease.used.saturating_sub(1);
        }
    }

    /// Forgets the leases that have ended; gives those of which something is left to give back.
    pub(super) fn ended(&self, now: i64) -> Vec<(Vec<Tier>, Order)> {
        let mut all = self.lock();
        let ended = all.extract_if(|_, lease| lease.until <= now);
        let left = ended.filter(|(_, lease)| lease.left > 0);
        left.map(|(_, lease)| {
            (lease.tiers, Order { wanted: 0, unused: lease.left.into(), window: lease.window })
        })
        .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Lease>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiers(limit: u32) -> [Tier; 2] {
        ["tenant", "principal"].map(|name| Tier { name, key: name.to_owned(), limit })
    }

    fn standing(remaining: u32) -> Standing {
        Standing { limit: 10_000, remaining, reset: 30, allowed: true }
    }

    fn granted(requests: u32, remaining: u32, window: i64) -> Granted {
        Granted { requests, window, standings: vec![standing(9_000), standing(remaining)] }
    }

    /// Makes requests at a moment, as the limiter does against a Redis that grants everything; gives the charges.
    fn requests(leases: &Leases, tiers: &[Tier], count: u32, now: i64) -> Vec<Order> {
        let mut orders = Vec::new();
        for _ in 0..count {
            if leases.take(tiers, now).is_none() {
                let order = leases.order(tiers, now);
                leases.keep(tiers, &granted(order.wanted, 5_000, 7), now);
                orders.push(order);
            }
        }
        orders
    }

    #[test]
    fn a_busy_caller_is_charged_ahead_and_in_growing_steps() {
        let (leases, tiers) = (Leases::default(), tiers(10_000));
        let orders = requests(&leases, &tiers, 1_000, 0);
        let wanted: Vec<u32> = orders.iter().map(|order| order.wanted).collect();
        assert_eq!(wanted[..7], [1, 2, 4, 8, 16, 32, 64]);
        assert!(wanted[7..].iter().all(|wanted| *wanted == MOST), "{wanted:?}");
        assert!(orders.iter().all(|order| order.unused == 0));
    }

    #[test]
    fn what_is_left_is_given_back_to_its_window() {
        let (leases, tiers) = (Leases::default(), tiers(10_000));
        requests(&leases, &tiers, 4, 0);
        // 1 + 2 + 4 are charged and 4 were made.
        assert_eq!(leases.ended(LIFE_MILLIS - 1), []);
        let rest = Order { wanted: 0, unused: 3, window: 7 };
        assert_eq!(leases.ended(LIFE_MILLIS), [(tiers.to_vec(), rest)]);
        assert_eq!(leases.ended(LIFE_MILLIS), [], "once");
        // Or with the next charge, should that come first.
        requests(&leases, &tiers, 4, 0);
        let again = requests(&leases, &tiers, 1, LIFE_MILLIS);
        assert_eq!(again, [Order { wanted: 1, unused: 3, window: 7 }]);
        assert_eq!(leases.ended(2 * LIFE_MILLIS), [], "nothing is left of one");
    }

    #[test]
    fn what_was_charged_to_an_older_window_is_not_given_back_to_a_newer_one() {
        let (leases, tiers) = (Leases::default(), tiers(10_000));
        leases.keep(&tiers, &granted(60, 90, 7), 0);
        leases.keep(&tiers, &granted(3, 90, 8), 1);
        let rest = Order { wanted: 0, unused: 2, window: 8 };
        assert_eq!(leases.ended(1 + LIFE_MILLIS), [(tiers.to_vec(), rest)]);
    }

    #[test]
    fn one_that_is_given_back_is_used_next() {
        let (leases, tiers) = (Leases::default(), tiers(10_000));
        requests(&leases, &tiers, 1, 0);
        assert_eq!(leases.take(&tiers, 1), None);
        leases.give_back(&tiers, 7);
        assert!(leases.take(&tiers, 1).is_some());
        leases.give_back(&tiers, 7);
        // Nor is it one of another window.
        leases.give_back(&tiers, 6);
        let rest = Order { wanted: 0, unused: 1, window: 7 };
        assert_eq!(leases.ended(LIFE_MILLIS), [(tiers.to_vec(), rest)]);
    }

    #[test]
    fn small_limits_are_charged_one_by_one() {
        let (leases, tiers) = (Leases::default(), tiers(SHARE));
        assert_eq!(requests(&leases, &tiers, 50, 0).len(), 50);
    }

    #[test]
    fn what_remains_goes_down_by_one() {
        let (leases, tiers) = (Leases::default(), tiers(10_000));
        leases.keep(&tiers, &granted(3, 90, 7), 0);
        let taken = |remaining| Shared { tier: 1, standing: standing(remaining), window: 7 };
        assert_eq!(leases.take(&tiers, 1), Some(taken(91)));
        assert_eq!(leases.take(&tiers, 1), Some(taken(90)));
        assert_eq!(leases.take(&tiers, 1), None);
        leases.keep(&tiers, &granted(3, 87, 7), 1);
        assert_eq!(leases.take(&tiers, 1 + LIFE_MILLIS), None, "a lease ends");
    }
}
