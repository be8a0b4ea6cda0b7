use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::*;

const PATIENCE: Duration = Duration::from_secs(2);

fn tenant(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// Asks once, as an executor does.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

async fn now(shares: &Arc<Shares>, n: u128) -> Result<Place, NoPlace> {
    shares.take(tenant(n), Duration::ZERO).await
}

fn is_empty(shares: &Shares, places: usize) -> bool {
    let state = shares.lock();
    state.free == places && state.tenants.is_empty() && state.line.is_empty()
}

#[tokio::test(start_paused = true)]
async fn one_tenant_takes_its_share_and_no_more_and_is_told_that_it_is_its_own() {
    let shares = Shares::new(4, 2, 2);
    let held = [now(&shares, 1).await.unwrap(), now(&shares, 1).await.unwrap()];
    assert_eq!(now(&shares, 1).await.unwrap_err(), NoPlace::OwnShare);
    let others = [now(&shares, 2).await.unwrap(), now(&shares, 3).await.unwrap()];
    assert_eq!(now(&shares, 4).await.unwrap_err(), NoPlace::AllTaken);
    drop((held, others));
    assert!(is_empty(&shares, 4));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_served_in_turn_by_tenant_and_in_order_within_one() {
    let shares = Shares::new(2, 1, 1);
    let (first, second) = (now(&shares, 1).await.unwrap(), now(&shares, 2).await.unwrap());
    let mut a = pin!(shares.take(tenant(3), PATIENCE));
    let mut b = pin!(shares.take(tenant(3), PATIENCE));
    let mut c = pin!(shares.take(tenant(4), PATIENCE));
    assert!(poll(a.as_mut()).is_pending() && poll(b.as_mut()).is_pending() && poll(c.as_mut()).is_pending());
    drop(first);
    let Poll::Ready(Ok(a)) = poll(a.as_mut()) else { panic!("the first of those who came first") };
    assert!(poll(b.as_mut()).is_pending() && poll(c.as_mut()).is_pending());
    drop(second);
    // Tenant 3 holds its share, so the next in line is the other tenant, though it came later.
    let Poll::Ready(Ok(c)) = poll(c.as_mut()) else { panic!("the other tenant") };
    assert!(poll(b.as_mut()).is_pending());
    drop(a);
    let Poll::Ready(Ok(b)) = poll(b.as_mut()) else { panic!("the second of the first tenant") };
    drop((b, c));
    assert!(is_empty(&shares, 2));
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_at_any_point_leaves_nothing() {
    let shares = Shares::new(1, 1, 1);
    for given in [false, true] {
        let held = now(&shares, 1).await.unwrap();
        {
            let mut waits = Box::pin(shares.take(tenant(2), PATIENCE));
            assert!(poll(waits.as_mut()).is_pending());
            if given {
                // The place is on its way when the future is dropped.
                drop(held);
            } else {
                drop(waits);
                drop(held);
            }
        }
        assert!(is_empty(&shares, 1), "given: {given}");
    }
    // A storm of callers who give up is no longer than those who still wait.
    let held = now(&shares, 1).await.unwrap();
    for _ in 0..100 {
        let mut waits = pin!(shares.take(tenant(1), PATIENCE));
        assert!(poll(waits.as_mut()).is_pending());
    }
    assert!(shares.lock().tenants[&tenant(1)].waiting.len() <= 2);
    drop(held);
    assert!(is_empty(&shares, 1));
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_after_the_patience() {
    let shares = Shares::new(1, 1, 1);
    let _held = now(&shares, 1).await.unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(shares.take(tenant(2), PATIENCE).await.unwrap_err(), NoPlace::AllTaken);
    assert_eq!(began.elapsed(), PATIENCE);
}

/// Takes places until there is none.
async fn all_it_can(shares: &Arc<Shares>, n: u128) -> Vec<Place> {
    let mut held = Vec::new();
    while let Ok(place) = now(shares, n).await {
        held.push(place);
    }
    held
}

/// Comes and goes so many times.
async fn comes(shares: &Arc<Shares>, n: u128, times: usize) {
    for _ in 0..times {
        drop(now(shares, n).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_is_smaller_by_what_others_use_and_whole_again_when_they_stay_away() {
    let shares = Shares::new(16, 8, 2);
    for (uses, share) in [(0, 8), (1, 7), (2, 6), (5, 3), (6, 2), (100, 2)] {
        comes(&shares, 2, uses).await;
        assert_eq!(all_it_can(&shares, 1).await.len(), share, "{uses} uses by another");
        // What it holds and gives back itself is no use by another.
        tokio::time::sleep(LATELY).await;
        assert_eq!(all_it_can(&shares, 1).await.len(), 8, "{uses} uses by another, a while ago");
    }
    assert!(is_empty(&shares, 16));
}

#[tokio::test(start_paused = true)]
async fn who_comes_once_a_second_costs_a_busy_tenant_one_place_for_a_moment() {
    let shares = Shares::new(16, 8, 2);
    for _ in 0..10 {
        comes(&shares, 2, 1).await;
        assert_eq!(all_it_can(&shares, 1).await.len(), 7);
        assert!(!shares.others_come(tenant(1)));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(all_it_can(&shares, 1).await.len(), 8);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_while_its_tenant_holds_the_whole_share_is_served_when_the_others_have_gone() {
    let shares = Shares::new(16, 8, 2);
    let mut held = all_it_can(&shares, 1).await;
    let mut waits = pin!(shares.take(tenant(1), 10 * LATELY));
    assert!(poll(waits.as_mut()).is_pending());
    let others = all_it_can(&shares, 2).await;
    // While the share is small, and so for nobody.
    drop(held.pop());
    drop(others);
    assert!(waits.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_others_hold_counts_for_as_long_as_they_hold_it_so_that_the_next_finds_a_place() {
    let shares = Shares::new(16, 8, 2);
    let mut held = vec![all_it_can(&shares, 1).await];
    for n in 2..=5 {
        // Long statements: nobody comes again for a while.
        tokio::time::sleep(Duration::from_secs(10)).await;
        held.push(all_it_can(&shares, n).await);
    }
    assert_eq!(held.iter().map(Vec::len).collect::<Vec<_>>(), [8, 2, 2, 2, 2]);
    // Who has more than its share takes nothing that comes back, and the next finds that at once.
    held.remove(1);
    assert_eq!(now(&shares, 1).await.unwrap_err(), NoPlace::OwnShare);
    assert!(now(&shares, 6).await.is_ok());
    drop(held);
    assert!(is_empty(&shares, 16));
}

#[tokio::test(start_paused = true)]
async fn who_waits_next_to_others_is_served_when_they_stay_away() {
    let shares = Shares::new(16, 8, 2);
    // The first of six uses ends before the others.
    comes(&shares, 2, 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    comes(&shares, 3, 5).await;
    let mut held = all_it_can(&shares, 1).await;
    assert_eq!(held.len(), 2);
    let began = Instant::now();
    held.push(shares.take(tenant(1), PATIENCE).await.unwrap());
    assert_eq!(began.elapsed(), Duration::from_millis(400));
    held.push(shares.take(tenant(1), PATIENCE).await.unwrap());
    assert_eq!(began.elapsed(), Duration::from_millis(500));
    drop(held);
    assert!(is_empty(&shares, 16));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_served_when_what_another_held_is_back_for_a_moment() {
    let shares = Shares::new(16, 8, 2);
    let (held, others) = (all_it_can(&shares, 1).await, all_it_can(&shares, 2).await);
    assert_eq!((held.len(), others.len()), (8, 2));
    let mut waits = pin!(shares.take(tenant(2), PATIENCE));
    assert!(poll(waits.as_mut()).is_pending());
    drop(held);
    let began = Instant::now();
    let place = waits.await.unwrap();
    assert!(began.elapsed() <= LATELY * 2, "{:?}", began.elapsed());
    drop((others, place));
    assert!(is_empty(&shares, 16));
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_bounded_and_no_tenant_makes_others_be_forgotten() {
    let shares = Shares::new(16, 8, 2);
    comes(&shares, 2, 6).await;
    comes(&shares, 1, 10_000).await;
    assert_eq!(all_it_can(&shares, 1).await.len(), 2);
    for n in 2..10_000 {
        comes(&shares, n, 1).await;
    }
    assert_eq!(all_it_can(&shares, 9_999).await.len(), 2);
    assert!(shares.lock().lately.len() <= 12, "{}", shares.lock().lately.len());
}

#[tokio::test(start_paused = true)]
async fn others_come_when_they_use_places_in_numbers() {
    let shares = Shares::new(16, 8, 2);
    for (uses, come) in [(1, false), (1, false), (1, true)] {
        comes(&shares, 2, uses).await;
        assert_eq!((shares.others_come(tenant(1)), shares.others_come(tenant(2))), (come, false));
    }
    tokio::time::sleep(LATELY).await;
    assert!(!shares.others_come(tenant(1)));
    // A tenant with long statements is there while they run, though it comes no more.
    let held = all_it_can(&shares, 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(shares.others_come(tenant(1)));
    drop(held);
    // Where a share cannot be smaller, whoever comes counts.
    let small = Shares::new(4, 2, 2);
    assert!(!small.others_come(tenant(1)));
    comes(&small, 2, 1).await;
    assert!(small.others_come(tenant(1)) && !small.others_come(tenant(2)));
}

#[tokio::test(start_paused = true)]
async fn who_is_not_yet_anybodys_is_no_other_and_has_the_whole_share() {
    let shares = Shares::new(16, 8, 2);
    comes(&shares, 0, 10).await;
    let unnamed =
        [now(&shares, 0).await.unwrap(), now(&shares, 0).await.unwrap(), now(&shares, 0).await.unwrap()];
    assert!(!shares.others_come(tenant(1)));
    let named = all_it_can(&shares, 1).await;
    assert_eq!(named.len(), 8);
    drop(unnamed);
    let unnamed = all_it_can(&shares, 0).await;
    assert_eq!((unnamed.len(), now(&shares, 0).await.unwrap_err()), (8, NoPlace::OwnShare));
    // It waits as any other, and is served when one of its own comes back.
    let mut waits = pin!(shares.take(tenant(0), PATIENCE));
    assert!(poll(waits.as_mut()).is_pending());
    drop(unnamed);
    assert!(matches!(poll(waits.as_mut()), Poll::Ready(Ok(_))));
    drop(named);
    assert!(is_empty(&shares, 16));
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_while_places_were_free_hears_that_it_was_its_own_share() {
    let shares = Shares::new(16, 8, 2);
    comes(&shares, 2, 6).await;
    let held = all_it_can(&shares, 1).await;
    // Its patience ends in the moment in which its share grows.
    assert_eq!(shares.take(tenant(1), LATELY).await.unwrap_err(), NoPlace::OwnShare);
    drop(held);
    assert!(is_empty(&shares, 16));
}
