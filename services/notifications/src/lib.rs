#![doc = include_str!("../README.md")]

mod app;
mod config;
pub mod event_types;
mod grpc;
pub mod journal;
pub mod waiting;

use std::sync::Arc;

use ::config::Limit;
use db::Migrations;
use fleet::Role;
use host::{HostConfig, Process, ServeError};
use proto::notifications::v1::notifications_service_server::NotificationsServiceServer;
use service::Frame;
use tonic::service::Routes;

use crate::event_types::Catalogue;
use crate::journal::{CONSUMER, Listener, Partitions};
use crate::waiting::Waiting;

pub use crate::app::App;
pub use crate::config::Config;
pub use crate::grpc::Service;

/// The migrations of the schema `notifications`.
pub const MIGRATIONS: Migrations = db::migrations!("notifications", [], ["0100_create_journal"]);

/// The limits that clients meet.
pub const LIMITS: &[Limit] = &[];

/// Connections of the worker role: relay, retries of both consumers, partitions, metrics.
const FRAME: service::Service =
    service::Service { role: Role::Notifications, migrations: &MIGRATIONS, worker_connections: 5 };

/// Runs the role until the process stops.
pub async fn serve(config: Config, host: HostConfig, process: Process) -> Result<(), ServeError> {
    let catalogue = Catalogue::new().map_err(|e| ServeError::start("the catalogue of event types", e))?;
    let frame = Frame::start(FRAME, &config.database, config.broker.clone(), &host.life.tls, process)?;
    let build = |frame: &Frame| {
        let peers = frame.peers(&config.identity, config.service_secret.clone())?;
        let waiting = Arc::new(Waiting::default());
        frame.follow_permissions(&peers.gate);
        frame.consume_as(CONSUMER, Listener { waiting });
        frame.rounds(Partitions { worker: frame.worker.clone() });
        let app = App { gate: peers.gate.clone(), catalogue };
        Ok((peers.gate, Routes::new(NotificationsServiceServer::new(Service::new(app)))))
    };
    frame.serve(&host, build).await
}
