//! What operators see of connections. Labels never name a tenant. The README has the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};

use crate::session::Home;

/// Upper bounds in seconds: a statement by primary key takes less than a millisecond, the longest one 30 s.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

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

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Committed,
    RolledBack,
    /// Its caller went, or a statement failed.
    Dropped,
}

/// The instruments of one pool.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    role: String,
    connections: Arc<Connections>,
    transactions: Histogram<f64>,
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
        let transactions = meter
            .f64_histogram("globcrm.db.transaction.duration")
            .with_unit("s")
            .with_description("Time from the begin of a transaction to its end")
            .with_boundaries(BUCKETS.to_vec())
            .build();
        let counters = Self {
            connections: Arc::new(Connections::new(&meter, &role)),
            role,
            transactions,
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
        };
        // There from the beginning, so that the first of each shows as an increase.
        for state in ["open", "missing", "failed"] {
            counters.astray.add(0, &[counters.label(), KeyValue::new("state", state)]);
        }
        for counter in [&counters.cancelled, &counters.given_up, &counters.busy] {
            counter.add(0, &[counters.label()]);
        }
        counters
    }

    /// The connections of the pool.
    pub(crate) fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    pub(crate) fn ended(&self, began: Instant, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Committed => "committed",
            Outcome::RolledBack => "rolled_back",
            Outcome::Dropped => "dropped",
        };
        let labels = [self.label(), KeyValue::new("outcome", outcome)];
        self.transactions.record(began.elapsed().as_secs_f64(), &labels);
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

/// What OpenTelemetry's conventions tell of a pool.
#[derive(Debug)]
pub(crate) struct Connections {
    pool: [KeyValue; 1],
    used: AtomicI64,
    pending: UpDownCounter<i64>,
    wait: Histogram<f64>,
    timeouts: Counter<u64>,
}

impl Connections {
    fn new(meter: &Meter, role: &str) -> Self {
        let name = KeyValue::new("db.client.connection.pool.name", role.to_owned());
        let connections = Self {
            pool: [name],
            used: AtomicI64::new(0),
            pending: meter
                .i64_up_down_counter("db.client.connection.pending_requests")
                .with_unit("{request}")
                .with_description("Callers who wait for a connection")
                .build(),
            wait: meter
                .f64_histogram("db.client.connection.wait_time")
                .with_unit("s")
                .with_description("Time until a caller had a connection")
                .with_boundaries(BUCKETS.to_vec())
                .build(),
            timeouts: meter
                .u64_counter("db.client.connection.timeouts")
                .with_unit("{timeout}")
                .with_description("Callers who did not get a connection in time")
                .build(),
        };
        connections.timeouts.add(0, &connections.pool);
        connections
    }

    /// The size of the pool, once and for all.
    pub(crate) fn bounded(&self, max: u32) {
        let gauge = opentelemetry::global::meter("globcrm.db")
            .u64_gauge("db.client.connection.max")
            .with_unit("{connection}")
            .with_description("Connections that the pool has at most")
            .build();
        gauge.record(max.into(), &self.pool);
    }

    /// Shows how many connections of the pool are in use and how many are idle, whenever somebody looks. The pool is not kept by it.
    ///
    /// What is idle is what is open and not in use: the pool's own count of it can be wrong (`pool.rs`, `pool_options`).
    pub(crate) fn show(&self, home: &Arc<Home>) {
        let (home, pool) = (Arc::downgrade(home), self.pool[0].clone());
        let state = |state| [pool.clone(), KeyValue::new("db.client.connection.state", state)];
        let (of_used, of_idle) = (state("used"), state("idle"));
        opentelemetry::global::meter("globcrm.db")
            .i64_observable_up_down_counter("db.client.connection.count")
            .with_unit("{connection}")
            .with_description("Connections in use, and idle ones")
            .with_callback(move |count| {
                let Some(home) = home.upgrade() else { return };
                let used = home.counters.connections.used.load(Ordering::Relaxed);
                count.observe(used, &of_used);
                count.observe((i64::from(home.pool.size()) - used).max(0), &of_idle);
            })
            .build();
    }

    /// Somebody waits, until this is dropped.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.pending.add(1, &self.pool);
        Waiting { connections: self, since: Instant::now() }
    }

    /// A connection was there at once.
    pub(crate) fn at_once(&self) {
        self.wait.record(0.0, &self.pool);
    }

    /// A connection is in use, until this is dropped.
    pub(crate) fn used(self: &Arc<Self>) -> Used {
        self.used.fetch_add(1, Ordering::Relaxed);
        Used(self.clone())
    }

    pub(crate) fn timed_out(&self) {
        self.timeouts.add(1, &self.pool);
    }
}

/// Somebody waits for a connection.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    connections: &'a Connections,
    since: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.connections.pending.add(-1, &self.connections.pool);
        self.connections.wait.record(self.since.elapsed().as_secs_f64(), &self.connections.pool);
    }
}

/// A connection in use.
#[derive(Debug)]
pub(crate) struct Used(Arc<Connections>);

impl Drop for Used {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
    }
}
