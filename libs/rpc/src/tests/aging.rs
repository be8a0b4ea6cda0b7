//! Connections that are exchanged all the time under writes: no call fails, none is made twice.

use std::sync::Arc;
use std::time::Duration;

use auth::{Gate, Verifier};
use host::{HostConfig, LifeConfig, LogFormat, Process};
use ids::Clock;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::identity_service_server::IdentityServiceServer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::service::Routes;

use super::peer::Peer;
use crate::connect;

const CALLERS: usize = 16;
const CALLS: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_fails_or_is_made_twice_because_its_connection_ages() {
    let config = HostConfig {
        grpc_listen: ([127, 0, 0, 1], 0).into(),
        connection_age: Duration::from_millis(10),
        reflection: false,
        life: LifeConfig {
            admin_listen: ([127, 0, 0, 1], 0).into(),
            log: "info".to_owned(),
            log_format: LogFormat::Json,
            otlp_endpoint: None,
            shutdown_grace: Duration::from_secs(5),
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
        Arc::new(|_, _| Box::pin(async { Err(error::Error::not_found("NOBODY")) })),
    );
    let serving = process
        .tasks
        .spawn("test.grpc", async move { host::grpc::serve_on(own, &config, listener, gate, routes).await });
    let client = IdentityServiceClient::new(connect(&url, "identity").unwrap());
    let failed = writes(&client).await;
    assert!(failed.is_empty(), "{} of {}: {}", failed.len(), CALLERS * CALLS, failed[0]);
    assert_eq!(peer.calls().len(), CALLERS * CALLS, "none twice");
    process.shutdown.cancel();
    drop(client);
    serving.await.unwrap().unwrap().unwrap();
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
