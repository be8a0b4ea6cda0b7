//! What operators see of operations that wait: how many are open, and how old the oldest is.
//!
//! Measured next to the work and not between two batches: a batch that does not end is when the numbers are needed.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Gauge;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::{Claim, Env};

/// How often the table is looked at.
const EVERY: Duration = Duration::from_secs(15);
/// How long one look may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// Open operations are counted so far and no further: beyond, the exact number changes nothing.
const MOST: i64 = 10_000;
/// The states of an open operation.
const STATES: [&str; 2] = ["queued", "running"];

/// Measures the open operations of these kinds until `shutdown`. A look that fails leaves the last numbers. Every instance measures the
/// same table.
pub(crate) async fn watch(env: &Env, kinds: &'static [&'static str], shutdown: &CancellationToken) {
    let gauges = Gauges::new(env.role.name());
    loop {
        let look = tokio::time::timeout(DEADLINE, Claim::open(env, kinds, MOST));
        let Some(look) = shutdown.run_until_cancelled(look).await else { return };
        match look {
            Ok(Ok(open)) => gauges.record(kinds, &open, env.clock.now()),
            Ok(Err(error)) => {
                tracing::warn!(error = %error::chain(&error), "what waits of operations is not measured");
            }
            Err(_) => tracing::warn!("what waits of operations is not measured: it took too long"),
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}

struct Gauges {
    service: KeyValue,
    open: Gauge<u64>,
    age: Gauge<f64>,
}

impl Gauges {
    fn new(service: &'static str) -> Self {
        let meter = opentelemetry::global::meter("globcrm.operations");
        Self {
            service: KeyValue::new("service", service),
            open: meter
                .u64_gauge("globcrm.operation.open")
                .with_unit("{operation}")
                .with_description("Operations that are not over")
                .build(),
            age: meter
                .f64_gauge("globcrm.operation.open.age")
                .with_unit("s")
                .with_description("Time since the oldest operation that is not over was asked for")
                .build(),
        }
    }

    /// Kinds and states without any are 0: a gauge keeps its last value.
    fn record(
        &self,
        kinds: &[&'static str],
        open: &[(String, String, i64, OffsetDateTime)],
        now: OffsetDateTime,
    ) {
        for kind in kinds {
            for state in STATES {
                let found = open.iter().find(|(k, s, ..)| k == kind && s == state);
                let (count, age) = found.map_or((0, 0.0), |(_, _, count, oldest)| {
                    (count.unsigned_abs(), (now - *oldest).as_seconds_f64().max(0.0))
                });
                let labels =
                    [self.service.clone(), KeyValue::new("kind", *kind), KeyValue::new("state", state)];
                self.open.record(count, &labels);
                self.age.record(age, &labels);
            }
        }
    }
}
