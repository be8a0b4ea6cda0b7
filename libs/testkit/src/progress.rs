//! Progress lines with elapsed time, and the one place where a long wait learns that it was cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Speaks on standard error and carries the cancellation of everything it is handed to.
#[derive(Clone, Debug)]
pub struct Progress {
    started: Instant,
    cancelled: Arc<AtomicBool>,
    audible: bool,
}

impl Progress {
    /// Prints lines.
    pub fn audible() -> Self {
        Self { started: Instant::now(), cancelled: Arc::default(), audible: true }
    }

    /// Prints nothing; for tests.
    pub fn silent() -> Self {
        Self { audible: false, ..Self::audible() }
    }

    /// One line, after the seconds since the start.
    pub fn say(&self, text: impl AsRef<str>) {
        if self.audible {
            eprintln!("[{:6.1} s] {}", self.started.elapsed().as_secs_f64(), text.as_ref());
        }
    }

    /// Makes every wait that holds this progress end with an error.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
    }

    /// Whether [`Progress::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// An error once cancelled.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            bail!("interrupted");
        }
        Ok(())
    }

    /// A handle that speaks as this one and cannot be cancelled: for clearing up after a cancellation.
    #[must_use]
    pub(crate) fn unstoppable(&self) -> Self {
        Self { started: self.started, cancelled: Arc::default(), audible: self.audible }
    }

    /// Asks `ready` until it says yes, at most for `bound`. `what` names the wait in the error.
    pub fn wait(&self, what: &str, bound: Duration, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
        let begin = Instant::now();
        loop {
            self.check()?;
            if ready()? {
                return Ok(());
            }
            if begin.elapsed() > bound {
                bail!("{what}: not within {} s", bound.as_secs());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_wait_ends_with_an_error() {
        let progress = Progress::silent();
        let other = progress.clone();
        other.cancel();
        let waited = progress.wait("never", Duration::from_secs(60), || Ok(false));
        assert_eq!(waited.unwrap_err().to_string(), "interrupted");
    }

    #[test]
    fn a_wait_has_a_bound_and_names_itself() {
        let waited = Progress::silent().wait("the moon", Duration::ZERO, || Ok(false));
        assert!(waited.unwrap_err().to_string().contains("the moon"));
    }
}
