//! One fetch for all who ask, whoever of them is dropped when.

use std::pin::pin;

use futures_util::future::join_all;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::*;
use crate::Fresh;

#[tokio::test(start_paused = true)]
async fn one_fetch_serves_all_who_ask_meanwhile_and_after_it() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    let callers = (0..20).map(|_| cache.get(1, Fresh::Held, |_| source.value()));
    assert_eq!(join_all(callers).await, [Ok(1); 20]);
    assert_eq!(at_once(cache.get(1, Fresh::Held, |_| source.value())).await, Ok(1));
    assert_eq!((source.fetches(), cache.callers()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_beside_each_other() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    let began = Instant::now();
    let callers = (0..20).map(|key| cache.get(key, Fresh::Held, |_| source.value()));
    join_all(callers).await;
    assert_eq!((source.fetches(), began.elapsed()), (20, FETCH));
}

/// A fetch that waits four times.
async fn slowly(source: &Source) -> Result<(u32, Duration), Failed> {
    let number = source.begin();
    for _ in 0..4 {
        yield_now().await;
    }
    Ok((number, KEEP))
}

#[tokio::test(start_paused = true)]
async fn the_caller_that_fetches_may_be_dropped_at_any_await() {
    for polls in 0..=5 {
        let (cache, source) = (Cache::new(terms()), Source::default());
        let mut first = Box::pin(cache.get(1, Fresh::Held, |_| slowly(&source)));
        let mut is_done = false;
        for _ in 0..polls {
            is_done = poll(first.as_mut()).await.is_ready();
        }
        assert_eq!(is_done, polls == 5, "{polls} polls");
        let others = join_all((0..3).map(|_| cache.get(1, Fresh::Held, |_| slowly(&source))));
        let mut others = pin!(others);
        let waits = polls != 5;
        assert_eq!(poll(others.as_mut()).await.is_pending(), waits, "{polls} polls");
        drop(first);
        // The next in line fetches where the first one had begun and did not come to an end.
        let fetches = if (1..5).contains(&polls) { 2 } else { 1 };
        if waits {
            assert_eq!(others.await, [Ok(fetches); 3], "{polls} polls");
        }
        assert_eq!(at_once(cache.get(1, Fresh::Held, |_| slowly(&source))).await, Ok(fetches));
        assert_eq!((source.fetches(), cache.callers()), (fetches, 0), "{polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_may_be_dropped_too() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    let mut first = pin!(cache.get(1, Fresh::Held, |_| source.value()));
    let mut second = Box::pin(cache.get(1, Fresh::Held, |_| source.value()));
    let mut third = pin!(cache.get(1, Fresh::Held, |_| source.value()));
    assert!(poll(first.as_mut()).await.is_pending());
    assert!(poll(second.as_mut()).await.is_pending());
    assert!(poll(third.as_mut()).await.is_pending());
    drop(second);
    assert_eq!((first.await, third.await), (Ok(1), Ok(1)));
    assert_eq!((source.fetches(), cache.callers()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_dropped_when_its_turn_has_come_gives_it_on() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    let mut first = Box::pin(cache.get(1, Fresh::Held, |_| source.silence()));
    let mut second = Box::pin(cache.get(1, Fresh::Held, |_| source.value()));
    let mut third = pin!(cache.get(1, Fresh::Held, |_| source.value()));
    assert!(poll(first.as_mut()).await.is_pending());
    assert!(poll(second.as_mut()).await.is_pending());
    assert!(poll(third.as_mut()).await.is_pending());
    drop(first);
    // The lock is the second one's now, though it was not polled again.
    drop(second);
    assert_eq!(third.await, Ok(2));
    assert_eq!(cache.callers(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_panics_leaves_its_key_to_the_next() {
    let (cache, source) = (std::sync::Arc::new(Cache::new(terms())), Source::default());
    let its = cache.clone();
    #[allow(clippy::disallowed_methods, reason = "a test of a panic needs a task")]
    let failed = tokio::spawn(async move {
        let fetch = async |_| -> Result<(u32, Duration), Failed> { panic!("a defect of the fetch") };
        its.get(1, Fresh::Held, fetch).await
    });
    assert!(failed.await.unwrap_err().is_panic());
    assert_eq!(cache.get(1, Fresh::Held, |_| source.value()).await, Ok(1));
    assert_eq!(cache.callers(), 0);
}
