//! What operators see of connections. Labels never name a tenant. The README has the table.

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

/// How a connection was found where it must be at rest, or in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Astray {
    /// A transaction was to begin and one was open (SQLSTATE 25001).
    Open,
    /// A transaction was to end and there was none (25P01).
    Missing,
    /// A transaction had failed before (25P02).
    Failed,
}

/// The counters of one pool.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    role: String,
    astray: Counter<u64>,
    cancelled: Counter<u64>,
    given_up: Counter<u64>,
    busy: Counter<u64>,
}

impl Counters {
    /// `role` is `<service>-<kind>`.
    pub(crate) fn new(role: String) -> Self {
        let meter = opentelemetry::global::meter("globcrm.db");
        let counter =
            |name: &'static str, text: &'static str| meter.u64_counter(name).with_description(text).build();
        Self {
            role,
            astray: counter(
                "globcrm.db.transactions.astray",
                "Connections in another state of transaction than they must be: a defect",
            ),
            cancelled: counter(
                "globcrm.db.statements.cancelled",
                "Statements cancelled because nobody waited for them any more",
            ),
            given_up: counter(
                "globcrm.db.connections.given_up",
                "Connections closed because their transaction could not be taken back in time",
            ),
            busy: counter(
                "globcrm.db.tenant.busy",
                "Calls refused because their tenant held its share of the connections",
            ),
        }
    }

    pub(crate) fn astray(&self, how: Astray) {
        let state = match how {
            Astray::Open => "open",
            Astray::Missing => "missing",
            Astray::Failed => "failed",
        };
        tracing::error!(role = self.role, state, "a connection is in another state than it must be");
        self.astray.add(1, &[self.label(), KeyValue::new("state", state)]);
    }

    pub(crate) fn cancelled(&self) {
        self.cancelled.add(1, &[self.label()]);
    }

    pub(crate) fn given_up(&self) {
        self.given_up.add(1, &[self.label()]);
    }

    pub(crate) fn busy(&self) {
        self.busy.add(1, &[self.label()]);
    }

    fn label(&self) -> KeyValue {
        KeyValue::new("role", self.role.clone())
    }
}
