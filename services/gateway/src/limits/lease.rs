//! Requests charged ahead, so that a busy caller does not cost a round trip to Redis each time (ADR 0005).
//!
//! What a lease holds is already charged, so no limit is ever exceeded, however many gateways there are; what is left of
//! it is given back with the next charge.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::{Standing, Tier};

/// A lease is used within this time or not at all.
const LIFE_MILLIS: i64 = 100;
/// Requests in a lease: at most this many, and at most this share of the tightest limit, so that what one gateway holds
/// does not matter to the others.
const MOST: u32 = 64;
const SHARE: u32 = 100;
/// Callers held at once; beyond it those go whose lease has ended, and if none has, all.
const MAX_CALLERS: usize = 100_000;

/// The leases of this process, by the most particular tier of a caller.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<String, Lease>>);

#[derive(Debug, Default)]
struct Lease {
    left: u32,
    used: u32,
    until: i64,
    /// The tightest tier as it stood with everything leased charged.
    tier: usize,
    standing: Option<Standing>,
}

/// What to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Requests wanted, at least one.
    pub(super) wanted: u32,
    /// Requests of the last lease that were charged and not made.
    pub(super) unused: u32,
}

impl Leases {
    /// Takes one request from the lease that these tiers' caller has: the tightest tier and how it stands.
    pub(super) fn take(&self, tiers: &[Tier], now: i64) -> Option<(usize, Standing)> {
        let mut all = self.lock();
        let lease = all.get_mut(&tiers.last()?.key)?;
        if lease.until <= now {
            return None;
        }
        lease.left = lease.left.checked_sub(1)?;
        lease.used += 1;
        let standing = lease.standing?;
        Some((lease.tier, Standing { remaining: standing.remaining.saturating_add(lease.left), ..standing }))
    }

    /// The next charge: twice as many requests as the last lease when that was used up in time, as many as were used
    /// when not. Whoever asks now and then asks for one.
    pub(super) fn order(&self, tiers: &[Tier], now: i64) -> Order {
        let most = tiers.iter().map(|tier| tier.limit / SHARE).min().unwrap_or_default().clamp(1, MOST);
        let mut all = self.lock();
        let Some(lease) = tiers.last().and_then(|tier| all.get_mut(&tier.key)) else {
            return Order { wanted: 1, unused: 0 };
        };
        let unused = std::mem::take(&mut lease.left);
        let used = std::mem::take(&mut lease.used);
        let wanted = if lease.until > now { used.saturating_mul(2) } else { used };
        Order { wanted: wanted.clamp(1, most), unused }
    }

    /// Keeps what was granted beyond the request at hand. `standing` is that of `tiers[tier]`.
    pub(super) fn keep(&self, tiers: &[Tier], granted: u32, tier: usize, standing: Standing, now: i64) {
        let Some(caller) = tiers.last() else { return };
        let mut all = self.lock();
        if all.len() >= MAX_CALLERS {
            all.retain(|_, lease| lease.until > now);
            if all.len() >= MAX_CALLERS {
                all.clear();
            }
        }
        let lease = all.entry(caller.key.clone()).or_default();
        // Two charges at once add up.
        lease.left = lease.left.saturating_add(granted.saturating_sub(1));
        lease.used += 1;
        lease.until = now + LIFE_MILLIS;
        lease.tier = tier;
        lease.standing = Some(standing);
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

    /// Makes requests at a moment, as the limiter does against a Redis that grants everything; gives the charges.
    fn requests(leases: &Leases, tiers: &[Tier], count: u32, now: i64) -> Vec<Order> {
        let mut orders = Vec::new();
        for _ in 0..count {
            if leases.take(tiers, now).is_none() {
                let order = leases.order(tiers, now);
                leases.keep(tiers, order.wanted, 1, standing(5_000), now);
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
    fn what_is_left_is_given_back_with_the_next_charge() {
        let (leases, tiers) = (Leases::default(), tiers(10_000));
        requests(&leases, &tiers, 4, 0);
        // 1 + 2 + 4 are charged and 4 were made.
        assert_eq!(requests(&leases, &tiers, 1, LIFE_MILLIS), [Order { wanted: 1, unused: 3 }]);
        assert_eq!(requests(&leases, &tiers, 1, 10 * LIFE_MILLIS), [Order { wanted: 1, unused: 0 }]);
    }

    #[test]
    fn small_limits_are_charged_one_by_one() {
        let (leases, tiers) = (Leases::default(), tiers(SHARE));
        assert_eq!(requests(&leases, &tiers, 50, 0).len(), 50);
    }

    #[test]
    fn what_remains_goes_down_by_one() {
        let (leases, tiers) = (Leases::default(), tiers(10_000));
        leases.keep(&tiers, 3, 0, standing(90), 0);
        assert_eq!(leases.take(&tiers, 1), Some((0, standing(91))));
        assert_eq!(leases.take(&tiers, 1), Some((0, standing(90))));
        assert_eq!(leases.take(&tiers, 1), None);
        leases.keep(&tiers, 3, 0, standing(87), 1);
        assert_eq!(leases.take(&tiers, 1 + LIFE_MILLIS), None, "a lease ends");
    }
}
