//! How fast the requests of a minute may come: many at once, and the rest at an even pace.
//!
//! A window alone lets a caller spend a minute's requests within seconds, which others then feel as one long burst. Here each
//! request is a debt that is paid off at the pace of the limit. While the debt is small nobody waits; beyond that a request waits
//! for its turn, and one that would wait too long is refused. So a fast client that waits for its answers is slowed down to its limit,
//! where a window would refuse it for the rest of the minute.

use std::time::Duration;

use super::WINDOW;

/// Requests that may come at once: this share of the limit, and never less than [`LEAST_FREE`], so that a low limit is a matter
/// of its window alone.
pub(super) const FREE_SHARE: u32 = 20;
const LEAST_FREE: u32 = 1_000;
/// The longest wait for a turn.
pub(super) const MOST: Duration = Duration::from_secs(1);
/// Refusals that are answered at once, and how many of them are forgotten in a second. A client that hears them has stopped by then.
const PROMPT: f64 = 20.0;
const FORGOTTEN_PER_SECOND: f64 = 5.0;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// Requests made and not yet paid off.
    debt: f64,
    /// Requests refused and not yet forgotten.
    refused: f64,
    /// When the two were true, in milliseconds.
    pub(super) at: i64,
}

impl Pace {
    /// As it is at this time, which may be earlier: a clock that was set back must not stop the pace.
    pub(super) fn at(self, limit: u32, now: i64) -> Self {
        let passed = (now - self.at).max(0) as f64;
        Self {
            debt: (self.debt - passed * per_milli(limit)).max(0.0),
            refused: (self.refused - passed * FORGOTTEN_PER_SECOND / 1_000.0).max(0.0),
            at: now,
        }
    }

    /// Adds to the debt; less than nothing gives back. A debt is never more than a minute pays off: what many requests at once have
    /// cost is known when they have ended, and may be a lot together.
    pub(super) fn add(&mut self, cost: f64, limit: u32) {
        self.debt = (self.debt + cost).clamp(0.0, f64::from(limit));
    }

    /// How long the next request waits for its turn.
    pub(super) fn wait(self, limit: u32) -> Duration {
        let over = self.debt + 1.0 - f64::from((limit / FREE_SHARE).max(LEAST_FREE));
        let millis = (over / per_milli(limit)).max(0.0);
        Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or(Duration::MAX)
    }

    /// Whether the next request is refused, or the next refusal answered late.
    pub(super) fn brakes(self, limit: u32) -> bool {
        self.wait(limit) > MOST || self.refused + 1.0 > PROMPT
    }

    /// Requests not paid off, or refusals not forgotten.
    pub(super) fn owes(self) -> u32 {
        self.debt.max(self.refused).ceil() as u32
    }

    /// Notes a refusal; whether there were so many that this one is answered late.
    pub(super) fn refuse(&mut self) -> bool {
        // No more is remembered than is forgotten within some seconds.
        self.refused = (self.refused + 1.0).min(PROMPT * 2.0);
        self.refused > PROMPT
    }
}

fn per_milli(limit: u32) -> f64 {
    f64::from(limit.max(1)) / WINDOW.as_millis() as f64
}
