#![doc = include_str!("../README.md")]

mod app;
mod config;
mod document;
mod fields;
mod grpc;
mod pipelines;
mod roles;

use std::sync::Arc;

use ::config::Limit;
use db::Migrations;
use fleet::Role;
use host::{HostConfig, Process, ServeError};
use proto::pipeline::v1::pipeline_service_server::PipelineServiceServer;
use service::Frame;
use tonic::service::Routes;

use crate::pipelines::first;

pub use crate::app::App;
pub use crate::config::Config;
pub use crate::grpc::Service;
pub use crate::roles::AskRoles;

/// The migrations of the schema `pipeline`.
pub const MIGRATIONS: Migrations = db::migrations!("pipeline", [], ["0100_create_pipeline"]);

/// The limits of pipelines that clients meet.
pub const LIMITS: &[Limit] = &[
    Limit::new("pipelines of an organization", pipelines::MAX_PIPELINES as u64, ""),
    Limit::new("versions of a pipeline that are yet to come into force", pipelines::MAX_SCHEDULED as u64, ""),
    Limit::new("stages of a pipeline", document::MAX_STAGES as u64, ""),
    Limit::new("stages and rules of a pipeline", document::MAX_BYTES as u64, "bytes"),
];

/// Connections of the worker role: relay, retries, metrics.
const FRAME: service::Service =
    service::Service { role: Role::Pipeline, migrations: &MIGRATIONS, worker_connections: 3 };

/// Runs the role until the process stops.
pub async fn serve(config: Config, host: HostConfig, process: Process) -> Result<(), ServeError> {
    let frame = Frame::start(FRAME, &config.database, config.broker, process)?;
    let build = |frame: &Frame| {
        let peers = frame.peers(&config.identity, config.service_secret)?;
        let gate = peers.gate;
        frame.follow_permissions(&gate);
        let app = App {
            gate: gate.clone(),
            db: frame.db.clone(),
            clock: frame.clock.clone(),
            cursor_key: config.cursor_key,
            wake: frame.wake.clone(),
            roles: roles::from_identity(peers.identity),
        };
        let app = Arc::new(app);
        frame.consume(first::TASK, first::PATTERNS, first::Listener(app.clone()));
        Ok((gate, Routes::new(PipelineServiceServer::new(Service(app)))))
    };
    frame.serve(&host, build).await
}
