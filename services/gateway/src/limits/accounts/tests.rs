use super::super::pace::FREE_SHARE;
use super::super::tier::tests::site_of;
use super::*;

const LIMIT: u32 = 60_000;

fn tier(name: &'static str, limit: u32) -> Tier {
    Tier { name, key: name.to_owned(), limit }
}

/// How many of `asked` requests at `now` may go on, and the longest wait among them.
fn turns(accounts: &Accounts, tiers: &[Tier], asked: u32, now: i64) -> (u32, Duration) {
    (0..asked).fold((0, Duration::ZERO), |(taken, longest), _| {
        let judged = accounts.charge(tiers, now);
        (taken + u32::from(judged.standing.allowed), longest.max(judged.wait))
    })
}

#[test]
fn a_full_tier_refuses_and_charges_no_other() {
    let accounts = Accounts::default();
    let tiers = [tier("wide", 100), tier("tight", 2)];
    for left in [1, 0] {
        let Judged { tier, standing, .. } = accounts.charge(&tiers, 0);
        assert_eq!((tier, standing.allowed, standing.remaining), (1, true, left));
    }
    assert!(!accounts.charge(&tiers, 0).standing.allowed);
    assert_eq!(accounts.charge(&tiers[..1], 0).standing.remaining, 100 - 2 - 1);
}

#[test]
fn costs_are_added_and_what_was_not_used_is_given_back() {
    let accounts = Accounts::default();
    let tiers = [tier("t", 10)];
    accounts.charge(&tiers, 0);
    accounts.add(&tiers, 20, 0);
    assert!(!accounts.charge(&tiers, 0).standing.allowed);
    (0..20).for_each(|_| accounts.give_back(&tiers, 0, 0));
    assert_eq!(accounts.charge(&tiers, 0).standing.remaining, 8);
    (0..99).for_each(|_| accounts.give_back(&tiers, 0, 0));
    assert_eq!(accounts.charge(&tiers, 0).standing.remaining, 9);
}

#[test]
fn the_last_window_fades_out() {
    let accounts = Accounts::default();
    let tiers = [tier("t", 10)];
    for _ in 0..10 {
        accounts.charge(&tiers, 0);
    }
    assert!(!accounts.charge(&tiers, 59_999).standing.allowed);
    // Half of the last window still counts half a minute later.
    assert_eq!(accounts.charge(&tiers, 90_000).standing.remaining, 10 - 5 - 1);
    assert_eq!(accounts.charge(&tiers, 600_000).standing.remaining, 9);
}

#[test]
fn many_may_come_at_once_and_the_rest_at_an_even_pace() {
    let (accounts, tiers) = (Accounts::default(), [tier("t", LIMIT)]);
    let free = LIMIT / FREE_SHARE;
    assert_eq!(turns(&accounts, &tiers, free, 0), (free, Duration::ZERO));
    // A second's worth of requests waits, each a millisecond longer than the one before.
    assert_eq!(turns(&accounts, &tiers, 5_000, 0), (1_000, pace::MOST));
    // What is refused is told when to come again, and not that the minute is full.
    let Judged { tier, standing, wait } = accounts.charge(&tiers, 0);
    assert_eq!((tier, standing.allowed, standing.reset, wait), (0, false, 2, Duration::ZERO));
    assert_eq!(standing.remaining, LIMIT - free - 1_000);
    assert_eq!(turns(&accounts, &tiers, 5_000, 250).0, 250);
    // Whoever has rested may come at once again.
    assert_eq!(turns(&accounts, &tiers, free, 60_000), (free, Duration::ZERO));
}

#[test]
fn a_low_limit_is_a_matter_of_its_window() {
    let (accounts, tiers) = (Accounts::default(), [tier("t", 600)]);
    assert_eq!(turns(&accounts, &tiers, 1_000, 0), (600, Duration::ZERO));
}

#[test]
fn the_slowest_tier_decides_and_what_is_refused_is_on_no_account() {
    let (accounts, wide, tight) = (Accounts::default(), tier("wide", 600_000), tier("tight", LIMIT));
    let both = [wide.clone(), tight];
    let (taken, _) = turns(&accounts, &both, 10_000, 0);
    assert_eq!(taken, LIMIT / FREE_SHARE + 1_000);
    let refused = accounts.charge(&both, 0);
    assert_eq!((refused.tier, refused.standing.allowed, refused.standing.limit), (1, false, LIMIT));
    assert_eq!(turns(&accounts, &[wide], 30_000 - taken, 0), (30_000 - taken, Duration::ZERO));
}

