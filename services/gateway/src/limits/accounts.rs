//! What callers have used in this process, counted all the time: beside what Redis counts, and alone where there is none.

mod account;
mod known;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::pace;
use super::window;
use super::{OPEN, Standing, Tier};
use known::Known;

/// Only a caller that was charged gets an account. A refused network leaves none, so many addresses cannot evict existing accounts.
#[derive(Debug, Default)]
pub(super) struct Accounts(Mutex<Known>);

/// The decision on a request.
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
        let mut all = self.lock();
        let mut tightest = Judged { tier: usize::MAX, standing: OPEN, wait: Duration::ZERO };
        let mut slowest = tightest;
        for (place, tier) in tiers.iter().enumerate() {
            let account = all.look(tier, now);
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
        charge(&mut self.lock(), tiers, cost, now);
    }

    /// Takes one request back that was `charged` at that time.
    pub(super) fn give_back(&self, tiers: &[Tier], charged: i64, now: i64) {
        let (number, _) = window::split(charged);
        let mut all = self.lock();
        for tier in tiers {
            all.take_back(tier, now, |account| {
                account.window.give_back(number);
                account.pace.add(-1.0, tier.limit);
            });
        }
    }

    /// Notes a refusal by a tier; whether it has refused so many that this one is answered late. It is the tier's own account, so that
    /// a full network does not have the first refusals of each of its addresses.
    pub(super) fn refuse(&self, tier: &Tier, now: i64) -> bool {
        self.lock().change(tier, now, |account| account.pace.refuse())
    }

    /// Forgets some of those that have lapsed.
    pub(super) fn sweep(&self, now: i64) {
        self.lock().sweep(now);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn charge(all: &mut Known, tiers: &[Tier], cost: u32, now: i64) {
    for tier in tiers {
        all.change(tier, now, |account| {
            account.window.add(cost);
            account.pace.add(cost.into(), tier.limit);
        });
    }
}

#[cfg(test)]
mod tests;
