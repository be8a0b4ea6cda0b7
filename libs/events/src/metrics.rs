//! What operators see of events: how many wait, how many are stuck, what happens to each. The README has the table.
//!
//! Labels are bounded by the program: schema, lane, consumer, object type and outcome, never a tenant or a record.

mod store;

use std::collections::BTreeSet;
use std::time::Duration;

use db::WorkerDb;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Meter};
use tokio_util::sync::CancellationToken;

use crate::Lane;
use store::Backlog;

/// How often [`watch`] looks; a service's usual interval.
pub const EVERY: Duration = Duration::from_secs(15);
/// How long one look may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Measures what waits in the schema of `service`, every `every` until `shutdown`: events that are not sent, parked and dead
/// ones. A look that fails is told and leaves the last numbers; it holds up neither the relay nor a consumer.
///
/// Every instance measures the same tables, so that the numbers are there whichever of them leads.
pub async fn watch(service: &'static str, db: WorkerDb, every: Duration, shutdown: CancellationToken) {
    let mut gauges = Gauges::new(service);
    loop {
        let look = tokio::select! {
            look = tokio::time::timeout(DEADLINE, store::look(&db)) => look,
            () = shutdown.cancelled() => return,
        };
        match look {
            Ok(Ok(backlog)) => gauges.record(&backlog),
            Ok(Err(error)) => {
                tracing::warn!(role = service, error = %error::chain(&error), "what waits of events is not measured");
            }
            Err(_) => {
                tracing::warn!(role = service, "what waits of events is not measured: it took too long");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

fn meter() -> Meter {
    opentelemetry::global::meter("globcrm.events")
}

/// `contact` of `records.contact.created.v1`; what is no event is `unreadable` as a whole.
fn object(kind: &str) -> String {
    kind.split('.').nth(1).unwrap_or(kind).to_owned()
}

/// `created` of `records.contact.created.v1`.
fn verb(kind: &str) -> String {
    kind.split('.').nth(2).unwrap_or("unreadable").to_owned()
}

/// What one look found, as gauges.
struct Gauges {
    service: &'static str,
    unsent: Gauge<u64>,
    age: Gauge<f64>,
    parked: Stuck,
    dead: Stuck,
}

impl Gauges {
    fn new(service: &'static str) -> Self {
        let meter = meter();
        let events = |name: &'static str, text: &'static str| {
            meter.u64_gauge(name).with_unit("{event}").with_description(text).build()
        };
        let unsent = events("globcrm.outbox.unsent", "Events committed and not yet taken by the broker");
        let parked =
            events("globcrm.inbox.parked", "Events that failed or wait behind one, to be tried again");
        let dead = events("globcrm.inbox.dead", "Events given up, which hold up their records");
        let age = meter
            .f64_gauge("globcrm.outbox.unsent.age")
            .with_unit("s")
            .with_description("Age of the oldest event not yet taken by the broker")
            .build();
        Self { service, unsent, age, parked: Stuck::new(parked), dead: Stuck::new(dead) }
    }

    fn record(&mut self, backlog: &Backlog) {
        let service = KeyValue::new("service", self.service);
        for lane in &backlog.unsent {
            let labels = [service.clone(), KeyValue::new("lane", lane.lane.name())];
            self.unsent.record(lane.events, &labels);
            self.age.record(lane.age.as_secs_f64(), &labels);
        }
        self.parked.record(&service, &backlog.parked);
        self.dead.record(&service, &backlog.dead);
    }
}

/// A number for each consumer that has such events, or had them when it was looked at before: a gauge keeps its last value,
/// so one that is no longer found is set to nothing.
struct Stuck {
    gauge: Gauge<u64>,
    known: BTreeSet<String>,
}

impl Stuck {
    fn new(gauge: Gauge<u64>) -> Self {
        Self { gauge, known: BTreeSet::new() }
    }

    fn record(&mut self, service: &KeyValue, found: &[(String, u64)]) {
        self.known.extend(found.iter().map(|(consumer, _)| consumer.clone()));
        for consumer in &self.known {
            let events = found.iter().find(|(name, _)| name == consumer).map_or(0, |(_, events)| *events);
            self.gauge.record(events, &[service.clone(), KeyValue::new("consumer", consumer.clone())]);
        }
    }
}

/// What became of an event at a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its effect is committed.
    Applied,
    /// It had been applied, or given up, before.
    Redelivered,
    /// It was parked because an earlier event of its record is parked or dead.
    Waiting,
    /// It failed and is parked.
    Parked,
    /// It was given up.
    Dead,
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Redelivered => "redelivered",
            Self::Waiting => "waiting",
            Self::Parked => "parked",
            Self::Dead => "dead",
        }
    }
}

/// Counts what happens to a consumer's events.
#[derive(Debug)]
pub(crate) struct Fates {
    consumer: &'static str,
    events: Counter<u64>,
}

impl Fates {
    pub(crate) fn new(consumer: &'static str) -> Self {
        let events = meter()
            .u64_counter("globcrm.inbox.events")
            .with_unit("{event}")
            .with_description("What became of the events a consumer was given")
            .build();
        Self { consumer, events }
    }

    /// To be called once it is committed. `kind` is the event's type.
    pub(crate) fn count(&self, fate: Fate, kind: &str) {
        let labels = [
            KeyValue::new("consumer", self.consumer),
            KeyValue::new("object", object(kind)),
            KeyValue::new("outcome", fate.name()),
        ];
        self.events.add(1, &labels);
    }
}

/// Counts the parked and dead events that are deleted for their age.
#[derive(Debug)]
pub(crate) struct Expired(Counter<u64>);

impl Expired {
    pub(crate) fn new() -> Self {
        let events = meter()
            .u64_counter("globcrm.inbox.expired")
            .with_unit("{event}")
            .with_description("Events deleted for their age that no consumer ever applied")
            .build();
        Self(events)
    }

    pub(crate) fn count(&self, consumer: String, state: &'static str, events: u64) {
        self.0.add(events, &[KeyValue::new("consumer", consumer), KeyValue::new("state", state)]);
    }
}

/// Counts what a relay's broker takes.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    service: &'static str,
    taken: Counter<u64>,
    refused: Counter<u64>,
    lost: Counter<u64>,
}

impl Published {
    pub(crate) fn new(service: &'static str) -> Self {
        let meter = meter();
        let events = |name: &'static str, text: &'static str| {
            meter.u64_counter(name).with_unit("{event}").with_description(text).build()
        };
        let taken = events("globcrm.outbox.published", "Events taken by the broker, repeats counted");
        let refused = events("globcrm.outbox.refused", "Times the broker did not take an event");
        let lost = events("globcrm.outbox.lost", "Events found passed without being sent, and sent then");
        let published = Self { service, taken, refused, lost };
        // There from the beginning, so that the first one shows as an increase.
        for lane in Lane::ALL {
            published.lost(lane, 0);
        }
        published.refused(0);
        published
    }

    /// One event of this type was confirmed.
    pub(crate) fn taken(&self, lane: Lane, kind: &str) {
        let labels = [
            KeyValue::new("service", self.service),
            KeyValue::new("lane", lane.name()),
            KeyValue::new("object", object(kind)),
            KeyValue::new("verb", verb(kind)),
        ];
        self.taken.add(1, &labels);
    }

    pub(crate) fn lost(&self, lane: Lane, events: usize) {
        let labels = [KeyValue::new("service", self.service), KeyValue::new("lane", lane.name())];
        self.lost.add(events as u64, &labels);
    }

    pub(crate) fn refused(&self, count: usize) {
        self.refused.add(count as u64, &[KeyValue::new("service", self.service)]);
    }
}
