//! What is being done on one connection, and since when nothing is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Work(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Requests whose answers have not gone.
    open: usize,
    began: bool,
    /// When the last of them ended.
    quiet: Instant,
}

/// One request, until its answer has been handed out.
#[derive(Debug)]
pub(crate) struct OpenRequest(Arc<Work>);

#[cfg(test)]
impl OpenRequest {
    /// One on no connection.
    pub(crate) fn alone() -> Self {
        Work::new().begin()
    }
}

impl Work {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { open: 0, began: false, quiet: Instant::now() })))
    }

    pub(super) fn begin(self: &Arc<Self>) -> OpenRequest {
        let mut state = self.lock();
        state.open += 1;
        state.began = true;
        OpenRequest(self.clone())
    }

    /// Whether there has been a request.
    pub(super) fn began(&self) -> bool {
        self.lock().began
    }

    /// Since when there is none; `None` while there is one.
    pub(super) fn quiet(&self) -> Option<Instant> {
        let state = self.lock();
        (state.open == 0).then_some(state.quiet)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.open -= 1;
        state.quiet = Instant::now();
    }
}
