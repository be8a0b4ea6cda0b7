#![doc = include_str!("../README.md")]

mod app;
mod config;
mod fields;
mod grpc;

use std::sync::Arc;

use ::config::Limit;
use db::Migrations;
use fleet::Role;
use host::{HostConfig, Process, ServeError};
use proto::fields::v1::fields_service_server::FieldsServiceServer;
use service::Frame;
use tonic::service::Routes;

use crate::app::App;
use crate::fields::limits;

pub use crate::config::Config;
pub use crate::grpc::Service;

/// The migrations of the schema `fields`.
pub const MIGRATIONS: Migrations = db::migrations!(
    "fields",
    [],
    [
        "0100_create_object_version",
        "0101_create_field_definition",
        "0102_create_slot_use",
        "0110_fill_slots",
        "0120_number_slot_assignments",
    ]
);

/// What there is at most of definitions.
pub const LIMITS: &[Limit] = &[
    Limit::new("custom fields of an object, without archived ones", limits::FIELDS_IN_USE as u64, ""),
    Limit::new("custom fields of an object in all", limits::FIELDS_IN_ALL as u64, ""),
    Limit::new("options of a custom field", limits::OPTIONS as u64, ""),
    Limit::new("options of all custom fields of an object together", limits::OPTIONS_IN_ALL as u64, ""),
];

/// Connections of the worker role: relay, retries, metrics.
const FRAME: service::Service =
    service::Service { role: Role::Fields, migrations: &MIGRATIONS, worker_connections: 3 };

/// Runs the role until the process stops.
pub async fn serve(config: Config, host: HostConfig, process: Process) -> Result<(), ServeError> {
    let frame = Frame::start(FRAME, &config.database, config.broker, &host.life.tls, process)?;
    let build = |frame: &Frame| {
        let gate = frame.peers(&config.identity, config.service_secret)?.gate;
        frame.follow_permissions(&gate);
        let app = App {
            gate: gate.clone(),
            db: frame.db.clone(),
            clock: frame.clock.clone(),
            cursor_key: config.cursor_key,
            wake: frame.wake.clone(),
        };
        Ok((gate, Routes::new(FieldsServiceServer::new(Service(Arc::new(app))))))
    };
    frame.serve(&host, build).await
}
