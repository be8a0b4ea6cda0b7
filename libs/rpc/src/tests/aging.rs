//! Connections that are exchanged all the time under writes: no call fails, none is made twice.

use std::sync::Arc;
use std::time::Duration;

use ::config::Seconds;
use auth::{Gate, Verifier};
use host::{GrpcConfig, HostConfig, LifeConfig, LogFormat, Process};
use ids::Clock;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::identity_service_server::IdentityServiceServer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::service::Routes;
use tonic::{Code, Status};

use super::peer::Peer;
use crate::connect;

const CALLERS: usize = 16;
const CALLS: usize = 400;

/// A peer served as services are, whose connections reach this age, and a client of it.
async fn serve(
    connection_age: Duration,
) -> (Process, Peer, IdentityServiceClient<crate::Channel>, JoinSet<()>) {
    let config = HostConfig {
        grpc: GrpcConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            connection_age: Seconds(connection_age),
            reflection: false,
        },
        life: LifeConfig {
            admin_listen: ([127, 0, 0, 1], 0).into(),
            log_format: LogFormat::Json,
            otlp_endpoint: None,
            shutdown_grace: Seconds(Duration::from_secs(5)),
            reload_file: None,
            telemetry: ::config::Hot::default(),
            tls: config::Hot::default(),
        },
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (process, peer) = (Process::without_signals("identity", Clock::system()), Peer::default());
    let (own, routes) = (process.clone(), Routes::new(IdentityServiceServer::new(peer.clone())));
    // Nobody shows a token, so no key is ever asked for.
    let gate = Gate::new(
        Verifier::new(Clock::system()),
        Arc::new(|| Box::pin(async { Ok(Vec::new()) })),
        Arc::new(|_, _| Box::pin(async { Err(error::Error::not_found(error::Reason::NOT_FOUND)) })),
    );
    let mut serving = JoinSet::new();
    serving.spawn(async move { host::grpc::serve_on(own, &config, listener, gate, routes).await.unwrap() });
    let client = IdentityServiceClient::new(connect(&url, "identity").unwrap());
    (process, peer, client, serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_fails_or_is_made_twice_because_its_connection_ages() {
    let (process, peer, client, serving) = serve(Duration::from_millis(10)).await;
    let failed = writes(&client).await;
    assert!(failed.is_empty(), "{} of {}: {}", failed.len(), CALLERS * CALLS, failed[0]);
    assert_eq!(peer.calls().len(), CALLERS * CALLS, "none twice");
    process.shutdown.cancel();
    drop(client);
    serving.join_all().await;
}

/// Makes many writes at once; gives those that failed.
async fn writes(client: &IdentityServiceClient<crate::Channel>) -> Vec<String> {
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let mut client = client.clone();
        callers.spawn(async move {
            let mut failed = Vec::new();
            for _ in 0..CALLS {
                let team = Some(pb::Team { name: "a".to_owned(), ..Default::default() });
                if let Err(status) = client.create_team(pb::CreateTeamRequest { team }).await {
                    failed.push(format!("{status:?}"));
                }
            }
            failed
        });
    }
    callers.join_all().await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_closing_connection_has_not_taken_is_sent_again_and_nothing_else() {
    // A peer that closes without a word before, as one does that stops.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let peer = Peer::default();
    let service = IdentityServiceServer::new(peer.clone());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let mut server = tonic::transport::Server::builder().max_connection_age(Duration::from_millis(10));
        server.add_service(service).serve_with_incoming(incoming).await.unwrap();
    });
    let client = IdentityServiceClient::new(connect(&url, "identity").unwrap());
    let failed = writes(&client).await;
    // What broke off may have been seen; all others were sent again.
    for failed in &failed {
        assert!(!failed.contains("Canceled") && !failed.contains("GoAway"), "{failed}");
    }
    let made = CALLERS * CALLS - failed.len();
    assert!((made..=CALLERS * CALLS).contains(&peer.calls().len()), "none twice");
}

/// Callers who go while their answers come, thousands of them on a connection that others share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_go_end_no_call_of_those_who_stay() {
    let (process, _, client, serving) = serve(Duration::from_secs(600)).await;
    let leaving = client.clone();
    let going = async move {
        for round in 0..300_u64 {
            let calls = (0..100_u64).map(|n| {
                let mut client = leaving.clone();
                let moment = Duration::from_micros(300 * ((n * 7 + round) % 40));
                async move {
                    drop(tokio::time::timeout(moment, client.get_me(pb::GetMeRequest::default())).await);
                }
            });
            futures_util::future::join_all(calls).await;
        }
    };
    tokio::pin!(going);
    // A call that the machine had no time for was ended by nobody.
    let (mut made, mut late) = (0, 0);
    let mut count = |written: Result<_, Status>| match written {
        Ok(_) => made += 1,
        Err(status) if status.code() == Code::DeadlineExceeded => late += 1,
        Err(status) => panic!("after {made} writes: {status:?}"),
    };
    loop {
        let mut staying = client.clone();
        let team = Some(pb::Team { name: "a".to_owned(), ..Default::default() });
        let write = staying.create_team(pb::CreateTeamRequest { team });
        tokio::pin!(write);
        let over = tokio::select! {
            written = &mut write => {
                count(written);
                false
            }
            () = &mut going => true,
        };
        if over {
            count(write.await);
            break;
        }
    }
    assert!(made > 10 && late < made, "{made} were made, {late} were late");
    process.shutdown.cancel();
    drop(client);
    serving.join_all().await;
}
