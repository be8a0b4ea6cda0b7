#![doc = include_str!("../README.md")]

mod app;
mod config;
pub mod event_types;
mod grpc;
pub mod journal;
pub mod sync;
pub mod waiting;

use std::collections::HashMap;
use std::sync::Arc;

use ::config::Limit;
use db::Migrations;
use fleet::Role;
use host::{HostConfig, Process, ServeError};
use proto::notifications::v1::notifications_service_server::NotificationsServiceServer;
use service::Frame;
use tonic::service::Routes;
use transcode::Api;

use crate::event_types::Catalogue;
use crate::journal::{CONSUMER, Listener, Partitions};
use crate::sync::Owners;
use crate::waiting::Waiting;

pub use crate::app::App;
pub use crate::config::Config;
pub use crate::grpc::Service;

/// The migrations of the schema `notifications`.
pub const MIGRATIONS: Migrations = db::migrations!("notifications", [], ["0100_create_journal"]);

/// The limits that clients meet.
pub const LIMITS: &[Limit] = &[
    Limit::new(
        "calls of `/sync` that wait, of an organization at each instance",
        waiting::OF_A_TENANT as u64,
        "",
    ),
    Limit::new("days for which the journal is kept", 30, ""),
];

/// Connections of the worker role: relay, retries of both consumers, partitions, metrics.
const FRAME: service::Service =
    service::Service { role: Role::Notifications, migrations: &MIGRATIONS, worker_connections: 5 };

/// Runs the role until the process stops.
pub async fn serve(config: Config, host: HostConfig, process: Process) -> Result<(), ServeError> {
    let catalogue = Catalogue::new().map_err(|e| ServeError::start("the catalogue of event types", e))?;
    let api = Api::compile(proto::DESCRIPTORS).map_err(|e| ServeError::start("the contract", e))?;
    let frame = Frame::start(FRAME, &config.database, config.broker.clone(), &host.life.tls, process)?;
    let build = |frame: &Frame| {
        let peers = frame.peers(&config.identity, config.service_secret.clone())?;
        let waiting = Arc::new(Waiting::default());
        frame.follow_permissions(&peers.gate);
        frame.consume_as(CONSUMER, Listener { waiting: waiting.clone() });
        frame.rounds(Partitions { worker: frame.worker.clone() });
        let channels = HashMap::from([
            (Role::Records, peers.connect(&config.records)?),
            (Role::Pipeline, peers.connect(&config.pipeline)?),
            (Role::Activities, peers.connect(&config.activities)?),
        ]);
        let app = App {
            gate: peers.gate.clone(),
            db: frame.db.clone(),
            cursor_key: config.cursor_key.clone(),
            catalogue,
            waiting,
            ask: Owners { api, channels }.ask(),
        };
        Ok((peers.gate, Routes::new(NotificationsServiceServer::new(Service::new(app)))))
    };
    frame.serve(&host, build).await
}
