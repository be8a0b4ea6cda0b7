use super::redis_window::Granted;
use super::*;

/// A limiter, and the hand of its clock.
fn limits(redis: Option<&str>) -> (Limits, ids::FixedClock) {
    let (clock, hand) = Clock::fixed(Clock::system().now());
    let process = host::Process::without_signals("gateway", clock.clone());
    let redis = redis.map(secrecy::SecretString::from);
    (Limits::new(redis.as_ref(), None, clock, process.tasks.clone()).unwrap(), hand)
}

#[tokio::test]
async fn a_full_network_refuses_late_from_whichever_address() {
    let (limits, _hand) = limits(None);
    let (mut passed, mut refused) = (0, Vec::new());
    for n in 0..100 {
        let charged = limits.charge(&Tier::of_address(tier::tests::site_of(n), 1)).await;
        if charged.standing.allowed {
            passed += 1;
        } else {
            refused.push((charged.tier, charged.wait));
        }
    }
    assert_eq!((passed, refused.len()), (8, 92));
    assert!(refused[..20].iter().all(|refusal| *refusal == ("network", Duration::ZERO)), "{refused:?}");
    assert!(refused[20..].iter().all(|refusal| *refusal == ("network", LATE)), "{refused:?}");
}

#[tokio::test]
async fn what_redis_did_not_charge_is_not_given_back_to_it() {
    // Nobody listens there.
    let (limits, _hand) = limits(Some("redis://127.0.0.1:1"));
    let tiers = Tier::of_address([192, 0, 2, 1].into(), 100);
    // Redis has charged one a moment ago, and is away since.
    let granted = Granted { requests: 1, window: 7, standings: vec![OPEN] };
    limits.leases.keep(&tiers, &granted, limits.now_millis());
    let charged = limits.charge(&tiers).await;
    assert_eq!((charged.standing.allowed, charged.standing.remaining), (true, 99));
    limits.give_one_back(&tiers, charged.receipt);
    assert_eq!(limits.leases.ended(i64::MAX), [], "Redis would count one less than were made");
    // Here it was charged.
    assert_eq!(limits.charge(&tiers).await.standing.remaining, 99);
}

#[tokio::test]
async fn what_redis_did_charge_is_given_back_to_its_window() {
    let (limits, _hand) = limits(Some("redis://127.0.0.1:1"));
    let tiers = Tier::of_address([192, 0, 2, 1].into(), 100);
    let granted = |window| Granted { requests: 2, window, standings: vec![OPEN] };
    for newer in [7, 8] {
        limits.leases.keep(&tiers, &granted(7), limits.now_millis());
        let charged = limits.charge(&tiers).await;
        if newer > 7 {
            limits.leases.keep(&tiers, &granted(newer), limits.now_millis());
        }
        limits.give_one_back(&tiers, charged.receipt);
        let ended = limits.leases.ended(i64::MAX);
        assert_eq!(ended, [(tiers.clone(), Order { wanted: 0, unused: 1, window: newer })]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_used_nothing_lately_is_forgotten_also_without_redis() {
    let (limits, hand) = limits(None);
    for n in 0..3 {
        limits.charge(&Tier::of_address([192, 0, 2, n].into(), 10)).await;
    }
    let settled = async || {
        drop(tokio::time::timeout(2 * SETTLE_EVERY, limits.settle(CancellationToken::new())).await);
        limits.local.len()
    };
    assert_eq!(settled().await, 3);
    hand.advance(2 * WINDOW);
    assert_eq!(settled().await, 0);
}
