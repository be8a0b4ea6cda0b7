//! Several instances on loopback; the list that a name server would give is the test's.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use tokio::time::Instant;
use tonic::{Code, Request};

use super::{Lookup, Pool, Way};
use crate::Channel;
use crate::tests::peer::{Act, Mortal};

/// What the name stands for, to be changed by the test.
type Names = Arc<Mutex<Vec<SocketAddr>>>;

fn client(mortals: &[Mortal], period: Duration) -> (Names, IdentityServiceClient<Channel>) {
    let names: Names = Arc::new(Mutex::new(mortals.iter().map(|m| m.address).collect()));
    let asked = names.clone();
    let lookup: Lookup = Arc::new(move || {
        let found = asked.lock().unwrap().clone();
        Box::pin(async move { Ok(found) })
    });
    let pool = Pool::new(Way::plain("http://identity:1".parse().unwrap()), lookup, period);
    (names, IdentityServiceClient::new(Channel::over(pool, "identity")))
}

async fn get(client: &IdentityServiceClient<Channel>) -> Result<(), tonic::Status> {
    client.clone().get_me(pb::GetMeRequest {}).await.map(drop)
}

/// Calls until `done`; the condition is the peers' own count.
async fn until(client: &IdentityServiceClient<Channel>, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not happen");
        drop(get(client).await);
    }
}

#[tokio::test]
async fn calls_are_spread_over_all_instances() {
    let mortals = [Mortal::born(), Mortal::born(), Mortal::born()];
    let (_, client) = client(&mortals, Duration::from_secs(60));
    until(&client, || mortals.iter().all(|m| !m.peer.calls().is_empty())).await;
    let before: Vec<usize> = mortals.iter().map(|m| m.peer.calls().len()).collect();
    for _ in 0..300 {
        get(&client).await.unwrap();
    }
    for (mortal, before) in mortals.iter().zip(before) {
        let took = mortal.peer.calls().len() - before;
        assert!((50..=150).contains(&took), "{took} of 300");
    }
}

#[tokio::test]
async fn a_killed_instance_costs_no_read_and_gets_no_more_calls() {
    let mut mortals = [Mortal::born(), Mortal::born(), Mortal::born()];
    let (_, client) = client(&mortals, Duration::from_secs(60));
    until(&client, || mortals.iter().all(|m| !m.peer.calls().is_empty())).await;
    mortals[0].kill();
    for n in 0..200 {
        get(&client).await.unwrap_or_else(|e| panic!("call {n}: {e}"));
    }
}

#[tokio::test]
async fn a_new_instance_is_found_and_one_that_left_the_name_is_not_called() {
    let mortals = [Mortal::born(), Mortal::born()];
    let (names, client) = client(&mortals[..1], Duration::from_millis(20));
    get(&client).await.unwrap();
    names.lock().unwrap().push(mortals[1].address);
    until(&client, || !mortals[1].peer.calls().is_empty()).await;
    names.lock().unwrap().remove(0);
    let began = Instant::now();
    let mut last = mortals[0].peer.calls().len();
    let mut quiet = 0;
    while quiet < 20 {
        assert!(began.elapsed() < Duration::from_secs(20), "it is still called");
        get(&client).await.unwrap();
        let now = mortals[0].peer.calls().len();
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_instance_that_only_hangs_is_left_alone() {
    let mortals = [Mortal::born(), Mortal::born()];
    let (_, client) = client(&mortals, Duration::from_secs(60));
    until(&client, || mortals.iter().all(|m| !m.peer.calls().is_empty())).await;
    mortals[0].peer.always(Act::Hang);
    let short = || {
        let mut request = Request::new(pb::GetMeRequest {});
        request.set_timeout(Duration::from_millis(500));
        request
    };
    let mut calls = tokio::task::JoinSet::new();
    // Enough at once that some go to the suspect one too.
    for _ in 0..100 {
        let (mut client, request) = (client.clone(), short());
        calls.spawn(async move { client.get_me(request).await.map(drop) });
    }
    while let Some(result) = calls.join_next().await {
        if let Err(status) = result.unwrap() {
            assert_eq!(status.code(), Code::DeadlineExceeded);
        }
    }
    for n in 0..100 {
        client.clone().get_me(short()).await.unwrap_or_else(|e| panic!("call {n}: {e}"));
    }
}

#[tokio::test]
async fn without_any_instance_the_answer_is_quick() {
    let mut mortals = [Mortal::born()];
    let (_, client) = client(&mortals, Duration::from_secs(60));
    get(&client).await.unwrap();
    mortals[0].kill();
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(get(&client).await.unwrap_err().code(), Code::Unavailable);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
