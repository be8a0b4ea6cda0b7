//! The cache under the runtime's paused time: every wait is one that a test decides.

mod bound;
mod callers;
mod failures;
mod forgetting;
mod freshness;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use crate::{Held, Terms};

const KEEP: Duration = Duration::from_secs(30);
const FETCH: Duration = Duration::from_millis(100);
const DEADLINE: Duration = Duration::from_secs(2);
const LIMIT: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    /// By the number of the fetch.
    Down(u32),
    /// Concerns the caller that fetched.
    Own(u32),
    Late,
}

type Cache = Held<usize, u32, Failed>;

fn terms() -> Terms<Failed> {
    Terms {
        limit: LIMIT,
        deadline: DEADLINE,
        late: || Failed::Late,
        again: |failed, _| (!matches!(failed, Failed::Own(_))).then_some(*failed),
        stale_if_error: None,
    }
}

/// Where values come from: their number in the order of fetches, from 1.
#[derive(Default)]
struct Source(AtomicU32);

impl Source {
    /// A fetch that takes a moment.
    async fn value(&self) -> Result<(u32, Duration), Failed> {
        let number = self.begin();
        tokio::time::sleep(FETCH).await;
        Ok((number, KEEP))
    }

    /// A fetch that takes a moment and fails.
    async fn failure(&self, failed: fn(u32) -> Failed) -> Result<(u32, Duration), Failed> {
        let number = self.begin();
        tokio::time::sleep(FETCH).await;
        Err(failed(number))
    }

    /// A fetch that never ends.
    async fn silence(&self) -> Result<(u32, Duration), Failed> {
        self.begin();
        std::future::pending().await
    }

    fn begin(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn fetches(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Polls once.
async fn poll<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Runs a future that has nothing to wait for.
async fn at_once<F: Future>(future: F) -> F::Output {
    match poll(pin!(future)).await {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}
