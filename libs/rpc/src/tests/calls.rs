//! Deadline, retries, budget, raw bytes, trace.

use std::time::Duration;

use bytes::Bytes;
use host::deadline;
use prost::Message;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request};
use tracing::Instrument;

use super::peer::{Act, Served, serve, serve_at};
use crate::{Channel, Idempotent, connect, raw};

fn client(served: &Served) -> (Channel, IdentityServiceClient<Channel>) {
    let channel = connect(&served.url(), "identity").unwrap();
    (channel.clone(), IdentityServiceClient::new(channel))
}

fn team(name: &str) -> pb::CreateTeamRequest {
    pb::CreateTeamRequest { team: Some(pb::Team { name: name.to_owned(), ..Default::default() }) }
}

fn millis(metadata: &MetadataMap) -> u64 {
    let text = metadata.get("grpc-timeout").unwrap().to_str().unwrap();
    text.strip_suffix('m').unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_left_at_the_deadline() {
    let served = serve().await;
    served.peer.always(Act::Hang);
    let (_, mut client) = client(&served);
    let mut request = Request::new(pb::GetMeRequest {});
    request.set_timeout(Duration::from_millis(60));
    let began = Instant::now();
    assert_eq!(client.get_me(request).await.unwrap_err().code(), Code::DeadlineExceeded);
    assert!((60..1_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(served.peer.calls(), ["get_me"], "a deadline is not tried again");
}

#[tokio::test]
async fn what_is_left_of_the_call_being_served_bounds_the_calls_made_for_it() {
    let served = serve().await;
    let (_, client) = client(&served);
    client.clone().get_me(pb::GetMeRequest {}).await.unwrap();
    assert!((1_900..=2_000).contains(&millis(&served.peer.last())), "the default");
    deadline::within(Instant::now() + Duration::from_millis(800), async {
        client.clone().get_me(pb::GetMeRequest {}).await.unwrap();
        assert!((400..=795).contains(&millis(&served.peer.last())));
        let mut longer = Request::new(pb::GetMeRequest {});
        longer.set_timeout(Duration::from_secs(60));
        client.clone().get_me(longer).await.unwrap();
        assert!(millis(&served.peer.last()) <= 795, "asking for more gives no more");
    })
    .await;
    let calls = served.peer.calls().len();
    let late = deadline::within(Instant::now(), client.clone().get_me(pb::GetMeRequest {})).await;
    assert_eq!(late.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(served.peer.calls().len(), calls, "nothing is sent when no time is left");
}

#[tokio::test]
async fn a_read_is_tried_again_and_a_write_never() {
    let served = serve().await;
    let (_, mut client) = client(&served);
    let unavailable = Act::Refuse(Code::Unavailable);
    served.peer.then([unavailable, unavailable]);
    client.get_me(pb::GetMeRequest {}).await.unwrap();
    assert_eq!(served.peer.calls(), ["get_me"; 3]);

    served.peer.then([unavailable; 3]);
    assert_eq!(client.get_me(pb::GetMeRequest {}).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(served.peer.calls(), ["get_me"; 6], "two further tries and no more");

    served.peer.then([unavailable]);
    assert_eq!(client.create_team(team("a")).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(served.peer.calls()[6..], ["create_team"]);

    served.peer.then([unavailable]);
    let mut marked = Request::new(team("a"));
    marked.extensions_mut().insert(Idempotent);
    assert_eq!(client.create_team(marked).await.unwrap().into_inner().team.unwrap().name, "a");
    assert_eq!(served.peer.calls()[7..], ["create_team"; 2], "unless its caller says that it may be");

    served.peer.then([Act::Refuse(Code::Internal)]);
    client.get_me(pb::GetMeRequest {}).await.unwrap_err();
    assert_eq!(served.peer.calls()[9..], ["get_me"], "only UNAVAILABLE is tried again");
}

#[tokio::test]
async fn a_further_try_that_comes_too_late_leaves_what_the_peer_said() {
    let served = serve().await;
    let (_, mut client) = client(&served);
    let within = |time| {
        let mut request = Request::new(pb::GetMeRequest {});
        request.set_timeout(time);
        request
    };
    // Longer than the longest pause before the second try.
    let time = Duration::from_millis(400);
    for late in [Act::Hang, Act::Refuse(Code::DeadlineExceeded)] {
        let calls = served.peer.calls().len();
        served.peer.then([Act::Refuse(Code::Unavailable), late]);
        let status = client.get_me(within(time)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "as told"), "{late:?}");
        assert_eq!(served.peer.calls()[calls..], ["get_me"; 2], "{late:?}");
    }
    served.peer.then([Act::Refuse(Code::Unavailable), Act::Refuse(Code::NotFound)]);
    assert_eq!(client.get_me(within(time)).await.unwrap_err().code(), Code::NotFound, "an answer is one");
}

#[tokio::test]
async fn the_largest_error_of_a_service_comes_as_it_is() {
    let served = serve().await;
    let (_, mut client) = client(&served);
    // The largest error that a service can answer comes as it is.
    served.peer.then([Act::Details(error::MAX_ENCODED)]);
    let status = client.create_team(team("a")).await.unwrap_err();
    assert_eq!((status.code(), status.details().len()), (Code::Aborted, error::MAX_ENCODED));
}

#[tokio::test]
async fn the_budget_bounds_the_retries_of_a_peer_that_is_down() {
    let served = serve().await;
    served.peer.always(Act::Refuse(Code::Unavailable));
    let (_, client) = client(&served);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let mut client = client.clone();
        calls.spawn(async move { client.get_me(pb::GetMeRequest {}).await.map(drop) });
    }
    while let Some(result) = calls.join_next().await {
        assert_eq!(result.unwrap().unwrap_err().code(), Code::Unavailable);
    }
    let tries = served.peer.calls().len();
    assert!((61..=76).contains(&tries), "60 calls, 10 retries held and a tenth earned: {tries}");
}

#[tokio::test]
async fn a_channel_made_before_its_peer_is_up_works_when_it_is() {
    let address = serve().await.address;
    let channel = connect(&format!("http://{address}"), "identity").unwrap();
    let mut client = IdentityServiceClient::new(channel);
    let down = client.create_team(team("a")).await.unwrap_err();
    assert_eq!((down.code(), down.message()), (Code::Unavailable, "identity cannot be reached"));
    let served = serve_at(address).await;
    let mut request = Request::new(team("b"));
    request.extensions_mut().insert(Idempotent);
    client.create_team(request).await.unwrap();
    assert_eq!(served.peer.calls(), ["create_team"]);
}

#[tokio::test]
async fn raw_bytes_pass_unchanged_and_metadata_both_ways() {
    let served = serve().await;
    let (channel, _) = client(&served);
    // A field this build does not know must pass too: tag 1000, varint 5.
    let mut message = team("Ünïcode").encode_to_vec();
    message.extend([0xc0, 0x3e, 0x05]);
    let mut metadata = MetadataMap::new();
    metadata.insert("if-match", "\"3\"".parse().unwrap());
    let path = "/globcrm.identity.v1.IdentityService/CreateTeam";
    let deadline = Duration::from_secs(3);
    let (answered, bytes) =
        raw::unary(&channel, path, metadata, Bytes::from(message), deadline).await.unwrap();
    assert_eq!(pb::CreateTeamResponse::decode(bytes).unwrap().team.unwrap().name, "Ünïcode");
    assert_eq!(answered.get("version").unwrap(), "7");
    assert_eq!(served.peer.last().get("if-match").unwrap(), "\"3\"");
    assert!((2_000..=3_000).contains(&millis(&served.peer.last())));

    let nonsense = Bytes::from_static(&[0xff]);
    let refused = raw::unary(&channel, path, MetadataMap::new(), nonsense, deadline).await.unwrap_err();
    assert_eq!(refused.code(), Code::Internal, "the peer could not decode it: {refused}");
}

#[tokio::test]
async fn a_body_that_breaks_off_ends_the_call_with_its_own_status() {
    let served = serve().await;
    let (channel, _) = client(&served);
    let messages =
        tokio_stream::iter([Ok(Bytes::new()), Err(tonic::Status::cancelled("the client went away"))]);
    let path = "/globcrm.identity.v1.IdentityService/CreateTeam";
    let deadline = Duration::from_secs(3);
    let broken =
        raw::client_streaming(&channel, path, MetadataMap::new(), messages, deadline).await.unwrap_err();
    assert_eq!((broken.code(), broken.message()), (Code::Cancelled, "the client went away"));
}

#[tokio::test]
async fn the_trace_of_an_incoming_call_goes_on_in_the_outgoing_one() {
    let served = serve().await;
    let (_, mut client) = client(&served);
    let mut incoming = http::HeaderMap::new();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    incoming.insert("traceparent", parent.parse().unwrap());
    let span = tracing::info_span!("rpc");
    host::trace::continue_from(&span, &incoming);
    client.get_me(pb::GetMeRequest {}).instrument(span).await.unwrap();
    goes_on(&served);
    let mut passed_on = Request::new(pb::GetMeRequest {});
    passed_on.metadata_mut().insert("traceparent", parent.parse().unwrap());
    client.get_me(passed_on).await.unwrap();
    goes_on(&served);
}

fn goes_on(served: &Served) {
    let metadata = served.peer.last();
    let sent = metadata.get("traceparent").unwrap().to_str().unwrap();
    assert!(sent.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{sent}");
    assert!(!sent.contains("b7ad6b7169203331"), "the parent is our own span: {sent}");
    assert!(sent.ends_with("-01"), "sampled stays sampled: {sent}");
}
