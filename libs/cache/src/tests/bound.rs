//! The number of values is bounded, and what is worth least goes first.

use tokio::time::advance;

use super::*;
use crate::{Expiring, Fresh};

const SECOND: Duration = Duration::from_secs(1);

fn keys(cache: &Expiring<usize, ()>, keys: std::ops::Range<usize>) -> usize {
    keys.filter(|key| cache.get(key).is_some()).count()
}

#[tokio::test(start_paused = true)]
async fn never_more_than_the_limit_is_held() {
    let cache = Cache::new(terms());
    for key in 0..LIMIT * 3 {
        cache.get(key, Fresh::Held, async |_| Ok((7, KEEP))).await.unwrap();
        assert!(cache.len() <= LIMIT);
        assert_eq!(cache.held(&key), Some(7), "the newest one is held");
    }
    assert!(cache.len() > LIMIT / 2, "a full cache is not emptied");
}

#[tokio::test(start_paused = true)]
async fn what_has_lapsed_goes_before_anything_else_and_stays_until_then() {
    let map = Expiring::new(LIMIT);
    for key in 0..LIMIT {
        map.put(key, (), if key < 50 { SECOND } else { KEEP });
    }
    advance(SECOND).await;
    assert_eq!((map.len(), keys(&map, 0..50)), (LIMIT, 0), "lapsed, and there for the next fetch");
    map.put(LIMIT, (), KEEP);
    assert_eq!((map.len(), keys(&map, 50..LIMIT + 1)), (51, 51));
}

#[tokio::test(start_paused = true)]
async fn where_nothing_has_lapsed_what_lapses_soonest_makes_room_for_many() {
    let map = Expiring::new(LIMIT);
    for key in 0..LIMIT {
        map.put(key, (), KEEP + SECOND * u32::try_from(key).unwrap());
    }
    map.put(LIMIT, (), SECOND);
    // Of a hundred the soonest thirteen went, so that the next twelve come without a search.
    assert_eq!((keys(&map, 0..13), keys(&map, 13..LIMIT + 1)), (0, 88));
    for key in LIMIT + 1..LIMIT + 13 {
        map.put(key, (), KEEP);
    }
    assert_eq!((map.len(), keys(&map, 13..LIMIT)), (LIMIT, 87));
}

#[tokio::test(start_paused = true)]
async fn values_that_lapse_at_the_same_time_do_not_go_all_at_once() {
    let map = Expiring::new(LIMIT);
    for key in 0..=LIMIT {
        map.put(key, (), KEEP);
    }
    assert_eq!(map.len(), 88);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_put_again_needs_no_room() {
    let map = Expiring::new(LIMIT);
    for key in 0..LIMIT {
        map.put(key, (), KEEP);
    }
    map.put(0, (), KEEP * 2);
    assert_eq!(keys(&map, 0..LIMIT), LIMIT);
    advance(KEEP).await;
    assert_eq!(keys(&map, 0..LIMIT), 1, "and has its new end");
}

#[tokio::test(start_paused = true)]
async fn a_cache_of_one_holds_the_last_one() {
    let map = Expiring::new(1);
    map.put(1, (), KEEP);
    map.put(2, (), KEEP);
    assert_eq!((map.get(&1), map.get(&2)), (None, Some(())));
}

#[tokio::test(start_paused = true)]
async fn keys_whose_fetches_fail_take_no_place() {
    let (cache, source) = (Cache::new(terms()), Source::default());
    cache.get(0, Fresh::Held, |_| source.value()).await.unwrap();
    for key in 1..LIMIT * 2 {
        cache.get(key, Fresh::Held, |_| source.failure(Failed::Down)).await.unwrap_err();
    }
    assert_eq!((cache.len(), cache.callers(), cache.held(&0)), (1, 0, Some(1)));
}
