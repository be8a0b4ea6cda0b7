//! What operators see of jobs: how long rounds take, how they end, and when one last went well.

use std::time::Duration;

use ids::Clock;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Gauge, Histogram};

/// The instruments of one job.
#[derive(Debug)]
pub(crate) struct JobMetrics {
    job: &'static str,
    clock: Clock,
    duration: Histogram<f64>,
    last_success: Gauge<f64>,
}

impl JobMetrics {
    pub(crate) fn new(job: &'static str, clock: Clock) -> Self {
        let meter = opentelemetry::global::meter("globcrm.service");
        Self {
            job,
            clock,
            duration: meter
                .f64_histogram("globcrm.job.round.duration")
                .with_unit("s")
                .with_description("How long a round of a job took")
                .with_boundaries(host::telemetry::DURATION_BUCKETS.to_vec())
                .build(),
            last_success: meter
                .f64_gauge("globcrm.job.last_success")
                .with_unit("s")
                .with_description(
                    "When a round last went well, or the job was started, in seconds since 1970",
                )
                .build(),
        }
    }

    /// The job has been started. Counts as a success: one that never has any must become old too, and not be absent.
    pub(crate) fn started(&self) {
        self.last_success.record(self.clock.now().unix_timestamp() as f64, &[KeyValue::new("job", self.job)]);
    }

    /// A round has ended.
    pub(crate) fn ended(&self, took: Duration, went_well: bool) {
        let job = KeyValue::new("job", self.job);
        let outcome = KeyValue::new("outcome", if went_well { "ok" } else { "failed" });
        self.duration.record(took.as_secs_f64(), &[job.clone(), outcome]);
        if went_well {
            self.last_success.record(self.clock.now().unix_timestamp() as f64, &[job]);
        }
    }
}
