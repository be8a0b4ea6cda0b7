//! What one tier has used.

use super::super::pace::Pace;
use super::super::window::Window;

/// A request may carry a time up to this many milliseconds before the account's: another read the clock later and was counted
/// first. An even earlier time means that the clock was set back.
const LATE: i64 = 1_000;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    pub(super) window: Window,
    pub(super) pace: Pace,
    /// The limit that it was last held against.
    limit: u32,
}

/// What forgetting an account would give away, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// Nothing: it is as if it had never been charged.
    Nothing,
    /// So many requests, which its owner could make again.
    Requests(u32),
    /// It refuses, or answers late: its owner would be let through again.
    Brake,
}

impl Account {
    /// As it is at this time. It does not go back for a request that says a slightly earlier one.
    pub(super) fn at(self, limit: u32, now: i64) -> Self {
        let now = if (0..=LATE).contains(&(self.pace.at - now)) { self.pace.at } else { now };
        Self { window: self.window.at(now), pace: self.pace.at(limit, now), limit }
    }

    /// Makes it what it is at this time. From then on it counts by this clock, also by one that was set back.
    pub(super) fn bring_to(&mut self, limit: u32, now: i64) -> Self {
        *self = self.at(limit, now);
        *self
    }

    /// Whether nothing is left on it at this time, to which it is brought.
    pub(super) fn has_lapsed(&mut self, now: i64) -> bool {
        self.bring_to(self.limit, now).worth(now) == Worth::Nothing
    }

    pub(super) fn worth(self, now: i64) -> Worth {
        let account = self.at(self.limit, now);
        let standing = account.window.standing(self.limit, now);
        match (self.limit - standing.remaining).max(account.pace.owes()) {
            0 => Worth::Nothing,
            _ if !standing.allowed || account.pace.brakes(self.limit) => Worth::Brake,
            requests => Worth::Requests(requests),
        }
    }
}
