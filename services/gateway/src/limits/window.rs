//! A sliding window: how many requests a minute has had.

use super::{Standing, WINDOW};

/// Two buckets: what the last window holds counts by the share of it that still lies inside.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    number: i64,
    current: u32,
    previous: u32,
}

impl Window {
    /// As it is at this time.
    pub(super) fn at(self, now_millis: i64) -> Self {
        let (number, _) = split(now_millis);
        match number - self.number {
            0 => self,
            1 => Self { number, current: 0, previous: self.current },
            _ => Self { number, current: 0, previous: 0 },
        }
    }

    pub(super) fn add(&mut self, requests: u32) {
        self.current = self.current.saturating_add(requests);
    }

    /// Takes one request back from the window that it was charged to, if that still counts.
    pub(super) fn give_back(&mut self, number: i64) {
        let charged = match self.number - number {
            0 => &mut self.current,
            1 => &mut self.previous,
            _ => return,
        };
        *charged = charged.saturating_sub(1);
    }

    pub(super) fn standing(self, limit: u32, now_millis: i64) -> Standing {
        let (length, (_, into)) = (WINDOW.as_millis() as i64, split(now_millis));
        let carried = i64::from(self.previous) * (length - into) / length;
        let used = u32::try_from(carried).unwrap_or(u32::MAX).saturating_add(self.current);
        let reset = u64::try_from(length - into).unwrap_or(0).div_ceil(1_000);
        Standing { limit, remaining: limit.saturating_sub(used), reset, allowed: used < limit }
    }
}

/// The number of the window, and the milliseconds since it began.
pub(super) fn split(now_millis: i64) -> (i64, i64) {
    let length = WINDOW.as_millis() as i64;
    (now_millis.div_euclid(length), now_millis.rem_euclid(length))
}
