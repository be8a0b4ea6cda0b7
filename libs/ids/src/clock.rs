//! Time and new ids, injected so that tests decide both.

use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;
use uuid::{Timestamp, Uuid, timestamp::context::ContextV7};

/// Where a process takes the time and new ids from. Cheap to clone; clones share the order of ids.
#[derive(Clone)]
pub struct Clock {
    source: Source,
    /// Orders ids made within one millisecond.
    order: Arc<Mutex<ContextV7>>,
}

#[derive(Clone)]
enum Source {
    System,
    Fixed(FixedClock),
}

/// A clock that stands still until a test moves it.
#[derive(Clone, Debug)]
pub struct FixedClock(Arc<Mutex<OffsetDateTime>>);

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self { source: Source::System, order: Arc::new(Mutex::new(ContextV7::new())) }
    }

    /// A clock that a test moves by the handle returned.
    pub fn fixed(at: OffsetDateTime) -> (Self, FixedClock) {
        let hand = FixedClock(Arc::new(Mutex::new(at)));
        (Self { source: Source::Fixed(hand.clone()), order: Arc::new(Mutex::new(ContextV7::new())) }, hand)
    }

    /// The current time, UTC.
    pub fn now(&self) -> OffsetDateTime {
        match &self.source {
            #[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
            Source::System => OffsetDateTime::now_utc(),
            Source::Fixed(hand) => hand.read(),
        }
    }

    /// The current time cut to microseconds, which is what PostgreSQL stores; what was written then equals what is read.
    pub fn now_micros(&self) -> OffsetDateTime {
        let now = self.now();
        now.replace_nanosecond(now.nanosecond() / 1_000 * 1_000).unwrap_or(now)
    }

    /// A new UUIDv7 (RFC 9562), greater than every one this clock made before.
    pub fn new_uuid(&self) -> Uuid {
        let now = self.now();
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or(0);
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        Uuid::new_v7(Timestamp::from_unix(&*order, seconds, now.nanosecond()))
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

impl FixedClock {
    fn read(&self) -> OffsetDateTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: std::time::Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now += by;
    }
}
