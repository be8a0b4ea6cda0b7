//! The list over real services on loopback.

mod service;
mod walks;

use fleet::FLEET;
use query::CursorKey;
use secrecy::SecretString;
use std::sync::Arc;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use uuid::Uuid;

use self::service::{Act, Served};
use super::*;

/// What the services on loopback answer as.
const SERVICE: &str = "globcrm.records.v1.RecordsService";

fn key() -> CursorKey {
    CursorKey::new(&SecretString::from("a-key-for-page-tokens-of-the-tests")).unwrap()
}

/// Tenant and principal.
fn owner() -> (Uuid, Uuid) {
    (Uuid::from_u128(1), Uuid::from_u128(2))
}

/// The services of a test; they end with it.
struct Services {
    all: Vec<Served>,
    channels: Vec<rpc::Channel>,
    _serving: JoinSet<()>,
}

impl Services {
    async fn start<const N: usize>(names: [&'static str; N]) -> Self {
        let mut serving = JoinSet::new();
        let (mut all, mut channels) = (Vec::new(), Vec::new());
        for name in names {
            let served = Served::start(name, &mut serving).await;
            channels.push(rpc::connect(&format!("http://{}", served.address), name).unwrap());
            all.push(served);
        }
        Self { all, channels, _serving: serving }
    }

    /// A page over the first `count` services.
    async fn page(
        &self,
        count: usize,
        (page_size, page_token): (Option<i32>, &str),
        deadline: Duration,
    ) -> Result<(MetadataMap, ListOperationsResponse), Error> {
        let sources: Vec<_> = self.all.iter().zip(&self.channels).take(count).collect();
        let sources: Vec<_> = sources
            .into_iter()
            .map(|(served, channel)| Source {
                name: served.name,
                channel,
                path: format!("/{SERVICE}/ListOperations"),
            })
            .collect();
        let asked = ListOperationsRequest { page_size, page_token: page_token.to_owned() };
        let key = key();
        let page = PageRequest::read_own(&key, OPERATIONS, owner(), page_size, page_token)?;
        let mut metadata = MetadataMap::new();
        metadata.insert("authorization", AsciiMetadataValue::from_static("Bearer token-of-the-caller"));
        page_of(&sources, &page, &metadata, &asked.encode_to_vec().into(), deadline).await
    }

    async fn first(&self) -> Result<ListOperationsResponse, Error> {
        Ok(self.page(self.all.len(), (None, ""), LONG).await?.1)
    }
}

/// No test waits for so long.
const LONG: Duration = Duration::from_secs(20);

fn ids(page: &ListOperationsResponse) -> Vec<&str> {
    page.operations.iter().map(|operation| operation.id.as_str()).collect()
}

#[tokio::test]
async fn every_service_with_operations_is_asked_with_the_callers_token_and_no_other_is() {
    let services = Services::start(["records", "fields"]).await;
    services.all[0].add(1, 1);
    services.all[1].add(2, 2);
    let page = services.first().await.unwrap();
    let newest_first =
        ["fields.00000000-0000-0000-0000-000000000002", "records.00000000-0000-0000-0000-000000000001"];
    assert_eq!((ids(&page), page.next_page_token.as_str()), (newest_first.to_vec(), ""));
    for served in &services.all {
        let shown = served.with(|state| {
            state.asked.iter().map(|asked| asked.get("authorization").cloned()).collect::<Vec<_>>()
        });
        assert_eq!(shown, [Some(AsciiMetadataValue::from_static("Bearer token-of-the-caller"))]);
    }
    let channel = || services.channels[0].clone();
    let channels: HashMap<_, _> =
        FLEET.iter().filter_map(|member| Some((member.service?, channel()))).collect();
    let paths: Vec<_> = sources(FLEET, &channels).unwrap().into_iter().map(|s| (s.name, s.path)).collect();
    let path = |service: &str| format!("/globcrm.{service}/ListOperations");
    let expected = [
        ("records", path("records.v1.RecordsService")),
        ("pipeline", path("pipeline.v1.PipelineService")),
        ("activities", path("activities.v1.ActivitiesService")),
    ];
    assert_eq!(paths, expected);
}

#[tokio::test]
async fn services_are_asked_at_the_same_time_and_the_last_to_answer_is_waited_for() {
    let services = Services::start(["records", "fields", "activities"]).await;
    let others = Arc::new(Barrier::new(3));
    for (id, served) in services.all.iter().enumerate() {
        served.add(1, id as u128);
        served.with(|state| state.act = Act::Together(others.clone()));
    }
    assert_eq!(services.first().await.unwrap().operations.len(), 3);
}

#[tokio::test]
async fn without_one_service_there_is_no_list_and_the_problem_names_it() {
    let mut services = Services::start(["records", "fields"]).await;
    for served in &services.all {
        served.add(1, 1);
    }
    let down = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let up = std::mem::replace(
        &mut services.channels[1],
        rpc::connect(&format!("http://{down}"), "fields").unwrap(),
    );
    let down = services.first().await.unwrap_err();
    assert_eq!((down.code(), down.reason()), (Code::Unavailable, "UNAVAILABLE"));
    assert_eq!(down.metadata().get("service").map(String::as_str), Some("fields"));
    assert!(down.retry_after().is_some());

    services.channels[1] = up;
    assert_eq!(services.first().await.unwrap().operations.len(), 2);
}

#[tokio::test]
async fn a_service_that_answers_too_late_is_named_as_well() {
    let services = Services::start(["records", "fields"]).await;
    services.all[0].with(|state| state.act = Act::Hang);
    let asked = services.page(2, (None, ""), Duration::from_millis(200));
    let late = tokio::time::timeout(LONG, asked).await.expect("it is given up in time").unwrap_err();
    assert_eq!((late.code(), late.reason()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert_eq!(late.metadata().get("service").map(String::as_str), Some("records"));
}

#[tokio::test]
async fn a_page_that_no_service_gives_is_a_defect_and_no_end_of_the_list() {
    let services = Services::start(["records"]).await;
    let of = |id: &str| proto::common::v1::Operation { id: id.to_owned(), ..services.all[0].operation(1, 1) };
    let own = "records.00000000-0000-0000-0000-000000000001";
    let without_moment = proto::common::v1::Operation { created_at: None, ..of(own) };
    for (operations, token) in [
        (vec![], "more"),
        (vec![of("fields.00000000-0000-0000-0000-000000000001")], ""),
        (vec![of("00000000-0000-0000-0000-000000000001")], ""),
        (vec![of("records.1")], ""),
        (vec![without_moment], ""),
    ] {
        let said = ListOperationsResponse { operations, next_page_token: token.to_owned() };
        services.all[0].with(|state| state.act = Act::Say(said.clone()));
        let refused = services.first().await.unwrap_err();
        assert_eq!((refused.code(), refused.reason()), (Code::Internal, "INTERNAL"), "{said:?}");
    }
    let said = ListOperationsResponse { operations: vec![of(own)], next_page_token: String::new() };
    services.all[0].with(|state| state.act = Act::Say(said));
    assert_eq!(ids(&services.first().await.unwrap()), [own]);
}

#[tokio::test]
async fn a_list_costs_what_its_calls_cost_and_says_the_newest_version_of_permissions() {
    let services = Services::start(["records", "fields", "activities"]).await;
    let says =
        [vec![("permission-version", 7)], vec![("permission-version", 9), ("request-cost", 5)], vec![]];
    for (served, says) in services.all.iter().zip(says) {
        served.with(|state| state.says = says);
    }
    let said = async |count| {
        let (said, _) = services.page(count, (None, ""), LONG).await.unwrap();
        ["request-cost", "permission-version"].map(|name| Some(said.get(name)?.to_str().unwrap().to_owned()))
    };
    let text = |value: &str| Some(value.to_owned());
    assert_eq!(said(1).await, [text("1"), text("7")]);
    assert_eq!(said(3).await, [text("7"), text("9")]);
}

#[tokio::test]
async fn a_service_whose_permissions_have_changed_is_asked_once_more() {
    let services = Services::start(["records", "fields"]).await;
    services.all[0].add(1, 1);
    services.all[0].with(|state| state.act = Act::Stale);
    assert_eq!(services.first().await.unwrap().operations.len(), 1);
    let calls = services.all.iter().map(|served| served.with(|state| state.asked.len()));
    assert_eq!(calls.collect::<Vec<_>>(), [2, 1]);
}
