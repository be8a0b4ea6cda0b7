use auth::RowPredicate;
use db::TenantTx;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use query::{Deleted, List, count, filter};
use uuid::Uuid;

use super::fixture::{Ask, with_things};
use super::generate::any_filter;
use super::oracle::expected;

/// Cases of a strategy, the same in every run.
pub(super) fn cases<S: Strategy>(strategy: S, count: u32) -> impl Iterator<Item = S::Value> {
    let mut runner = TestRunner::deterministic();
    let limit = Config::with_cases(count).cases;
    (0..limit).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

pub(super) fn any_predicate() -> impl Strategy<Value = RowPredicate> {
    let users = prop::sample::subsequence(vec![11_u128, 12, 13], 0..3);
    let teams = prop::sample::subsequence(vec![21_u128, 22], 0..2);
    let ids = |ids: Vec<u128>| ids.into_iter().map(Uuid::from_u128).collect::<Vec<_>>();
    let leaf = prop_oneof![
        2 => Just(RowPredicate::Always),
        1 => Just(RowPredicate::Never),
        3 => users.prop_map(move |users| RowPredicate::OwnerIn(ids(users))),
        3 => teams.prop_map(move |teams| RowPredicate::TeamIn(ids(teams))),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(RowPredicate::AnyOf))
}

#[test]
fn every_filter_finds_in_sql_what_it_finds_in_memory() {
    with_things(150, |fixture| async move {
        let mut matches = 0;
        for (filter, predicate, trash) in
            cases((any_filter(), any_predicate(), prop::bool::weighted(0.1)), 500)
        {
            let deleted = if trash { Deleted::Only } else { Deleted::Hidden };
            let ask = Ask { filter, predicate, deleted, ..Ask::default() };
            let found =
                fixture.all_ids(&ask, 200).await.unwrap_or_else(|error| panic!("{error:?} for {ask:?}"));
            assert_eq!(found, expected(&fixture.things, &ask), "{ask:?}");
            matches += usize::from(!found.is_empty());
        }
        assert!(matches > 100, "the generated filters find something: {matches}");
    });
}

#[test]
fn a_filter_and_its_negation_part_the_set() {
    with_things(80, |fixture| async move {
        let live = fixture.things.iter().filter(|thing| !thing.deleted).count();
        let mut checked = 0;
        for filter in cases(any_filter(), 150) {
            let found = |filter: String| {
                let ask = Ask { filter, ..Ask::default() };
                let fixture = fixture.clone();
                async move { fixture.all_ids(&ask, 200).await.unwrap() }
            };
            let negated = format!("NOT {filter}");
            if filter::parse(&negated).is_err() {
                // One level too deep.
                continue;
            }
            let (yes, no) = (found(filter.clone()).await, found(negated).await);
            assert_eq!(yes.len() + no.len(), live, "{filter}");
            assert!(yes.iter().all(|id| !no.contains(id)), "{filter}");
            checked += 1;
        }
        assert!(checked > 100, "only {checked} of 150 filters could be negated");
    });
}

#[test]
fn totals_are_those_of_the_list_and_stop_at_their_cap() {
    with_things(1_200, |fixture| async move {
        let total = |filter: &'static str| {
            let fixture = fixture.clone();
            async move {
                let ask = Ask { filter: filter.to_owned(), ..Ask::default() };
                let expr = filter::parse(filter).unwrap();
                let list =
                    List::new(fixture.tenant.id().uuid(), &fixture.request(&ask, expr.as_ref())).unwrap();
                let mut tx = TenantTx::begin(&fixture.db, fixture.tenant).await.unwrap();
                let exact = count::exact(&mut tx, &list).await.unwrap();
                let estimate = count::estimate(&mut tx, &list).await.unwrap();
                assert!(
                    count::rows(&mut tx, &super::fixture::THINGS, Deleted::Hidden).await.unwrap()
                        <= count::SMALL_SET
                );
                assert_eq!(
                    (exact.value, exact.at_least),
                    (expected(&fixture.things, &ask).len() as i64, false)
                );
                estimate
            }
        };
        let all = total("").await;
        assert_eq!((all.value, all.at_least), (count::ESTIMATE_CAP, true));
        assert!(!total(r#"custom.tier = "lead" AND score = 5"#).await.at_least);
    });
}
