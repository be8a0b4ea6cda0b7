//! What the relay is doing, for readiness and metrics.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::Lane;
use crate::metrics::Published;

/// Handle to a running relay's state. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RelayStatus {
    state: Arc<Mutex<RelaySnapshot>>,
    published: Published,
}

/// The state at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelaySnapshot {
    /// Connected to the broker.
    pub connected: bool,
    /// Holds the lease; another instance does otherwise.
    pub leader: bool,
    /// Age of the oldest event that is not sent; `None` when all are.
    pub oldest_unsent: Option<Duration>,
    /// Why it is not connected, or what the broker refused last.
    pub trouble: Option<String>,
}

impl RelayStatus {
    pub(crate) fn new(service: &'static str) -> Self {
        Self { state: Arc::default(), published: Published::new(service) }
    }

    /// The state now.
    pub fn snapshot(&self) -> RelaySnapshot {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For readiness: an error text when events are not flowing. A degraded state, not a reason to take the service out.
    pub fn check(&self) -> Result<(), String> {
        let state = self.snapshot();
        match state.trouble {
            None if state.connected => Ok(()),
            trouble => Err(format!(
                "events wait in the outbox: {}",
                trouble.as_deref().unwrap_or("not connected yet")
            )),
        }
    }

    fn change(&self, change: impl FnOnce(&mut RelaySnapshot)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn connected(&self, leader: bool) {
        self.change(|s| {
            s.connected = true;
            s.leader = leader;
            s.trouble = None;
        });
    }

    pub(crate) fn disconnected(&self, why: &str) {
        self.change(|s| {
            s.connected = false;
            s.leader = false;
            s.trouble = Some(why.to_owned());
        });
    }

    /// An event of this type was confirmed.
    pub(crate) fn sent(&self, lane: Lane, kind: &str) {
        self.published.taken(lane, kind);
    }

    /// Events of this lane were found that had been passed.
    pub(crate) fn lost(&self, lane: Lane, events: usize) {
        self.published.lost(lane, events);
    }

    pub(crate) fn refused(&self, count: usize, why: &str) {
        self.published.refused(count);
        self.change(|s| s.trouble = Some(why.to_owned()));
    }

    pub(crate) fn flowing(&self) {
        self.change(|s| s.trouble = None);
    }

    pub(crate) fn measured(&self, oldest: Option<Duration>) {
        self.change(|s| s.oldest_unsent = oldest);
    }
}
