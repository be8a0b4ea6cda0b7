//! The token that says which service calls, on the way to a real server.

use std::time::Duration;

use error::Error;
use host::Process;
use ids::Clock;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use secrecy::SecretString;
use tonic::{Code, Request};

use super::peer::{Act, Served, serve};
use crate::{Channel, ServiceSecret, ServiceToken, connect};

const TRADE: &str = "exchange_service_secret";

fn client(served: &Served, process: &Process) -> IdentityServiceClient<Channel> {
    let bare = connect(&served.url(), "identity").unwrap();
    let secret = ServiceSecret(SecretString::from("s3cret"));
    let token = ServiceToken::keep(process, bare.clone(), "records", secret);
    assert!(!format!("{token:?}").contains("s3cret"));
    IdentityServiceClient::new(bare.showing(&token))
}

fn process() -> Process {
    Process::without_signals("records", Clock::system())
}

async fn get_me(client: &IdentityServiceClient<Channel>) -> Result<(), Error> {
    client.clone().get_me(pb::GetMeRequest {}).await?;
    Ok(())
}

fn shown(served: &Served) -> String {
    served.peer.last_of("get_me").get("x-service-token").unwrap().to_str().unwrap().to_owned()
}

fn trades(served: &Served) -> usize {
    served.peer.calls().into_iter().filter(|name| *name == TRADE).count()
}

#[tokio::test]
async fn every_call_shows_the_token_and_many_at_once_trade_once() {
    let (served, process) = (serve().await, process());
    let client = client(&served, &process);
    let calls = (0..20).map(|_| get_me(&client));
    for result in futures_util::future::join_all(calls).await {
        result.unwrap();
    }
    assert_eq!(trades(&served), 1);
    assert!(shown(&served).starts_with("records-"), "{}", shown(&served));
    // What a caller puts there itself does not go out.
    let mut forged = Request::new(pb::GetMeRequest {});
    forged.metadata_mut().insert("x-service-token", "gateway-1".parse().unwrap());
    client.clone().get_me(forged).await.unwrap();
    assert!(shown(&served).starts_with("records-"));
    process.shutdown.cancel();
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_and_the_call_made_after_all() {
    let (served, process) = (serve().await, process());
    let client = client(&served, &process);
    get_me(&client).await.unwrap();
    let before = shown(&served);
    served.peer.then([Act::RefuseToken]);
    get_me(&client).await.unwrap();
    assert_ne!(shown(&served), before);
    assert_eq!(served.peer.calls(), [TRADE, "get_me", "get_me", TRADE, "get_me"]);
    // Once for each call: a peer that refuses everything is not asked for ever.
    served.peer.then([Act::RefuseToken]);
    let calls = served.peer.calls().len();
    served.peer.always(Act::RefuseToken);
    assert_eq!(get_me(&client).await.unwrap_err().reason(), "SERVICE_TOKEN_UNAVAILABLE");
    assert!(served.peer.calls().len() <= calls + 4, "{:?}", served.peer.calls());
    process.shutdown.cancel();
}

/// A machine that slept does not know it by its own clock.
#[tokio::test]
async fn a_token_that_has_ended_by_the_time_of_day_is_renewed_before_it_is_shown() {
    let (clock, hand) = Clock::fixed(Clock::system().now());
    let (served, process) = (serve().await, Process::without_signals("test", clock));
    let client = client(&served, &process);
    get_me(&client).await.unwrap();
    let before = shown(&served);
    hand.advance(Duration::from_hours(1));
    get_me(&client).await.unwrap();
    assert_ne!(shown(&served), before);
    assert_eq!(served.peer.calls(), [TRADE, "get_me", TRADE, "get_me"]);
    process.shutdown.cancel();
}

#[tokio::test]
async fn a_failed_renewal_keeps_the_token_that_is_held() {
    let (served, process) = (serve().await, process());
    let client = client(&served, &process);
    get_me(&client).await.unwrap();
    let before = shown(&served);
    served.peer.to_each(TRADE, Act::Refuse(Code::Internal));
    served.peer.then([Act::RefuseToken]);
    assert_eq!(get_me(&client).await.unwrap_err().reason(), "SERVICE_TOKEN_UNAVAILABLE");
    get_me(&client).await.unwrap();
    assert_eq!(shown(&served), before);
    process.shutdown.cancel();
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_it_is_asked_for_again() {
    let (served, process) = (serve().await, process());
    served.peer.always(Act::Refuse(Code::Unauthenticated));
    let client = client(&served, &process);
    let refused = get_me(&client).await.unwrap_err();
    assert_eq!((refused.code(), refused.reason()), (error::Code::Unavailable, "SERVICE_TOKEN_UNAVAILABLE"));
    assert!(served.peer.calls().iter().all(|name| *name == TRADE), "{:?}", served.peer.calls());
    served.peer.answers();
    // One trade of those that go on by themselves is well.
    let again = async { while get_me(&client).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
    process.shutdown.cancel();
}
