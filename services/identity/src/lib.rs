#![doc = include_str!("../README.md")]

mod answer;
mod api_keys;
mod call;
mod changes;
mod config;
mod directory;
mod entropy;
mod grpc;
mod identity;
mod jobs;
mod network;
mod page;
mod passwords;
mod permissions;
mod places;
mod power;
mod reach;
mod refusals;
mod roles;
mod secrets;
mod service_secrets;
mod sessions;
mod teams;
mod tenants;
mod throttle;
mod users;

use db::{Db, WorkerDb};
use fleet::Role;
use host::{HostConfig, Process, ServeError};

pub use changes::Settle;
pub use config::{Config, PasswordConfig, SignUpConfig};
pub use entropy::Entropy;
pub use grpc::Grpc;
pub use identity::{Identity, Parts};
pub use service_secrets::ServiceSecrets;

/// The place in the fleet.
const ROLE: Role = Role::Identity;

/// The schema, the process and the source of events.
const SERVICE: &str = ROLE.name();
/// Connections of the worker pool: the relay's, and one for metrics.
const WORKER_CONNECTIONS: u32 = 3;

/// The schema's migrations.
pub const MIGRATIONS: db::Migrations = db::migrations!(
    "identity",
    [
        "0100_create_directory",
        "0101_create_tenant",
        "0102_create_user",
        "0103_create_role",
        "0104_create_session",
        "0105_create_api_key",
        "0106_create_audit_log",
        "0107_create_login_throttle",
        "0110_create_known_place",
        "0111_create_cleanup_cursor",
        "0112_index_invitation_user",
    ]
);

/// Serves until the process stops.
pub async fn serve(config: Config, host: HostConfig, process: Process) -> Result<(), ServeError> {
    let db = Db::new(&config.database, SERVICE).map_err(|e| ServeError::start("the database pool", e))?;
    let worker_db = WorkerDb::new(&config.database, SERVICE, WORKER_CONNECTIONS)
        .map_err(|e| ServeError::start("the worker's pool", e))?;
    let parts = Parts::of(&config, db.clone(), process.clock.clone());
    let identity = Identity::new(parts).map_err(|e| ServeError::start("the service's parts", e))?;

    let checked = db.clone();
    process.readiness.watch("database", move || {
        let db = checked.clone();
        async move { db.check_schema(&MIGRATIONS).await }
    });
    let relay = events::Relay::new(worker_db.clone(), config.broker, SERVICE, process.clock.clone());
    let status = relay.status();
    process.readiness.watch_beside("relay", move || {
        let state = status.check();
        async move { state }
    });
    drop(process.tasks.spawn("identity.relay", relay.run(process.shutdown.clone())));
    let (every, stop) = (events::metrics::EVERY, process.shutdown.clone());
    let measure = events::metrics::watch(SERVICE, worker_db.clone(), every, stop);
    drop(process.tasks.spawn("identity.event_metrics", measure));
    let (cleaning, shutdown) = (identity.clone(), process.shutdown.clone());
    process.tasks.supervise("identity.cleanup", move || {
        let (identity, shutdown) = (cleaning.clone(), shutdown.clone());
        async move { jobs::cleanup::run(&identity, shutdown).await }
    });

    let gate = identity.gate.clone();
    let routes = tonic::service::Routes::new(Grpc::new(identity).server());
    let served = host::grpc::serve(process, &host, gate, routes).await;
    db.close().await;
    worker_db.close().await;
    served
}
