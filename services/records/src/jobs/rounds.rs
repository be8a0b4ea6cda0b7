//! How a job goes on: round after round, until the process stops.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Between two rounds that left nothing undone.
const PAUSE: Duration = Duration::from_secs(600);

/// Runs `round` until `shutdown`; it says whether there is more to do at once. A failed round waits for its next turn, and
/// one that is cut off at the end of the process is safe to be cut off anywhere.
pub(super) async fn run<F, E>(job: &'static str, shutdown: CancellationToken, mut round: impl FnMut() -> F)
where
    F: Future<Output = Result<bool, E>>,
    E: std::fmt::Display,
{
    loop {
        let done = tokio::select! {
            () = shutdown.cancelled() => return,
            done = round() => done,
        };
        match done {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(job, %error, "a round failed; tried again later"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}
