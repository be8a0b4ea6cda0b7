//! How a job goes on: round after round, until the process stops.

use std::time::{Duration, Instant};

use ids::Clock;
use tokio_util::sync::CancellationToken;

use crate::job_metrics::JobMetrics;

/// Between two rounds that left nothing undone.
const PAUSE: Duration = Duration::from_secs(600);

/// A job that works in rounds.
pub trait Rounds: Send + Sync + 'static {
    /// Why a round fails.
    type Error: std::error::Error + Send;

    /// Its task, such as `records.purge`.
    fn task(&self) -> &'static str;

    /// Works one round; `true` when there is more to do at once. It is dropped at the end of the process, so it must be safe
    /// to be cut off anywhere.
    fn step(&self) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Waits for its next turn after a round that left nothing undone.
    fn rest(&self) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(PAUSE)
    }
}

/// Works rounds until `shutdown`. A failed one waits for its next turn.
pub(crate) async fn run<J: Rounds>(job: J, clock: Clock, shutdown: CancellationToken) {
    let metrics = JobMetrics::new(job.task(), clock);
    metrics.started();
    loop {
        let began = Instant::now();
        let done = tokio::select! {
            () = shutdown.cancelled() => return,
            done = job.step() => done,
        };
        metrics.ended(began.elapsed(), done.is_ok());
        match done {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(job = job.task(), error = %error::chain(&error), "a round failed; tried again later");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = job.rest() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;

    /// Answers in turn, and notes when it was asked; asked once more, it never ends.
    struct Scripted {
        answers: Mutex<Vec<Result<bool, std::io::Error>>>,
        asked: tokio::sync::mpsc::UnboundedSender<Instant>,
    }

    impl Rounds for Scripted {
        type Error = std::io::Error;

        fn task(&self) -> &'static str {
            "test.scripted"
        }

        async fn step(&self) -> Result<bool, std::io::Error> {
            self.asked.send(Instant::now()).unwrap();
            let answer = self.answers.lock().unwrap().pop();
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn more_to_do_goes_on_at_once_and_a_failure_waits_like_the_end_until_the_stop() {
        let (asked, mut seen) = tokio::sync::mpsc::unbounded_channel();
        // From the last to the first.
        let answers = Mutex::new(vec![Ok(false), Err(std::io::Error::other("refused")), Ok(true)]);
        let (shutdown, began) = (CancellationToken::new(), Instant::now());
        let job = run(Scripted { answers, asked }, Clock::system(), shutdown.clone());
        let watch = async {
            let mut pauses = Vec::new();
            for _ in 0..4 {
                pauses.push(seen.recv().await.unwrap() - began);
            }
            shutdown.cancel();
            pauses
        };
        // The fourth round hangs, and is cut off.
        let ((), pauses) = tokio::join!(job, watch);
        assert_eq!(pauses, [Duration::ZERO, Duration::ZERO, PAUSE, PAUSE * 2]);
    }
}
