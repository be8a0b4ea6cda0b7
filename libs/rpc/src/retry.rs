//! When a call may be tried again.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Further tries after the first.
pub(crate) const MAX_RETRIES: u32 = 2;
/// Further tries of a call that its peer has not seen. They cost nothing of the budget: nothing was done for them.
pub(crate) const MAX_UNSEEN: u32 = 5;
/// Tenths of a retry: a call earns one, a retry costs ten.
const COST: i64 = 10;
const FULL: i64 = 10 * COST;

/// Retries are a tenth of the calls, so that they cannot multiply the load on a peer that is already in trouble.
#[derive(Debug)]
pub(crate) struct Budget(AtomicI64);

impl Budget {
    /// A full one: ten retries.
    pub(crate) fn full() -> Self {
        Self(AtomicI64::new(FULL))
    }

    /// A call was made.
    pub(crate) fn earn(&self) {
        self.change(|left| (left < FULL).then_some(left + 1));
    }

    /// Takes one retry, if there is one.
    pub(crate) fn take(&self) -> bool {
        self.change(|left| left.checked_sub(COST).filter(|left| *left >= 0))
    }

    fn change(&self, by: impl FnMut(i64) -> Option<i64>) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, by).is_ok()
    }
}

/// The pause before retry `number` (1 or 2): full jitter between 20 ms and 100 or 200 ms.
pub(crate) fn pause(number: u32) -> Duration {
    Duration::from_millis(rand::random_range(20..=100 * u64::from(number.clamp(1, 2))))
}

/// The pause before an unseen call is sent again, so that the connection can be exchanged: 0, 1, 2, 4 and 8 ms.
pub(crate) fn turn(number: u32) -> Duration {
    Duration::from_millis((1 << number.min(4)) >> 1)
}

/// Methods that change nothing by their name.
pub(crate) fn is_read(path: &str) -> bool {
    let method = path.rsplit('/').next().unwrap_or_default();
    ["Get", "List", "Check"].iter().any(|verb| {
        method.strip_prefix(verb).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_retries_and_then_one_for_ten_calls() {
        let budget = Budget::full();
        assert_eq!((0..20).filter(|_| budget.take()).count(), 10);
        for _ in 0..9 {
            budget.earn();
        }
        assert!(!budget.take());
        budget.earn();
        assert!(budget.take() && !budget.take());
        for _ in 0..1_000 {
            budget.earn();
        }
        assert_eq!((0..20).filter(|_| budget.take()).count(), 10, "it fills up and not over");
    }

    #[test]
    fn only_reads_are_reads() {
        for read in ["/p.S/GetContact", "/p.S/ListContacts", "/p.S/CheckReferences"] {
            assert!(is_read(read), "{read}");
        }
        for write in
            ["/p.S/CreateContact", "/p.S/Getaway", "/p.S/Get", "/p.S/UpdateContact", "", "/Get/Login"]
        {
            assert!(!is_read(write), "{write}");
        }
    }

    #[test]
    fn pauses_stay_in_their_range() {
        for _ in 0..200 {
            assert!((20..=100).contains(&pause(1).as_millis()));
            assert!((20..=200).contains(&pause(2).as_millis()));
        }
    }
}
