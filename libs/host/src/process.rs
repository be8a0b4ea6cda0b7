//! One process: its clock, its tasks, its tokens, its readiness.

use std::time::Duration;

use ids::Clock;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{Readiness, ServeError, Tasks};

/// What a service is given by the process it runs in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Process {
    /// Time and new ids.
    pub clock: Clock,
    /// The owner of everything that runs beside calls.
    pub tasks: Tasks,
    /// Cancelled when the process shall stop: take nothing new.
    pub shutdown: CancellationToken,
    /// Whether calls should come here.
    pub readiness: Readiness,
    /// Cancelled when the time of the stop is over.
    hard: CancellationToken,
    name: &'static str,
}

impl Process {
    /// A process named `name` (a role, or `globcrm`) that stops at SIGTERM and SIGINT, and at once at a second one.
    pub fn start(name: &'static str, clock: Clock) -> Result<Self, ServeError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
        let process = Self::without_signals(name, clock);
        let (soft, hard) = (process.shutdown.clone(), process.hard.clone());
        process.tasks.spawn_own("host.signals", async move {
            for (token, text) in [(soft, "stopping"), (hard, "stopping at once")] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tracing::info!("{text}");
                token.cancel();
            }
        });
        Ok(process)
    }

    /// A process that stops by its token only: for tests and for programs with signals of their own.
    pub fn without_signals(name: &'static str, clock: Clock) -> Self {
        let (shutdown, hard) = (CancellationToken::new(), CancellationToken::new());
        let readiness = Readiness::new();
        let tasks = Tasks::new(shutdown.clone(), hard.clone(), readiness.clone());
        let process = Self { clock, tasks, shutdown, readiness, hard, name };
        process.watch_readiness();
        process
    }

    /// The same process for one of several services in it: shared clock, tasks and stop, a readiness of its own.
    #[must_use]
    pub fn child(&self, name: &'static str) -> Self {
        let readiness = Readiness::new();
        let tasks = self.tasks.reporting_to(readiness.clone());
        let child = Self { tasks, readiness, name, ..self.clone() };
        child.watch_readiness();
        child
    }

    /// The role, lower case.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The end: stops what still runs, waits for tasks at most `grace` from the stop on, then cuts them off. Call it after
    /// every `serve` has returned.
    pub async fn finish(&self, grace: Duration) -> Result<(), ServeError> {
        self.shutdown.cancel();
        let open = self.tasks.finished(grace).await;
        self.hard.cancel();
        // What was cut off gets the moment it takes to be dropped.
        self.tasks.finished(Duration::from_secs(1)).await;
        if open == 0 { Ok(()) } else { Err(ServeError::Unfinished { what: "tasks", open, grace }) }
    }

    pub(crate) fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    fn watch_readiness(&self) {
        let (readiness, stop) = (self.readiness.clone(), self.shutdown.clone());
        self.tasks.spawn_own("host.readiness", async move {
            tokio::select! {
                () = readiness.clone().run() => {}
                () = stop.cancelled() => readiness.stop(),
            }
        });
    }
}
