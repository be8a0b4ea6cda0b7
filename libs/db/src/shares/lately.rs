//! Uses of places that are over, but only just.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// A place counts as used while it is held and for this long afterwards.
pub(super) const LATELY: Duration = Duration::from_millis(500);

/// Places that were given back lately: by whom, and until when that counts; the oldest first.
///
/// Nobody asks for more than `enough` uses by others, so that many are kept of each tenant, and twice as many of all: without one
/// tenant's own, `enough` are left. So the record is as long as a pool is large, however many come and however often.
#[derive(Debug)]
pub(super) struct Lately {
    enough: usize,
    uses: VecDeque<(Uuid, Instant)>,
}

impl Lately {
    pub(super) fn new(enough: usize) -> Self {
        Self { enough, uses: VecDeque::new() }
    }

    /// Notes that `tenant` has given a place back.
    pub(super) fn note(&mut self, tenant: Uuid) {
        let now = Instant::now();
        while self.uses.front().is_some_and(|(_, until)| *until <= now) {
            self.uses.pop_front();
        }
        let mut own = (0, None);
        for (index, (of, _)) in self.uses.iter().enumerate() {
            if *of == tenant {
                own = (own.0 + 1, own.1.or(Some(index)));
            }
        }
        if let (count, Some(oldest)) = own
            && count >= self.enough
        {
            self.uses.remove(oldest);
        } else if self.uses.len() >= 2 * self.enough {
            self.uses.pop_front();
        }
        self.uses.push_back((tenant, now + LATELY));
    }

    /// Until when each use by others than `tenant` counts, the soonest first.
    pub(super) fn by_others(&self, tenant: Uuid) -> impl Iterator<Item = Instant> {
        let now = Instant::now();
        let counts = move |(of, until): &&(Uuid, Instant)| *of != tenant && *until > now;
        self.uses.iter().filter(counts).map(|(_, until)| *until)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.uses.len()
    }
}
