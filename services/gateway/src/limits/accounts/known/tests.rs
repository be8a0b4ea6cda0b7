use super::super::super::pace;
use super::*;

fn tier(key: impl ToString, limit: u32) -> Tier {
    Tier { name: "address", key: key.to_string(), limit }
}

/// Accounts that have made so many requests of so many, by their place.
fn having(made: &[(u32, u32)]) -> Known {
    let mut known = Known::of(made.len());
    for (place, (made, limit)) in made.iter().enumerate() {
        use_up(&mut known, &tier(place, *limit), *made, 0);
    }
    known
}

fn use_up(known: &mut Known, tier: &Tier, requests: u32, now: i64) {
    known.change(tier, now, |account| {
        account.window.add(requests);
        account.pace.add(requests.into(), tier.limit);
    });
}

fn is_known(known: &Known, key: impl ToString) -> bool {
    known.accounts.contains_key(&key.to_string())
}

#[test]
fn what_has_lapsed_goes_first_then_what_costs_least_and_never_what_refuses() {
    let mut known = having(&[(1, 1), (3, 10), (0, 10), (2, 2), (2, 10)]);
    for (newcomer, goes) in [("first", 2), ("second", 4), ("third", 1)] {
        use_up(&mut known, &tier(newcomer, 10), 9, 0);
        assert!(is_known(&known, newcomer) && !is_known(&known, goes), "{newcomer}");
    }
    for stays in [0, 3] {
        assert!(is_known(&known, stays), "{stays} is at its limit");
    }
    assert_eq!(known.len(), 5);
}

#[test]
fn an_account_that_waits_too_long_or_refuses_late_is_not_forgotten_for_one_that_does_not() {
    let mut known = Known::of(3);
    let (fast, stubborn) = (tier("fast", 60_000), tier("stubborn", 10));
    // The window has room: it is the pace that refuses.
    use_up(&mut known, &fast, 5_000, 0);
    assert!(known.look(&fast, 0).pace.wait(fast.limit) > pace::MOST);
    while !known.change(&stubborn, 0, |account| account.pace.refuse()) {}
    // These have used more, and may go on.
    for n in 0..9 {
        use_up(&mut known, &tier(n, 6_000_000), 100_000, 0);
    }
    assert!(is_known(&known, "fast") && is_known(&known, "stubborn"));
    // Seconds later both are what they have used.
    for (newcomer, goes) in [("then", "stubborn"), ("last", "fast")] {
        use_up(&mut known, &tier(newcomer, 10), 10, 10_000);
        assert!(!is_known(&known, goes), "{goes}");
    }
}

#[test]
fn newcomers_share_what_there_is_where_all_others_refuse() {
    const NEWCOMERS: u64 = 20 * SHARED;
    let mut known = having(&[(10, 10); 64]);
    let mut passed = 0;
    for n in 0..NEWCOMERS {
        let newcomer = tier(format!("newcomer {n}"), 10);
        if known.look(&newcomer, 0).window.standing(10, 0).allowed {
            passed += 1;
            use_up(&mut known, &newcomer, 1, 0);
        }
    }
    assert!((SHARED..=10 * SHARED).contains(&passed), "{passed}");
    assert!(known.len() as u64 <= 64 + SHARED, "{}", known.len());
    assert!((0..64).all(|place| is_known(&known, place)));
    known.sweep(120_000);
    assert_eq!(known.len(), 0);
}

#[test]
fn what_has_lapsed_ends_slice_by_slice_and_nothing_else_does() {
    let mut known = Known::default();
    for n in 0..2 * SWEPT {
        use_up(&mut known, &tier(n, 10), 1, if n % 2 == 0 { 0 } else { 60_000 });
    }
    known.sweep(60_000);
    assert_eq!(known.len(), 2 * SWEPT, "the last minute counts");
    let sweep = |known: &mut Known, now: i64| {
        let before = known.len();
        known.sweep(now);
        before - known.len()
    };
    let slice = sweep(&mut known, 120_000);
    assert!((1..=SWEPT).contains(&slice), "{slice}");
    (0..4).for_each(|_| known.sweep(120_000));
    assert_eq!(known.len(), SWEPT);
    // By a clock that was set back everything lapses anew.
    (0..4).for_each(|_| known.sweep(0));
    (0..4).for_each(|_| known.sweep(120_000));
    assert_eq!(known.len(), 0);
}
