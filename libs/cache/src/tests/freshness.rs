//! How old a value may be, by the runtime's time and by a given one.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures_util::future::join_all;
use tokio::time::advance;

use super::*;
use crate::Fresh;

const MOMENT: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn age_is_counted_from_before_the_question_and_a_lapsed_value_is_shown_to_the_next_fetch() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    assert_eq!(cache.get(1, Fresh::Held, |_| source.value()).await, Ok(1));
    advance(KEEP.saturating_sub(FETCH + MOMENT)).await;
    assert_eq!(at_once(cache.get(1, Fresh::Held, |_| source.value())).await, Ok(1));
    assert_eq!(cache.held(&1), Some(1));
    advance(MOMENT).await;
    assert_eq!(cache.held(&1), None);
    let confirm = async |held: Option<u32>| {
        assert_eq!(held, Some(1));
        Ok((held.unwrap(), KEEP))
    };
    assert_eq!(cache.get(1, Fresh::Held, confirm).await, Ok(1));
    assert_eq!(source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_may_want_a_value_that_lives_for_a_while_yet() {
    let rest = Duration::from_secs(5);
    let (cache, source) = (Cache::new(terms()), Source::default());
    cache.get(1, Fresh::Held, |_| source.value()).await.unwrap();
    advance(KEEP.saturating_sub(FETCH + rest + MOMENT)).await;
    assert_eq!(at_once(cache.get(1, Fresh::For(rest), |_| source.value())).await, Ok(1));
    advance(MOMENT).await;
    let renews = join_all((0..3).map(|_| cache.get(1, Fresh::For(rest), |_| source.value())));
    let mut renews = pin!(renews);
    assert!(poll(renews.as_mut()).await.is_pending());
    // Whom the value still satisfies does not wait for the newer one.
    assert_eq!(at_once(cache.get(1, Fresh::Held, |_| source.value())).await, Ok(1));
    assert_eq!(renews.await, [Ok(2); 3]);
    assert_eq!(source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_wants_it_anew_takes_what_began_after_it_asked_and_nothing_older() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    let mut running = pin!(cache.get(1, Fresh::Held, |_| source.value()));
    assert!(poll(running.as_mut()).await.is_pending());
    let renews = join_all((0..3).map(|_| cache.get(1, Fresh::Anew, |_| source.value())));
    assert_eq!(tokio::join!(running, renews), (Ok(1), vec![Ok(2); 3]));
    assert_eq!(cache.get(1, Fresh::Anew, |_| source.value()).await, Ok(3));
    assert_eq!(source.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_lapsed_by_the_time_it_came_serves_its_own_caller_only() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    let brief = async |_| {
        let number = source.begin();
        tokio::time::sleep(FETCH).await;
        Ok((number, FETCH))
    };
    let callers = (0..3).map(|_| cache.get(1, Fresh::Held, brief));
    assert_eq!(join_all(callers).await, [Ok(1), Ok(2), Ok(3)]);
}

#[tokio::test]
async fn values_lapse_by_the_time_given() {
    let millis = Arc::new(AtomicU64::new(5_000));
    let hand = millis.clone();
    let time: crate::Time = Arc::new(move || Duration::from_millis(hand.load(Ordering::SeqCst)));
    let cache = Cache::timed_by(time, terms());
    let fetch = async |held: Option<u32>| Ok((held.unwrap_or(0) + 1, KEEP));
    assert_eq!(cache.get(1, Fresh::Held, fetch).await, Ok(1));
    millis.fetch_add(29_999, Ordering::SeqCst);
    assert_eq!(cache.get(1, Fresh::Held, fetch).await, Ok(1));
    millis.fetch_add(1, Ordering::SeqCst);
    assert_eq!(cache.get(1, Fresh::Held, fetch).await, Ok(2));
    let short = Fresh::For(KEEP.saturating_sub(MOMENT));
    assert_eq!(cache.get(1, short, fetch).await, Ok(2));
    millis.fetch_add(1, Ordering::SeqCst);
    assert_eq!(cache.get(1, short, fetch).await, Ok(3));
}
