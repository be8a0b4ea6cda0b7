//! A lane that is refused.

use std::time::Duration;

use tokio::time::Instant;

use super::lanes::WINDOW;
use crate::broker::Backoff;

/// Slows a lane down that is refused: one event in ever longer intervals until the broker takes it, then two, four, … For
/// what follows a refused event was sent to queues that take it, and is sent again.
#[derive(Debug)]
pub(super) struct Brake {
    backoff: Backoff,
    until: Option<Instant>,
    window: usize,
}

impl Default for Brake {
    fn default() -> Self {
        Self { backoff: Backoff::default(), until: None, window: WINDOW }
    }
}

impl Brake {
    /// The lane waits for now.
    pub(super) fn holds(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// The lane was refused and has not been taken since.
    pub(super) fn is_on(&self) -> bool {
        self.until.is_some()
    }

    /// Events that the lane may send in a cycle.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    pub(super) fn refused(&mut self) -> Duration {
        let pause = self.backoff.next();
        self.until = Some(Instant::now() + pause);
        self.window = 1;
        pause
    }

    pub(super) fn flowing(&mut self) {
        self.backoff.reset();
        self.until = None;
        self.window = (self.window * 2).min(WINDOW);
    }

    /// Ends the pause, for tests.
    pub(super) fn hurry(&mut self) {
        if self.holds() {
            self.until = Some(Instant::now());
        }
    }
}
