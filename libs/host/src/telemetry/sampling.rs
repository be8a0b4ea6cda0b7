//! Which of the traces that begin here are sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use config::Hot;
use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingResult, ShouldSample};

use crate::TelemetryConfig;

/// The share in force, per thousand.
#[derive(Clone, Debug)]
pub(super) struct Share(Arc<AtomicU16>);

impl Share {
    /// The configured share, as it changes.
    pub(super) fn of(config: &Hot<TelemetryConfig>) -> Self {
        let share = Arc::new(AtomicU16::new(config.get().traces_of_thousand));
        let follows = share.clone();
        config.follow(move |config| follows.store(config.traces_of_thousand, Ordering::Relaxed));
        Self(share)
    }
}

impl ShouldSample for Share {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let ratio = f64::from(self.0.load(Ordering::Relaxed)) / 1_000.0;
        Sampler::TraceIdRatioBased(ratio).should_sample(parent, trace, name, kind, attributes, links)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::SamplingDecision;

    use super::*;

    #[test]
    fn the_share_follows_the_setting() {
        let config = Hot::new(TelemetryConfig { traces_of_thousand: 250, ..TelemetryConfig::default() });
        let share = Share::of(&config);
        let sampled = || {
            // Ids spread evenly, as random ones are.
            let ids = (0..1_000_u128).map(|at| TraceId::from(at * (u128::from(u64::MAX) / 1_000)));
            let decided =
                ids.map(|id| share.should_sample(None, id, "", &SpanKind::Server, &[], &[]).decision);
            decided.filter(|decision| *decision == SamplingDecision::RecordAndSample).count()
        };
        assert!((240..260).contains(&sampled()), "{}", sampled());
        for (per_thousand, expected) in [(0, 0), (1_000, 1_000)] {
            config.set(TelemetryConfig { traces_of_thousand: per_thousand, ..TelemetryConfig::default() });
            assert_eq!(sampled(), expected);
        }
    }
}
