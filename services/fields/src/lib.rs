#![doc = include_str!("../README.md")]

mod config;
mod fields;
mod grpc;

use std::convert::Infallible;

use auth::{Gate, Verifier};
use db::{Db, Migrations, WorkerDb};
use events::{Relay, Wake, metrics, permissions};
use futures_util::FutureExt;
use host::{HostConfig, Process, ServeError};
use ids::Clock;
use proto::fields::v1::fields_service_server::FieldsServiceServer;
use query::CursorKey;
use rpc::ServiceToken;
use rpc::identity::Identity;
use tonic::service::Routes;

pub use crate::config::Config;

/// The migrations of the schema `fields`.
pub const MIGRATIONS: Migrations = db::migrations!(
    "fields",
    ["0100_create_object_version", "0101_create_field_definition", "0102_create_slot_use"]
);

/// Connections of the worker role: relay, retries, metrics.
const WORKER_CONNECTIONS: u32 = 3;

/// The service: what its operations work with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service {
    gate: Gate,
    db: Db,
    clock: Clock,
    cursor_key: CursorKey,
    wake: Wake,
}

impl Service {
    /// A service that admits calls by `gate` and signs page tokens by `cursor_key`; its events wait for a relay.
    pub fn new(gate: Gate, db: Db, clock: Clock, cursor_key: CursorKey) -> Self {
        Self { gate, db, clock, cursor_key, wake: Wake::default() }
    }
}

/// Runs the role until the process stops.
pub async fn serve(config: Config, host: HostConfig, process: Process) -> Result<(), ServeError> {
    let db = Db::new(&config.database, "fields").map_err(|e| ServeError::start("database", e))?;
    let worker = WorkerDb::new(&config.database, "fields", WORKER_CONNECTIONS)
        .map_err(|e| ServeError::start("database", e))?;
    let channel = config.identity.connect().map_err(|e| ServeError::start("identity", e))?;
    let token = ServiceToken::keep(&process, channel.clone(), "fields", config.service_secret.clone());
    let identity = Identity::new(channel.showing(&token), None, process.clock.clone());
    let verifier = Verifier::new(process.clock.clone());
    let gate = Gate::new(verifier, identity.fetch_keys(), identity.fetch_snapshot());

    let schema = db.clone();
    process.readiness.watch("database", move || {
        let db = schema.clone();
        async move { db.check_schema(&MIGRATIONS).await }
    });
    let relay = Relay::new(worker.clone(), config.broker.clone(), "fields", process.clock.clone());
    let (wake, relay_status) = (relay.wake(), relay.status());
    process.readiness.watch_beside("relay", move || std::future::ready(relay_status.check()));
    process.tasks.spawn("fields.relay", relay.run(process.shutdown.clone()));
    let measure = metrics::watch("fields", worker.clone(), metrics::EVERY, process.shutdown.clone());
    process.tasks.spawn("fields.event_metrics", measure);
    let heard = (gate.clone(), db.clone(), process.clock.clone(), process.shutdown.clone());
    let broker = config.broker;
    process.tasks.supervise("fields.permissions", move || {
        let (gate, db, clock, shutdown) = heard.clone();
        let (worker, broker) = (worker.clone(), broker.clone());
        let follow = permissions::follow("fields.permissions", gate, db, worker, broker, clock, shutdown);
        follow.map(Ok::<(), Infallible>)
    });

    let (clock, cursor_key) = (process.clock.clone(), config.cursor_key);
    let service = Service { gate: gate.clone(), db: db.clone(), clock, cursor_key, wake };
    let routes = Routes::new(FieldsServiceServer::new(service));
    let served = host::grpc::serve(process, &host, gate, routes).await;
    db.close().await;
    served
}
