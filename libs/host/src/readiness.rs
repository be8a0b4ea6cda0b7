//! Whether this process should get calls, and what of it is not well.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::{Notify, watch};

/// How often every component is checked.
const PERIOD: Duration = Duration::from_secs(1);
/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// One lost check is not an outage.
const FAILURES_BEFORE_NOT_READY: u32 = 2;

/// Whether this process should get calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A component has not been well yet.
    Starting,
    /// All is well.
    Ready,
    /// Takes calls; something beside them is not well.
    Degraded,
    /// Something it needs is not there.
    NotReady,
    /// On its way out.
    Stopping,
}

impl State {
    /// Whether calls should come here.
    pub fn takes_calls(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded)
    }
}

/// One component, as `/readyz` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Its state.
    pub state: State,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The whole, as `/readyz` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The worst of all.
    pub state: State,
    /// Each component by name.
    pub components: BTreeMap<&'static str, Component>,
}

type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// The components of one service and their last known states. Cheap to clone.
#[derive(Clone)]
pub struct Readiness(Arc<Inner>);

struct Inner {
    components: Mutex<BTreeMap<&'static str, Entry>>,
    changed: Notify,
    state: watch::Sender<State>,
}

struct Entry {
    /// Checked every second; `None` for one that reports itself.
    check: Option<Check>,
    /// Its failure stops calls.
    vital: bool,
    ever_well: bool,
    failures: u32,
    reason: Option<String>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.report().fmt(f)
    }
}

impl Readiness {
    /// Ready, as it has no components yet. Somebody must [`run`](Self::run) it; [`crate::Process`] does.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            components: Mutex::default(),
            changed: Notify::new(),
            state: watch::Sender::new(State::Ready),
        }))
    }

    /// Watches something without which no call can be served: it is not ready until `check` was well once, and again
    /// when it fails twice in a row. `check` runs every second; its error is shown at `/readyz`, so it names no secret.
    pub fn watch<C, F>(&self, name: &'static str, check: C)
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.add(name, true, check);
    }

    /// Watches something that calls can do without: when it fails the process is degraded and keeps its calls.
    pub fn watch_beside<C, F>(&self, name: &'static str, check: C)
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.add(name, false, check);
    }

    /// Reports something that is not well (degraded), or with `None` that it is well again.
    pub(crate) fn degrade(&self, name: &'static str, reason: Option<String>) {
        let failures = u32::from(reason.is_some());
        let entry = Entry { check: None, vital: false, ever_well: true, failures, reason };
        self.lock().insert(name, entry);
        self.publish();
    }

    /// The process is on its way out: no more calls, whatever the components say.
    pub fn stop(&self) {
        self.0.state.send_replace(State::Stopping);
    }

    /// The state now.
    pub fn state(&self) -> State {
        *self.0.state.borrow()
    }

    /// The state and its changes.
    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// Waits until calls can come; for start-up and tests.
    pub async fn ready(&self) {
        // The sender lives in self, so waiting ends only with the condition.
        drop(self.subscribe().wait_for(|s| s.takes_calls()).await);
    }

    /// Everything that is known.
    pub fn report(&self) -> Report {
        let components = self.lock().iter().map(|(name, entry)| (*name, entry.component())).collect();
        Report { state: self.state(), components }
    }

    /// Checks every component every second, and a new one at once. Ends never.
    pub async fn run(self) {
        loop {
            let checks: Vec<(&'static str, Check)> =
                self.lock().iter().filter_map(|(n, e)| Some((*n, e.check.clone()?))).collect();
            let results = join_all(checks.into_iter().map(|(name, check)| async move {
                let result = tokio::time::timeout(CHECK_TIMEOUT, check()).await;
                (name, result.unwrap_or_else(|_| Err(format!("no answer in {CHECK_TIMEOUT:?}"))))
            }))
            .await;
            for (name, result) in results {
                self.note(name, result);
            }
            self.publish();
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = self.0.changed.notified() => {}
            }
        }
    }

    fn add<C, F>(&self, name: &'static str, vital: bool, check: C)
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        let entry = Entry { check: Some(check), vital, ever_well: false, failures: 0, reason: None };
        self.lock().insert(name, entry);
        self.publish();
        self.0.changed.notify_one();
    }

    fn note(&self, name: &'static str, result: Result<(), String>) {
        let mut components = self.lock();
        let Some(entry) = components.get_mut(name) else { return };
        match result {
            Ok(()) => {
                if entry.reason.take().is_some() {
                    tracing::info!(component = name, "component is well again");
                }
                entry.ever_well = true;
                entry.failures = 0;
            }
            Err(reason) => {
                // Also when it is another reason: a schema that lacks one migration after the other says so of each.
                if entry.reason.as_ref() != Some(&reason) {
                    tracing::warn!(component = name, reason, "component is not well");
                }
                entry.failures = entry.failures.saturating_add(1);
                entry.reason = Some(reason);
            }
        }
    }

    fn publish(&self) {
        let components = self.lock();
        let worst = components.values().map(Entry::weight).max().unwrap_or(State::Ready);
        self.0.state.send_if_modified(|state| {
            let changes = *state != State::Stopping && *state != worst;
            if changes {
                *state = worst;
            }
            changes
        });
        drop(components);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Entry>> {
        self.0.components.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn weight(&self) -> State {
        match (self.vital, self.failures) {
            (true, n) if n >= FAILURES_BEFORE_NOT_READY => State::NotReady,
            (true, _) if !self.ever_well => State::Starting,
            (true, _) | (false, 0) => State::Ready,
            (false, _) => State::Degraded,
        }
    }

    fn component(&self) -> Component {
        Component { state: self.weight(), reason: self.reason.clone() }
    }
}

impl Ord for State {
    /// The worse the greater.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let rank = |s: &Self| match s {
            Self::Ready => 0,
            Self::Degraded => 1,
            Self::Starting => 2,
            Self::NotReady => 3,
            Self::Stopping => 4,
        };
        rank(self).cmp(&rank(other))
    }
}

