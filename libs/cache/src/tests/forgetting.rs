//! What is forgotten while it is fetched is not kept.

use std::pin::pin;

use futures_util::future::join_all;

use super::*;
use crate::{Fresh, Terms};

type Forget = fn(&Cache);

/// Every way to forget, and whether it forgets key 1.
const WAYS: [(Forget, bool); 5] = [
    (|cache| cache.forget(&1), true),
    (|cache| cache.forget_where(|key| *key == 1), true),
    (|cache| cache.clear(), true),
    (|cache| cache.forget(&2), false),
    (|cache| cache.forget_where(|key| *key == 2), false),
];

#[tokio::test(start_paused = true)]
async fn a_value_that_was_forgotten_is_fetched_again_and_others_are_not() {
    for (forget, forgets) in WAYS {
        let (cache, source) = (Cache::new(terms()), Source::default());
        cache.get(1, Fresh::Held, |_| source.value()).await.unwrap();
        forget(&cache);
        assert_eq!(cache.held(&1), (!forgets).then_some(1));
        let before = if forgets { None } else { Some(1) };
        let asked = async |held| {
            assert_eq!(held, before, "a fetch does not hear of a value that was forgotten");
            source.value().await
        };
        assert_eq!(cache.get(1, Fresh::Anew, asked).await, Ok(2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_forgotten_while_it_is_fetched_is_not_left_behind() {
    for (forget, forgets) in WAYS {
        let (cache, source) = (Cache::new(terms()), Source::default());
        let early = join_all((0..3).map(|_| cache.get(1, Fresh::Held, |_| source.value())));
        let mut early = pin!(early);
        assert!(poll(early.as_mut()).await.is_pending());
        tokio::time::advance(FETCH / 2).await;
        forget(&cache);
        // Who asks from now on must not be given what was asked for before.
        let late = join_all((0..3).map(|_| cache.get(1, Fresh::Held, |_| source.value())));
        let newest = if forgets { 2 } else { 1 };
        assert_eq!(tokio::join!(early, late), (vec![Ok(1); 3], vec![Ok(newest); 3]));
        assert_eq!(cache.held(&1), Some(newest));
        assert_eq!((source.fetches(), cache.callers()), (newest, 0));
    }
}

/// Also where nobody fetches it again, and so nothing newer covers it.
#[tokio::test(start_paused = true)]
async fn a_value_that_comes_after_it_was_forgotten_serves_who_waits_and_is_not_held() {
    for (forget, forgets) in WAYS {
        let (cache, source) = (Cache::new(terms()), Source::default());
        let early = join_all((0..3).map(|_| cache.get(1, Fresh::Held, |_| source.value())));
        let mut early = pin!(early);
        assert!(poll(early.as_mut()).await.is_pending());
        forget(&cache);
        assert_eq!(early.await, [Ok(1); 3]);
        assert_eq!((cache.held(&1), source.fetches()), ((!forgets).then_some(1), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_fetch_that_ends_last_does_not_replace_the_newer_value() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    let slow = async |_| {
        let number = source.begin();
        tokio::time::sleep(FETCH * 3).await;
        Ok((number, KEEP))
    };
    let mut old = pin!(cache.get(1, Fresh::Held, slow));
    assert!(poll(old.as_mut()).await.is_pending());
    cache.forget(&1);
    assert_eq!(cache.get(1, Fresh::Held, |_| source.value()).await, Ok(2));
    assert_eq!(old.await, Ok(1));
    assert_eq!((cache.held(&1), cache.callers()), (Some(2), 0));
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_when_it_is_forgotten_share_the_failure_and_take_over_from_who_is_dropped() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    let mut first = Box::pin(cache.get(1, Fresh::Held, |_| source.silence()));
    assert!(poll(first.as_mut()).await.is_pending());
    let others = join_all((0..3).map(|_| cache.get(1, Fresh::Held, |_| source.failure(Failed::Down))));
    let mut others = pin!(others);
    assert!(poll(others.as_mut()).await.is_pending());
    cache.forget(&1);
    drop(first);
    assert_eq!(others.await, [Err(Failed::Down(2)); 3]);
    assert_eq!((source.fetches(), cache.callers()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_that_is_forgotten_while_it_is_confirmed_answers_nobody() {
    let terms = Terms { stale_if_error: Some(KEEP), ..terms() };
    let (cache, source) = (Cache::new(terms), Source::default());
    cache.get(1, Fresh::Held, |_| source.value()).await.unwrap();
    tokio::time::advance(KEEP).await;
    let confirms = join_all((0..3).map(|_| cache.get(1, Fresh::Held, |_| source.failure(Failed::Down))));
    let mut confirms = pin!(confirms);
    assert!(poll(confirms.as_mut()).await.is_pending());
    cache.clear();
    assert_eq!(confirms.await, [Err(Failed::Down(2)); 3]);
    assert_eq!(cache.held(&1), None);
}