#[test]
fn costs_are_paid_off_too() {
    let (accounts, tiers) = (Accounts::default(), [tier("t", LIMIT)]);
    accounts.add(&tiers, 5_000, 0);
    assert!(!accounts.charge(&tiers, 0).standing.allowed);
    (0..5_000).for_each(|_| accounts.give_back(&tiers, 0, 0));
    assert_eq!(turns(&accounts, &tiers, 1, 0), (1, Duration::ZERO));
    // More than a minute pays off is paid off in a minute.
    accounts.add(&tiers, u32::MAX, 0);
    assert_eq!(turns(&accounts, &tiers, 1, 120_000), (1, Duration::ZERO));
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_pace() {
    let (accounts, tiers) = (Accounts::default(), [tier("t", LIMIT)]);
    turns(&accounts, &tiers, 10_000, 3_600_000);
    assert_eq!(turns(&accounts, &tiers, 1, 0).0, 0);
    assert_eq!(turns(&accounts, &tiers, 1, 1_000).0, 1);
}

#[test]
fn a_request_is_given_back_to_the_minute_that_it_was_charged_to() {
    let (accounts, tiers) = (Accounts::default(), [tier("t", 10)]);
    turns(&accounts, &tiers, 4, 59_000);
    turns(&accounts, &tiers, 5, 60_000);
    // Two of the last minute: what they leave there counts in full at the beginning of this one.
    for _ in 0..2 {
        accounts.give_back(&tiers, 59_000, 60_000);
    }
    assert_eq!(accounts.charge(&tiers, 60_000).standing.remaining, 10 - 2 - 5 - 1);
    // One of a minute that counts no more is on no account.
    accounts.give_back(&tiers, 59_000, 120_000);
    assert_eq!(accounts.charge(&tiers, 120_000).standing.remaining, 10 - 6 - 1);
}

#[test]
fn what_was_counted_in_a_new_minute_stays_when_a_request_of_the_last_one_comes() {
    let (accounts, tiers) = (Accounts::default(), [tier("t", 10)]);
    turns(&accounts, &tiers, 5, 60_005);
    // It read the clock before the minute ended.
    accounts.charge(&tiers, 59_995);
    assert_eq!(accounts.charge(&tiers, 60_010).standing.remaining, 10 - 6 - 1);
}

#[test]
fn who_goes_on_after_refusals_is_answered_late_and_who_stops_is_not() {
    let (accounts, tier) = (Accounts::default(), tier("t", 12));
    let late = (0..1_000).filter(|n| accounts.refuse(&tier, *n)).count();
    assert!((970..=985).contains(&late), "{late}");
    assert!(!accounts.refuse(&tier, 9_000));
    // One in half a second is no storm.
    assert!((0..500).all(|n| !accounts.refuse(&tier, 20_000 + n * 500)));
}

#[test]
fn addresses_that_are_refused_leave_nothing() {
    let accounts = Accounts::default();
    for n in 0..1_000 {
        accounts.charge(&Tier::of_address(site_of(n), 1), 0);
    }
    // The network and the eight addresses that it had room for.
    assert_eq!(accounts.len(), 9);
    // Those that Redis refuses were charged here first.
    let elsewhere = |n: u16| format!("2001:db8:2:{n:x}::1").parse().unwrap();
    for n in 0..1_000 {
        let tiers = Tier::of_address(elsewhere(n), 1_000);
        assert!(accounts.charge(&tiers, 0).standing.allowed);
        accounts.give_back(&tiers, 0, 0);
        accounts.refuse(&tiers[0], 0);
    }
    // The network, for its refusals.
    assert_eq!(accounts.len(), 10);
}

#[test]
fn whoever_comes_from_many_addresses_resets_no_brake() {
    const KNOWN: usize = 1_000;
    let accounts = Accounts(Mutex::new(Known::of(KNOWN)));
    let charge = |tiers: &[Tier]| accounts.charge(tiers, 0).standing.allowed;
    let full: Vec<Tier> =
        (0..100).map(|n| Tier { key: format!("full {n}"), ..tier("principal", 3) }).collect();
    let busy = tier("tenant", LIMIT);
    for tier in &full {
        (0..3).for_each(|_| assert!(charge(std::slice::from_ref(tier))));
    }
    accounts.add(std::slice::from_ref(&busy), 500, 0);
    let waits = Tier { key: "refused".to_owned(), ..tier("address", 12) };
    while !accounts.refuse(&waits, 0) {}
    for n in 0..20_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into();
        // More than those at their limit have used.
        let tiers = Tier::of_address(address, 12);
        assert!((0..5).all(|_| charge(&tiers)));
    }
    assert_eq!(accounts.len(), KNOWN);
    assert!(full.iter().all(|tier| !charge(std::slice::from_ref(tier))));
    assert!(accounts.refuse(&waits, 0));
    assert_eq!(accounts.charge(&[busy], 0).standing.remaining, LIMIT - 500 - 1);
}
