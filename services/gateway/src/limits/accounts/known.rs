//! The accounts that are known, bounded in number.
//!
//! Expired accounts are removed within seconds ([`Known::sweep`]). When the table is full, a newcomer evicts the cheapest of a random
//! sample, but never an account that is refusing requests: a caller with many addresses must not be able to reset anybody's limit. If
//! the sample has no such account, newcomers share accounts; sharing can only give a caller less than its limit, never more.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use indexmap::IndexMap;

use super::super::Tier;
use super::account::{Account, Worth};

/// Accounts known at once.
const MOST: usize = 100_000;
/// Accounts sampled to find one to evict. The sample is random, as neighbours in the map arrived together.
const LOOKED_AT: usize = 32;
/// Accounts that are looked at in one sweep.
const SWEPT: usize = 2_000;
/// Accounts that newcomers share, for each kind of tier.
const SHARED: u64 = 1_024;

#[derive(Debug)]
pub(super) struct Known {
    most: usize,
    /// By the key of a tier.
    accounts: IndexMap<String, Account>,
    /// By the name of a tier, and a number that is drawn by its key.
    shared: HashMap<(&'static str, u64), Account>,
    hasher: RandomState,
    /// Draws so far.
    drawn: u64,
    /// Where the next sweep begins.
    hand: usize,
}

/// Where the account of a tier is.
enum Place {
    Known(usize),
    /// There is none yet; the one whose place it takes, if there is no room.
    New(Option<usize>),
    Shared,
}

impl Default for Known {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Known {
    pub(super) fn of(most: usize) -> Self {
        let (accounts, shared, hasher) = Default::default();
        Self { most, accounts, shared, hasher, drawn: 0, hand: 0 }
    }

    /// The account of a tier as it is now; of one that is not known, as it would begin. Charges nothing.
    pub(super) fn look(&mut self, tier: &Tier, now: i64) -> Account {
        let account = match self.place(tier, now) {
            Place::Known(at) => self.accounts.get_index_mut(at).map(|(_, account)| account),
            Place::New(_) => None,
            Place::Shared => self.shared.get_mut(&self.share_of(tier)),
        };
        let Some(account) = account else { return Account::default().at(tier.limit, now) };
        account.bring_to(tier.limit, now)
    }

    /// Does something to the account of a tier as it is now, which is known from now on.
    pub(super) fn change<T>(&mut self, tier: &Tier, now: i64, change: impl FnOnce(&mut Account) -> T) -> T {
        let account = match self.place(tier, now) {
            // No copy of the key of one that is known, which is nearly every one.
            Place::Known(at) => &mut self.accounts[at],
            Place::New(instead) => {
                if let Some(at) = instead {
                    self.accounts.swap_remove_index(at);
                    self.drawn = self.drawn.wrapping_add(1);
                }
                self.accounts.entry(tier.key.clone()).or_default()
            }
            Place::Shared => {
                self.drawn = self.drawn.wrapping_add(1);
                let share = self.share_of(tier);
                self.shared.entry(share).or_default()
            }
        };
        account.bring_to(tier.limit, now);
        change(account)
    }

    /// Takes something back from the account of a tier, if it has one of its own still, and forgets that when nothing is left on it.
    pub(super) fn take_back(&mut self, tier: &Tier, now: i64, take_back: impl FnOnce(&mut Account)) {
        let Some((at, _, account)) = self.accounts.get_full_mut(&tier.key) else { return };
        account.bring_to(tier.limit, now);
        take_back(account);
        if account.worth(now) == Worth::Nothing {
            self.accounts.swap_remove_index(at);
        }
    }

    /// Forgets the next of those that have lapsed.
    pub(super) fn sweep(&mut self, now: i64) {
        for _ in 0..self.accounts.len().min(SWEPT) {
            if self.hand >= self.accounts.len() {
                self.hand = 0;
            }
            let next = self.accounts.get_index_mut(self.hand);
            if next.is_some_and(|(_, account)| account.has_lapsed(now)) {
                self.accounts.swap_remove_index(self.hand);
            } else {
                self.hand += 1;
            }
        }
        self.shared.retain(|_, account| !account.has_lapsed(now));
    }

    fn place(&self, tier: &Tier, now: i64) -> Place {
        if let Some(at) = self.accounts.get_index_of(&tier.key) {
            return Place::Known(at);
        }
        if self.accounts.len() < self.most {
            return Place::New(None);
        }
        self.least(now).map_or(Place::Shared, |at| Place::New(Some(at)))
    }

    /// Of some accounts the one that costs least to forget; none when all of them refuse.
    fn least(&self, now: i64) -> Option<usize> {
        let all = self.accounts.len();
        let draw = |n: usize| self.hasher.hash_one((self.drawn, n)) as usize % all;
        let mut least = (Worth::Brake, None);
        for n in 0..all.min(LOOKED_AT) {
            let at = if all <= LOOKED_AT { n } else { draw(n) };
            let Some((_, account)) = self.accounts.get_index(at) else { continue };
            let worth = account.worth(now);
            if worth < least.0 {
                least = (worth, Some(at));
            }
            if worth == Worth::Nothing {
                break;
            }
        }
        least.1
    }

    fn share_of(&self, tier: &Tier) -> (&'static str, u64) {
        (tier.name, self.hasher.hash_one(&tier.key) % SHARED)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.accounts.len() + self.shared.len()
    }
}

#[cfg(test)]
mod tests;
