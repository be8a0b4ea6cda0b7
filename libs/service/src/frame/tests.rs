use std::time::Duration;

use auth::VerifiedTenant;
use config::{Seconds, SecretString};
use db::{DbError, Migrations, TenantTx};
use host::{GrpcConfig, LifeConfig, LogFormat};
use ids::TenantId;

use super::*;

const MIGRATIONS: Migrations = Migrations { schema: "fields", groups: &[], own: &[] };
const SERVICE: Service = Service { role: Role::Fields, migrations: &MIGRATIONS, worker_connections: 2 };

/// Where nobody listens: pools and relay connect when they are used, and try again.
fn started(process: &Process) -> Frame {
    let nobody = SecretString::from("postgres://app:secret@127.0.0.1:1/globcrm");
    let database = DatabaseConfig {
        url: nobody.clone(),
        worker_url: nobody,
        max_connections: 4,
        tenant_connections: None,
        acquire: Seconds(Duration::from_secs(1)),
        statement_timeout: Seconds(Duration::from_secs(1)),
    };
    let broker = AmqpConfig::new(SecretString::from("amqp://127.0.0.1:1/%2f"));
    Frame::start(SERVICE, &database.into(), broker, &Hot::default(), process.clone()).unwrap()
}

fn host_config() -> HostConfig {
    HostConfig {
        grpc: GrpcConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            connection_age: Seconds(Duration::from_secs(300)),
            reflection: false,
        },
        life: LifeConfig {
            admin_listen: ([127, 0, 0, 1], 0).into(),
            log_format: LogFormat::Text,
            otlp_endpoint: None,
            shutdown_grace: Seconds(Duration::from_secs(5)),
            reload_file: None,
            telemetry: ::config::Hot::default(),
            tls: config::Hot::default(),
        },
    }
}

fn is_closed<T>(begun: Result<T, DbError>) -> bool {
    matches!(begun, Err(DbError::Unavailable(sqlx::Error::PoolClosed)))
}

async fn are_closed(db: &Db, worker: &WorkerDb) -> (bool, bool) {
    let tenant = VerifiedTenant::from_claim(TenantId::from(uuid::Uuid::nil()));
    (is_closed(TenantTx::begin(db, tenant).await), is_closed(worker.begin().await))
}

#[tokio::test]
async fn a_service_that_cannot_be_built_closes_its_pools_and_says_why() {
    let process = Process::without_signals("fields", Clock::system());
    let frame = started(&process);
    let (db, worker) = (frame.db.clone(), frame.worker.clone());
    assert_eq!(are_closed(&db, &worker).await, (false, false));
    let served = frame.serve(&host_config(), |_| Err(ServeError::start("blobs", "no such directory"))).await;
    assert_eq!(served.unwrap_err().to_string(), "cannot start: blobs");
    process.finish(Duration::from_secs(10)).await.unwrap();
    assert_eq!(are_closed(&db, &worker).await, (true, true));
}

#[tokio::test]
async fn what_is_watched_and_run_has_the_names_of_the_service() {
    let process = Process::without_signals("fields", Clock::system());
    let frame = started(&process);
    let report = process.readiness.report();
    assert!(report.components.keys().eq(["database", "relay"].iter()), "{report:?}");
    let peer = |url: &str| Peer { role: Role::Identity, url: url.to_owned() };
    let secret = ServiceSecret(SecretString::from("a-secret-of-fields-made-for-the-tests"));
    let refused = frame.peers(&peer("nonsense"), secret.clone()).unwrap_err();
    assert_eq!(refused.to_string(), "cannot start: identity");
    frame.peers(&peer("http://127.0.0.1:1"), secret).unwrap();
    let report = process.readiness.report();
    let all = ["database", "relay", "service-secret", "service-token"];
    assert!(report.components.keys().eq(all.iter()), "{report:?}");
    process.finish(Duration::from_secs(10)).await.unwrap();
}
