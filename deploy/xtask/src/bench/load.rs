//! A closed loop: so many connections, each asking again when it has its answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use testkit::Progress;

use super::api::Connection;

/// Sorted durations.
pub(super) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(super) fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The duration that `share` (0 to 1) of all do not exceed, in milliseconds.
    pub(super) fn percentile(&self, share: f64) -> f64 {
        let rank = (self.0.len() as f64 * share).ceil() as usize;
        let found = self.0.get(rank.clamp(1, self.0.len().max(1)) - 1).copied().unwrap_or_default();
        super::round(found.as_secs_f64() * 1_000.0)
    }
}

/// What a load gave.
pub(super) struct Loaded {
    pub(super) latencies: Latencies,
    pub(super) per_second: f64,
    /// Length of the last answer, in bytes.
    pub(super) bytes: usize,
}

/// Sends `request` over `connections` for a while; an answer other than 200 ends it.
pub(super) fn run(
    address: &str,
    request: &str,
    connections: usize,
    time: Duration,
    progress: &Progress,
) -> Result<Loaded> {
    let failed = AtomicBool::new(false);
    let begin = Instant::now();
    let one = || -> Result<(Vec<Duration>, usize)> {
        let mut connection = Connection::open(address)?;
        let (mut body, mut durations) = (Vec::new(), Vec::new());
        while begin.elapsed() < time && !failed.load(Ordering::Relaxed) {
            progress.check()?;
            let sent = Instant::now();
            let status = connection.exchange(&[request.as_bytes()], &mut body)?;
            durations.push(sent.elapsed());
            if status != 200 {
                bail!("status {status}: {}", String::from_utf8_lossy(&body));
            }
        }
        Ok((durations, body.len()))
    };
    let guarded = || one().inspect_err(|_| failed.store(true, Ordering::Relaxed));
    let results: Vec<Result<(Vec<Duration>, usize)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(guarded)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err(anyhow!("a client has panicked")))
        };
        threads.into_iter().map(join).collect()
    });
    let elapsed = begin.elapsed().as_secs_f64();
    let (mut all, mut bytes) = (Vec::new(), 0);
    for result in results {
        let (durations, length) = result?;
        all.extend(durations);
        bytes = length;
    }
    let per_second = super::round(all.len() as f64 / elapsed);
    Ok(Loaded { latencies: Latencies::new(all), per_second, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_duration_that_was_measured() {
        let all = Latencies::new((1..=200).rev().map(Duration::from_millis).collect());
        assert!((all.percentile(0.5) - 100.0).abs() < 1e-9);
        assert!((all.percentile(0.99) - 198.0).abs() < 1e-9);
        assert!((Latencies::new(Vec::new()).percentile(0.5)).abs() < 1e-9);
    }
}
