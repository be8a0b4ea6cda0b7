//! What operators see of operations: how long batches take, and how they end.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;

use crate::worker::Worked;
use crate::{Claim, Stop};

/// Upper bounds in seconds: a batch is a transaction of some hundred rows.
const BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// The instruments of one worker.
#[derive(Debug)]
pub(crate) struct Metrics {
    service: &'static str,
    batches: Histogram<f64>,
}

impl Metrics {
    pub(crate) fn new(service: &'static str) -> Self {
        let batches = opentelemetry::global::meter("globcrm.operations")
            .f64_histogram("globcrm.operation.batch.duration")
            .with_unit("s")
            .with_description("How long a batch of an operation took")
            .with_boundaries(BUCKETS.to_vec())
            .build();
        Self { service, batches }
    }

    /// A batch has ended.
    pub(crate) fn worked(&self, claim: &Claim, took: Duration, worked: &Result<Worked, Stop>) {
        let outcome = match worked {
            Ok(Worked::Batch) => "batch",
            Ok(Worked::All) => "succeeded",
            Err(Stop::Failed(_)) => "failed",
            Err(Stop::Over) => "over",
            Err(Stop::Later(_)) => "later",
        };
        let labels = [
            KeyValue::new("service", self.service),
            KeyValue::new("kind", claim.kind.clone()),
            KeyValue::new("outcome", outcome),
        ];
        self.batches.record(took.as_secs_f64(), &labels);
    }
}
