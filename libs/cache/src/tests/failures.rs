//! A failure answers those who waited for it, and nobody after it.

use std::pin::pin;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::*;
use crate::{Fresh, Terms};

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_a_fetch_share_its_failure_and_who_comes_later_fetches() {
    for fresh in [Fresh::Held, Fresh::For(FETCH), Fresh::Anew] {
        let (cache, source) = (Cache::new(terms()), Source::default());
        let began = Instant::now();
        let callers = (0..20).map(|_| cache.get(1, fresh, |_| source.failure(Failed::Down)));
        assert_eq!(join_all(callers).await, [Err(Failed::Down(1)); 20]);
        assert_eq!((source.fetches(), began.elapsed()), (1, FETCH), "{fresh:?}");
        // At the same instant, and yet after it.
        assert_eq!(cache.get(1, fresh, |_| source.value()).await, Ok(2));
        assert_eq!(cache.callers(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_after_a_failure_does_not_share_it_though_others_still_wait() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    let mut first = pin!(cache.get(1, Fresh::Held, |_| source.failure(Failed::Down)));
    let mut second = pin!(cache.get(1, Fresh::Held, |_| source.value()));
    assert!(poll(first.as_mut()).await.is_pending());
    assert!(poll(second.as_mut()).await.is_pending());
    assert_eq!(first.await, Err(Failed::Down(1)));
    let mut third = pin!(cache.get(1, Fresh::Held, |_| source.value()));
    assert!(poll(third.as_mut()).await.is_pending());
    assert_eq!(second.await, Err(Failed::Down(1)));
    assert_eq!(third.await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_hangs_ends_at_the_deadline_for_all_who_wait() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    let began = Instant::now();
    let callers = (0..20).map(|_| cache.get(1, Fresh::Held, |_| source.silence()));
    assert_eq!(join_all(callers).await, [Err(Failed::Late); 20]);
    assert_eq!((source.fetches(), began.elapsed()), (1, DEADLINE));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_concerns_its_caller_alone_is_not_shared() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    let mut refused = pin!(cache.get(1, Fresh::Held, |_| source.failure(Failed::Own)));
    assert!(poll(refused.as_mut()).await.is_pending());
    let others = join_all((0..3).map(|_| cache.get(1, Fresh::Held, |_| source.value())));
    assert_eq!(tokio::join!(refused, others), (Err(Failed::Own(1)), vec![Ok(2); 3]));
    assert_eq!((source.fetches(), cache.callers()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_shared_may_depend_on_how_long_the_fetch_took() {
    let again = |failed: &Failed, took: Duration| (took >= DEADLINE).then_some(*failed);
    let terms = Terms { again, ..terms() };
    let (cache, source) = (Cache::new(terms), Source::default());
    let callers = (0..3).map(|_| cache.get(1, Fresh::Held, |_| source.failure(Failed::Down)));
    let each_its_own = [1, 2, 3].map(|number| Err(Failed::Down(number)));
    assert_eq!(join_all(callers).await, each_its_own);
    let callers = (0..3).map(|_| cache.get(1, Fresh::Held, |_| source.silence()));
    assert_eq!(join_all(callers).await, [Err(Failed::Late); 3]);
    assert_eq!(source.fetches(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_lives_outlasts_a_failure_to_fetch_it_anew() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    cache.get(1, Fresh::Held, |_| source.value()).await.unwrap();
    assert_eq!(cache.get(1, Fresh::Anew, |_| source.failure(Failed::Down)).await, Err(Failed::Down(2)));
    assert_eq!(at_once(cache.get(1, Fresh::Held, |_| source.value())).await, Ok(1));
}

/// What is held answers for a while when it cannot be confirmed, but nobody who wants a newer one.
#[tokio::test(start_paused = true)]
async fn a_stale_value_answers_instead_of_an_error_where_the_terms_say_so() {
    let stale_for = Duration::from_secs(10);
    let terms = Terms { stale_if_error: Some(stale_for), ..terms() };
    let (cache, source) = (Cache::new(terms), Source::default());
    let failed = cache.get(1, Fresh::Held, |_| source.failure(Failed::Down)).await;
    assert_eq!(failed, Err(Failed::Down(1)), "nothing is held");
    cache.get(1, Fresh::Held, |_| source.value()).await.unwrap();
    tokio::time::advance(KEEP).await;
    let confirms = join_all((0..3).map(|_| cache.get(1, Fresh::Held, |_| source.failure(Failed::Down))));
    let mut confirms = pin!(confirms);
    assert!(poll(confirms.as_mut()).await.is_pending());
    let renews = join_all((0..3).map(|_| cache.get(1, Fresh::Anew, |_| source.value())));
    // Who asks for a newer one while the confirmation runs shares its failure.
    let renewed = vec![Err(Failed::Down(3)); 3];
    assert_eq!(tokio::join!(confirms, renews), (vec![Ok(2); 3], renewed));
    // Not asked for again for a while.
    tokio::time::advance(stale_for.saturating_sub(FETCH + Duration::from_millis(1))).await;
    assert_eq!(at_once(cache.get(1, Fresh::Held, |_| source.value())).await, Ok(2));
    assert_eq!(source.fetches(), 3);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(cache.get(1, Fresh::Held, |_| source.value()).await, Ok(4));
    assert_eq!(cache.get(1, Fresh::Anew, |_| source.failure(Failed::Down)).await, Err(Failed::Down(5)));
}

/// A caller wants a fetch that began after it asked; one that did and failed leaves the old value, which is not what it wants.
#[tokio::test(start_paused = true)]
async fn a_stale_value_does_not_pass_for_one_that_was_fetched_anew() {
    let terms = Terms { stale_if_error: Some(KEEP), ..terms() };
    let (cache, source) = (Cache::new(terms), Source::default());
    cache.get(1, Fresh::Held, |_| source.value()).await.unwrap();
    tokio::time::advance(KEEP).await;
    let mut dropped = Box::pin(cache.get(1, Fresh::Held, |_| source.silence()));
    let mut confirm = pin!(cache.get(1, Fresh::Held, |_| source.failure(Failed::Own)));
    let mut renew = pin!(cache.get(1, Fresh::Anew, |_| source.value()));
    assert!(poll(dropped.as_mut()).await.is_pending());
    assert!(poll(confirm.as_mut()).await.is_pending());
    assert!(poll(renew.as_mut()).await.is_pending());
    drop(dropped);
    assert_eq!(tokio::join!(confirm, renew), (Ok(1), Ok(4)));
}
