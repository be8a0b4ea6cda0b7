//! The role as a process runs it, without broker and identity: it serves, says what it lacks, and stops.

use std::time::Duration;

use anyhow::Result;
use config::{Seconds, SecretString};
use events::AmqpConfig;
use fields::Config;
use fleet::Role;
use host::{GrpcConfig, HostConfig, LifeConfig, LogFormat, Process, State};
use ids::Clock;
use proto::fields::v1::GetLimitsRequest;
use proto::fields::v1::fields_service_client::FieldsServiceClient;
use rpc::{Peer, ServiceSecret};
use tonic::Code;

use super::world::World;

#[tokio::test]
async fn the_role_serves_while_broker_and_identity_are_away_and_stops_when_told() -> Result<()> {
    let world = World::new().await?;
    // Nobody listens on a port that was free a moment ago.
    let [grpc, admin, nobody] = free_ports()?;
    let config = Config {
        database: world.database.config("fields").into(),
        broker: AmqpConfig::new(SecretString::from(format!("amqp://127.0.0.1:{nobody}/%2f"))),
        identity: Peer { role: Role::Identity, url: format!("http://127.0.0.1:{nobody}") },
        cursor_key: query::CursorKey::new(&SecretString::from("a-key-for-page-tokens-of-the-tests"))?,
        service_secret: ServiceSecret(SecretString::from("a-secret-of-fields-made-for-the-tests")),
    };
    let host = HostConfig {
        grpc: GrpcConfig {
            listen: ([127, 0, 0, 1], grpc).into(),
            connection_age: Seconds(Duration::from_secs(300)),
            reflection: false,
        },
        life: LifeConfig {
            admin_listen: ([127, 0, 0, 1], admin).into(),
            log_format: LogFormat::Text,
            otlp_endpoint: None,
            shutdown_grace: Seconds(Duration::from_secs(5)),
            reload_file: None,
            telemetry: ::config::Hot::default(),
            tls: config::Hot::default(),
        },
    };
    let process = Process::without_signals("fields", Clock::system());
    let serving = process.tasks.spawn("test.serve", fields::serve(config, host, process.clone()));
    let mut state = process.readiness.subscribe();
    tokio::time::timeout(Duration::from_secs(20), state.wait_for(|state| *state == State::Degraded))
        .await??;
    assert!(process.readiness.report().components["database"].reason.is_none(), "{:?}", process.readiness);

    let channel = rpc::connect(&format!("http://127.0.0.1:{grpc}"), "fields")?;
    let mut client = FieldsServiceClient::new(channel);
    let anonymous = client.get_limits(GetLimitsRequest {}).await.unwrap_err();
    assert_eq!(anonymous.code(), Code::Unauthenticated);
    let mut request = tonic::Request::new(GetLimitsRequest {});
    request.metadata_mut().insert("authorization", world.admin()?.bearer().parse()?);
    let unknown = client.get_limits(request).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unavailable, "without identity nobody is let in: {unknown:?}");

    process.shutdown.cancel();
    let served = tokio::time::timeout(Duration::from_secs(10), serving).await??;
    served.expect("it did not panic")?;
    process.finish(Duration::from_secs(10)).await?;
    Ok(())
}

fn free_ports<const N: usize>() -> Result<[u16; N]> {
    // All bound at once, so that they differ.
    let bound = (0..N).map(|_| std::net::TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&bound) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
