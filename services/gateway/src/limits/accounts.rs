//! What callers have used in this process, counted all the time: beside what Redis counts, and alone where there is none.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::pace::{self, Pace};
use super::window::{self, Window};
use super::{OPEN, Standing, Tier};

/// Callers known at once; beyond it those of past windows are forgotten, and if there are none, all are.
const MAX_KEYS: usize = 100_000;

/// A time that is so much earlier than an account's, in milliseconds, is that of a request which has waited for Redis; an even earlier
/// one is that of a clock which was set back.
const LATE: i64 = 1_000;

/// By the key of a tier. Known is who was charged: one whose network is full leaves nothing here, so that many addresses do not push
/// out those who are known.
#[derive(Debug, Default)]
pub(super) struct Accounts(Mutex<HashMap<String, Account>>);

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    window: Window,
    pace: Pace,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    /// The tier that decides, by its place.
    pub(super) tier: usize,
    pub(super) standing: Standing,
    /// Until the request's turn.
    pub(super) wait: Duration,
}

impl Accounts {
    /// Charges one request to every tier, or to none when one is full or the request is far ahead of its turn.
    pub(super) fn charge(&self, tiers: &[Tier], now: i64) -> Judged {
        let mut all = self.lock(now);
        let mut tightest = Judged { tier: usize::MAX, standing: OPEN, wait: Duration::ZERO };
        let mut slowest = tightest;
        for (place, tier) in tiers.iter().enumerate() {
            let known = all.get_mut(&tier.key).map(|account| {
                *account = account.at(tier.limit, now);
                *account
            });
            let account = known.unwrap_or_default();
            let standing = account.window.standing(tier.limit, now);
            let judged = Judged { tier: place, standing, wait: account.pace.wait(tier.limit) };
            let left = |judged: &Judged| (judged.standing.allowed, judged.standing.remaining);
            if left(&judged) < left(&tightest) {
                tightest = Judged { wait: Duration::ZERO, ..judged };
            }
            if judged.wait > slowest.wait {
                slowest = judged;
            }
        }
        if !tightest.standing.allowed {
            return tightest;
        }
        if slowest.wait > pace::MOST {
            let reset = slowest.wait.as_secs() + 1;
            let standing = Standing { reset, allowed: false, ..slowest.standing };
            return Judged { standing, wait: Duration::ZERO, ..slowest };
        }
        charge(&mut all, tiers, 1, now);
        tightest.standing.remaining = tightest.standing.remaining.saturating_sub(1);
        Judged { wait: slowest.wait, ..tightest }
    }

    /// Charges more, whether there is room or not.
    pub(super) fn add(&self, tiers: &[Tier], cost: u32, now: i64) {
        charge(&mut self.lock(now), tiers, cost, now);
    }

    /// Takes one request back that was charged.
    pub(super) fn give_back(&self, tiers: &[Tier], now: i64) {
        let mut all = self.lock(now);
        for tier in tiers {
            with(&mut all, tier, now, |account| {
                account.window.give_back(1);
                account.pace.add(-1.0, tier.limit);
            });
        }
    }

    /// Notes a refusal by a tier; whether it has refused so many that this one is answered late. It is the tier's own account, so that
    /// a full network does not have the first refusals of each of its addresses.
    pub(super) fn refuse(&self, tier: &Tier, now: i64) -> bool {
        with(&mut self.lock(now), tier, now, |account| account.pace.refuse())
    }

    fn lock(&self, now: i64) -> MutexGuard<'_, HashMap<String, Account>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_KEYS {
            let (number, _) = window::split(now);
            all.retain(|_, account| account.window.number >= number - 1);
            if all.len() >= MAX_KEYS {
                all.clear();
            }
        }
        all
    }
}

impl Account {
    /// As it is at this time. Who has waited for Redis says the time from before it: the account does not go back for that.
    fn at(self, limit: u32, now: i64) -> Self {
        let now = if (0..=LATE).contains(&(self.pace.at - now)) { self.pace.at } else { now };
        Self { window: self.window.at(now), pace: self.pace.at(limit, now) }
    }
}

fn charge(all: &mut HashMap<String, Account>, tiers: &[Tier], cost: u32, now: i64) {
    for tier in tiers {
        with(all, tier, now, |account| {
            account.window.add(cost);
            account.pace.add(cost.into(), tier.limit);
        });
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
        *account = account.at(tier.limit, now);
        change(account)
    };
    // No copy of the key of one that is known, which is nearly every one.
    match all.get_mut(&tier.key) {
        Some(account) => current(account),
        None => current(all.entry(tier.key.clone()).or_default()),
    }
}

#[cfg(test)]
mod tests;