impl PartialOrd for State {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Runs `readiness` beside the test.
    fn running(readiness: &Readiness) -> tokio::task::JoinSet<()> {
        let mut set = tokio::task::JoinSet::new();
        set.spawn(readiness.clone().run());
        set
    }

    async fn becomes(readiness: &Readiness, state: State) {
        readiness.subscribe().wait_for(|s| *s == state).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_vital_component_decides_and_one_lost_check_does_not() {
        let readiness = Readiness::new();
        let well = Arc::new(AtomicBool::new(false));
        let _running = running(&readiness);
        let seen = well.clone();
        readiness.watch("database", move || {
            let well = seen.load(Ordering::SeqCst);
            async move { if well { Ok(()) } else { Err("refused".to_owned()) } }
        });
        assert_eq!(readiness.state(), State::Starting);
        becomes(&readiness, State::NotReady).await;
        assert_eq!(readiness.report().components["database"].reason.as_deref(), Some("refused"));
        well.store(true, Ordering::SeqCst);
        becomes(&readiness, State::Ready).await;
        well.store(false, Ordering::SeqCst);
        tokio::time::sleep(PERIOD + Duration::from_millis(1)).await;
        assert_eq!(readiness.state(), State::Ready, "one failure");
        becomes(&readiness, State::NotReady).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_has_failed() {
        let readiness = Readiness::new();
        let _running = running(&readiness);
        readiness.watch("database", std::future::pending);
        becomes(&readiness, State::NotReady).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_component_beside_degrades_and_keeps_the_calls() {
        let readiness = Readiness::new();
        let _running = running(&readiness);
        readiness.watch_beside("broker", || async { Err("down".to_owned()) });
        becomes(&readiness, State::Degraded).await;
        assert!(readiness.state().takes_calls());
        readiness.stop();
        tokio::time::sleep(PERIOD * 3).await;
        assert_eq!(readiness.state(), State::Stopping, "no component brings a stopping process back");
    }
}
