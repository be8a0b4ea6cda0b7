//! Tasks with a name, a span and an owner that waits for them.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use opentelemetry::KeyValue;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::Readiness;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A run this long counts as healthy, and the next pause is short again.
const HEALTHY_RUN: Duration = Duration::from_secs(60);

/// The tasks of a process. Cheap to clone; all clones are one owner.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    /// What the process itself runs until its very end: signals, readiness. Nobody waits for these.
    own: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
    readiness: Readiness,
}

impl Tasks {
    pub(crate) fn new(soft: CancellationToken, hard: CancellationToken, readiness: Readiness) -> Self {
        Self { tracker: TaskTracker::new(), own: TaskTracker::new(), soft, hard, readiness }
    }

    /// The same tasks reporting to another service's readiness.
    pub(crate) fn reporting_to(&self, readiness: Readiness) -> Self {
        Self { readiness, ..self.clone() }
    }

    /// Starts work that may end whenever it likes. It should watch the shutdown token; at the end of the grace it is
    /// dropped. The answer is `None` when it panicked (logged, and the process is degraded) or was dropped.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (hard, readiness) = (self.hard.clone(), self.readiness.clone());
        let span = tracing::info_span!(parent: None, "task", otel.name = name, task = name);
        let body = async move {
            match cut_at(&hard, name, future).await {
                Some(Ok(output)) => Some(output),
                Some(Err(text)) => {
                    tracing::error!(task = name, panic = text, "task panicked");
                    readiness.degrade(name, Some("the task panicked".to_owned()));
                    None
                }
                None => None,
            }
        };
        self.tracker.spawn(body.instrument(span))
    }

    /// Starts a task of the process itself, for which a stop does not wait.
    pub(crate) fn spawn_own<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hard = self.hard.clone();
        self.own.spawn(async move {
            tokio::select! {
                () = future => tracing::debug!(task = name, "task ended"),
                () = hard.cancelled() => {}
            }
        });
    }

    /// Keeps work running until the shutdown token: when it ends early, fails or panics it is started again after a
    /// growing pause (0.1 to 30 s) and the process is degraded until it runs again.
    pub fn supervise<M, F, E>(&self, name: &'static str, make: M)
    where
        M: Fn() -> F + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + Send + 'static,
    {
        let tasks = self.clone();
        let span = tracing::info_span!(parent: None, "task", otel.name = name, task = name);
        let body = async move {
            let restarts = opentelemetry::global::meter("globcrm.host")
                .u64_counter("globcrm.task.restarts")
                .with_description("Starts of a task that must run and had ended")
                .build();
            // There from the beginning, so that the first one shows as an increase.
            restarts.add(0, &[KeyValue::new("task", name)]);
            let mut pause = FIRST_PAUSE;
            while !tasks.soft.is_cancelled() {
                let started = Instant::now();
                let Some(result) = cut_at(&tasks.hard, name, make()).await else { return };
                if tasks.soft.is_cancelled() {
                    return;
                }
                let reason = match result {
                    Ok(Ok(())) => "ended before the process".to_owned(),
                    Ok(Err(error)) => error::chain(&error).to_string(),
                    Err(panic) => format!("panicked: {panic}"),
                };
                tracing::error!(task = name, reason, "task must run and does not; it is started again");
                restarts.add(1, &[KeyValue::new("task", name)]);
                tasks.readiness.degrade(name, Some("the task is being started again".to_owned()));
                if started.elapsed() >= HEALTHY_RUN {
                    pause = FIRST_PAUSE;
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = tasks.soft.cancelled() => return,
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
                tasks.readiness.degrade(name, None);
            }
        };
        self.tracker.spawn(body.instrument(span));
    }

    /// Waits until every task has ended, at most `grace`; says how many are left.
    pub(crate) async fn finished(&self, grace: Duration) -> usize {
        self.tracker.close();
        match tokio::time::timeout(grace, self.tracker.wait()).await {
            Ok(()) => 0,
            Err(_) => self.tracker.len(),
        }
    }
}

/// The output, the panic's text, or `None` when `hard` came first.
async fn cut_at<F: Future>(
    hard: &CancellationToken,
    name: &'static str,
    future: F,
) -> Option<Result<F::Output, String>> {
    tokio::select! {
        result = AssertUnwindSafe(future).catch_unwind() => Some(result.map_err(|p| panic_text(p.as_ref()))),
        () = hard.cancelled() => {
            tracing::warn!(task = name, "task was cut off");
            None
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::State;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn tasks() -> Tasks {
        Tasks::new(CancellationToken::new(), CancellationToken::new(), Readiness::new())
    }

    #[tokio::test]
    async fn a_panic_degrades_and_stops_nothing_else() {
        let tasks = tasks();
        let other = tasks.spawn("other", async { 7 });
        assert_eq!(tasks.spawn("poisoned", async { panic!("bad row") }).await.unwrap(), None::<()>);
        assert_eq!(other.await.unwrap(), Some(7));
        assert_eq!(tasks.readiness.state(), State::Degraded);
    }

    #[tokio::test(start_paused = true)]
    async fn supervised_work_is_started_again_with_a_growing_pause() {
        let tasks = tasks();
        let runs = Arc::new(AtomicU32::new(0));
        let (counted, began) = (runs.clone(), Instant::now());
        let (done, wait) = tokio::sync::oneshot::channel();
        let done = std::sync::Mutex::new(Some(done));
        tasks.supervise("relay", move || {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            let done = (run == 3).then(|| done.lock().unwrap().take()).flatten();
            async move {
                match run {
                    0 => Ok(()),
                    1 => Err(std::io::Error::other("refused")),
                    2 => panic!("bug"),
                    _ => {
                        done.unwrap().send(()).unwrap();
                        std::future::pending().await
                    }
                }
            }
        });
        wait.await.unwrap();
        assert_eq!(began.elapsed().as_millis() / 100, 7, "0.1 + 0.2 + 0.4 s");
        assert_eq!(tasks.readiness.state(), State::Ready);
        tasks.hard.cancel();
        assert_eq!(tasks.finished(Duration::from_secs(1)).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_counted_and_cut_off() {
        let tasks = tasks();
        let handle = tasks.spawn("stuck", std::future::pending::<()>());
        assert_eq!(tasks.finished(Duration::from_secs(3)).await, 1);
        tasks.hard.cancel();
        assert_eq!(handle.await.unwrap(), None);
    }
}
