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

#[tokio::test(start_paused = true)]
async fn a_share_is_smaller_while_others_come_and_whole_again_when_they_stay_away() {
    let shares = Shares::new(16, 8, 2);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(now(&shares, 1).await.unwrap());
    }
    drop(now(&shares, 2).await.unwrap());
    assert_eq!(now(&shares, 1).await.unwrap_err(), NoPlace::OwnShare);
    let mut waits = pin!(shares.take(tenant(1), PATIENCE));
    assert!(poll(waits.as_mut()).is_pending());
    for _ in 0..2 {
        drop(held.pop());
        assert!(poll(waits.as_mut()).is_pending());
    }
    drop(held.pop());
    let Poll::Ready(Ok(place)) = poll(waits.as_mut()) else { panic!("below its share") };
    // Its own coming again and again is not that of another.
    tokio::time::sleep(BESIDE).await;
    held.push(place);
    for _ in 0..6 {
        held.push(now(&shares, 1).await.unwrap());
    }
    assert_eq!((held.len(), now(&shares, 1).await.unwrap_err()), (8, NoPlace::OwnShare));
    drop(held);
    assert!(is_empty(&shares, 16));
}

#[tokio::test(start_paused = true)]
async fn who_waits_beside_others_is_served_when_these_stay_away() {
    let shares = Shares::new(16, 8, 2);
    drop(now(&shares, 2).await.unwrap());
    let held = [now(&shares, 1).await.unwrap(), now(&shares, 1).await.unwrap()];
    let began = Instant::now();
    let place = shares.take(tenant(1), PATIENCE).await.unwrap();
    assert_eq!(began.elapsed(), BESIDE);
    drop((held, place));
    assert!(is_empty(&shares, 16));
}

#[tokio::test(start_paused = true)]
async fn who_is_not_yet_anybodys_is_no_other_and_has_the_whole_share() {
    let shares = Shares::new(16, 8, 2);
    let mut held = vec![now(&shares, 1).await.unwrap(), now(&shares, 0).await.unwrap()];
    assert!(!shares.others_come(tenant(1)));
    held.push(now(&shares, 2).await.unwrap());
    assert!(shares.others_come(tenant(1)));
    for _ in 0..7 {
        held.push(now(&shares, 0).await.unwrap());
    }
    assert_eq!(now(&shares, 0).await.unwrap_err(), NoPlace::OwnShare);
    drop(held);
    assert!(is_empty(&shares, 16));
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_while_places_were_free_hears_that_it_was_its_own_share() {
    let shares = Shares::new(16, 8, 2);
    drop(now(&shares, 2).await.unwrap());
    let held = [now(&shares, 1).await.unwrap(), now(&shares, 1).await.unwrap()];
    // Its patience ends in the moment in which its share grows.
    assert_eq!(shares.take(tenant(1), BESIDE).await.unwrap_err(), NoPlace::OwnShare);
    drop(held);
    assert!(is_empty(&shares, 16));
}
