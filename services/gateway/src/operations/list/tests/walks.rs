//! Walks through the pages: each operation once, in order, whatever happens meanwhile.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// What a walk meets.
#[derive(Clone, Debug)]
struct Walk {
    /// Which service has it, and when it was asked for.
    operations: Vec<(usize, i64)>,
    services: usize,
    page_size: i32,
    /// After how many rows each service ends its pages.
    most: [Option<usize>; 3],
    /// Which service gets a new operation after each page.
    arrivals: Vec<usize>,
    /// Whether the last row of each page is gone before the next.
    forgets: bool,
}

fn walk() -> impl Strategy<Value = Walk> {
    let most = || prop::option::of(1..4_usize);
    // Few moments, so that many operations share one.
    let operations = prop::collection::vec((0..3_usize, 0..6_i64), 0..24);
    let arrivals = prop::collection::vec(0..3_usize, 0..6);
    (operations, 1..=3_usize, 1..8_i32, (most(), most(), most()), arrivals, any::<bool>()).prop_map(
        |(operations, services, page_size, (a, b, c), arrivals, forgets)| Walk {
            operations: operations.into_iter().map(|(service, at)| (service % services, at)).collect(),
            services,
            page_size,
            most: [a, b, c],
            arrivals: arrivals.into_iter().map(|service| service % services).collect(),
            forgets,
        },
    )
}

async fn each_once(services: &Services, walk: Walk) -> Result<(), TestCaseError> {
    for (served, most) in services.all.iter().zip(walk.most) {
        served.with(|state| {
            state.operations.clear();
            state.asked.clear();
            state.most = most;
        });
    }
    // Ids in an order of their own.
    let id = |number: usize| (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let mut expected = Vec::new();
    for (number, (service, seconds)) in walk.operations.iter().enumerate() {
        let served = &services.all[*service];
        served.add(*seconds, id(number));
        expected.push((*seconds, id(number), served.operation(*seconds, id(number)).id));
    }
    expected.sort_unstable();
    let expected: Vec<String> = expected.into_iter().rev().map(|(_, _, id)| id).collect();

    let (mut seen, mut token) = (Vec::new(), String::new());
    let mut arrivals = walk.arrivals.iter().enumerate();
    loop {
        let asked = (Some(walk.page_size), token.as_str());
        let (_, page) = services.page(walk.services, asked, LONG).await.unwrap();
        let rows = page.operations.len();
        prop_assert!(rows <= walk.page_size as usize, "{rows} rows");
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        // A page that is not the last is full, unless a service has ended its own before.
        let full = walk.most[..walk.services].iter().all(Option::is_none);
        prop_assert!(rows > 0 && (!full || rows == walk.page_size as usize), "{rows} rows and a token");
        prop_assert!(seen.len() <= expected.len(), "rows come again");
        if let Some((number, service)) = arrivals.next() {
            services.all[*service].add(100 + number as i64, id(1_000 + number));
        }
        if walk.forgets
            && let Some(last) = seen.last()
        {
            services.all.iter().for_each(|served| served.forget(last));
        }
    }
    prop_assert_eq!(seen, expected);
    Ok(())
}

#[test]
fn a_walk_has_each_operation_of_all_services_once_though_others_come_and_go() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let services = runtime.block_on(Services::start(["records", "fields", "activities"]));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
    runner.run(&walk(), |walk| runtime.block_on(each_once(&services, walk))).unwrap();
}

/// A message of many such pages would not fit, and one that is larger than a page is still shown.
#[tokio::test]
async fn a_page_ends_by_bytes_as_well() {
    let services = Services::start(["records", "fields"]).await;
    let sizes = [3, 1, 1, 1, 1, 1];
    for (number, mib) in sizes.into_iter().enumerate() {
        let served = &services.all[number % 2];
        served.add(100 - number as i64, number as u128);
        served.with(|state| {
            // A MiB and what its tags take; the second and third fit into one page, four do not.
            state.operations.last_mut().unwrap().1.kind = "k".repeat((mib << 20) - 1_024);
        });
    }
    let (mut pages, mut token) = (Vec::new(), String::new());
    loop {
        let (_, page) = services.page(2, (None, &token), LONG).await.unwrap();
        pages.push(page.operations.len());
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, [1, 2, 2, 1]);
}
