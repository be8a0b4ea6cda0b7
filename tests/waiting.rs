//! The one place where a test asks again and again, for what nobody can tell it.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// The first and the longest pause between two questions: soon for what is quick, seldom for what is expensive to ask.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(50)];

/// Waits until `condition` holds; panics with `what` when it does not within `bound`.
pub async fn until(bound: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    outcome(bound, what, async || if condition().await { Ok(()) } else { Err("not yet") }).await;
}

/// Asks until there is an outcome; panics after `bound` with `what` and the last reason why there was none.
pub async fn outcome<T, E: Display>(
    bound: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let mut wait = Wait::begun(bound);
    loop {
        match ask().await {
            Ok(outcome) => return outcome,
            Err(reason) => wait.again(what, reason).await,
        }
    }
}

/// As [`outcome`], where the future must be `Send` for whatever lifetime: an async closure's is not.
pub async fn outcome_of<T, E: Display, F: Future<Output = Result<T, E>>>(
    bound: Duration,
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let mut wait = Wait::begun(bound);
    loop {
        match ask().await {
            Ok(outcome) => return outcome,
            Err(reason) => wait.again(what, reason).await,
        }
    }
}

struct Wait {
    begun: Instant,
    bound: Duration,
    pause: Duration,
}

impl Wait {
    fn begun(bound: Duration) -> Self {
        Self { begun: Instant::now(), bound, pause: PAUSES[0] }
    }

    async fn again(&mut self, what: &str, reason: impl Display) {
        let Self { begun, bound, pause } = self;
        assert!(begun.elapsed() < *bound, "{what}: not within {bound:?}: {reason}");
        tokio::time::sleep(*pause).await;
        *pause = PAUSES[1].min(*pause * 2);
    }
}
