//! What the relay is doing, for readiness and metrics.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge};

/// Handle to a running relay's state. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RelayStatus {
    state: Arc<Mutex<RelaySnapshot>>,
    service: &'static str,
    oldest: Gauge<f64>,
    published: Counter<u64>,
    refused: Counter<u64>,
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
        let meter = opentelemetry::global::meter("globcrm.events");
        Self {
            state: Arc::default(),
            service,
            oldest: meter.f64_gauge("outbox_oldest_unsent_seconds").build(),
            published: meter.u64_counter("outbox_published").build(),
            refused: meter.u64_counter("outbox_refused").build(),
        }
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

    fn labels(&self) -> [KeyValue; 1] {
        [KeyValue::new("service", self.service)]
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

    pub(crate) fn sent(&self, count: usize) {
        self.published.add(count as u64, &self.labels());
    }

    pub(crate) fn refused(&self, count: usize, why: &str) {
        self.refused.add(count as u64, &self.labels());
        self.change(|s| s.trouble = Some(why.to_owned()));
    }

    pub(crate) fn flowing(&self) {
        self.change(|s| s.trouble = None);
    }

    pub(crate) fn measured(&self, oldest: Option<Duration>) {
        self.oldest.record(oldest.unwrap_or_default().as_secs_f64(), &self.labels());
        self.change(|s| s.oldest_unsent = oldest);
    }
}
