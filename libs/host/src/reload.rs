//! Settings that may change: files are looked at while the process runs, and what is wrong in them is told and changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use config::Reloader;
use tokio::time::MissedTickBehavior;

use crate::Process;

/// How often files are looked at.
pub const EVERY: Duration = Duration::from_secs(5);

/// Looks at the files until the process stops.
pub fn start(process: &Process, mut reloader: Reloader, every: Duration) {
    let shown = Shown::new(reloader.hash());
    let shutdown = process.shutdown.clone();
    process.tasks.spawn("host.reload", async move {
        // The next looks find the same: each finding is told once.
        let (mut told, mut changes) = (None, reloader.changes());
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            // Files may be on a network, which may hang: then this task does, and nothing else.
            let looked = tokio::task::spawn_blocking(move || {
                let looked = reloader.look();
                (reloader, looked)
            });
            let Some(Ok((back, looked))) = shutdown.run_until_cancelled(looked).await else { return };
            reloader = back;
            if reloader.changes() > changes {
                changes = reloader.changes();
                tracing::info!(hash = reloader.hash(), "settings have changed and are in force");
            }
            match looked {
                Ok(_) => {
                    told = None;
                    shown.set(true, reloader.hash());
                }
                Err(problems) => {
                    shown.set(false, reloader.hash());
                    let problems = problems.to_string();
                    // How long ago a certificate ended is told anew each second.
                    let finding = error::timeless(&problems);
                    if told.as_ref() != Some(&finding) {
                        tracing::error!(
                            problems,
                            "settings have changed and are wrong; the old ones stay in force"
                        );
                        told = Some(finding);
                    }
                }
            }
        }
    });
}

/// What the metrics show.
struct Shown(Arc<State>);

struct State {
    success: AtomicBool,
    hash: AtomicU64,
}

impl Shown {
    fn new(hash: u64) -> Self {
        let state = Arc::new(State { success: AtomicBool::new(true), hash: AtomicU64::new(hash) });
        let meter = opentelemetry::global::meter("globcrm.host");
        let seen = state.clone();
        meter
            .u64_observable_gauge("globcrm.config.reload.success")
            .with_description("Whether the last look at the files of settings found nothing wrong")
            .with_callback(move |gauge| gauge.observe(seen.success.load(Ordering::Relaxed).into(), &[]))
            .build();
        let seen = state.clone();
        meter
            .u64_observable_gauge("globcrm.config.hash")
            .with_description("Names the settings in force that may change, without secrets")
            .with_callback(move |gauge| gauge.observe(seen.hash.load(Ordering::Relaxed), &[]))
            .build();
        Self(state)
    }

    fn set(&self, success: bool, hash: u64) {
        self.0.hash.store(hash, Ordering::Relaxed);
        self.0.success.store(success, Ordering::Relaxed);
    }
}
