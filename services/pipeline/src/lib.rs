#![doc = include_str!("../README.md")]

mod app;
mod bulk;
mod config;
mod deals;
mod document;
mod fields;
mod grpc;
mod importing;
mod pipelines;
mod reports;
mod roles;

use std::sync::Arc;

use ::config::Limit;
use db::Migrations;
use fleet::Role;
use host::{HostConfig, Process, ServeError};
use proto::pipeline::v1::pipeline_service_server::PipelineServiceServer;
use record::definitions::Definitions;
use record::reference::References;
use record::{Env, peers, tasks};
use rpc::fields::Fields;
use rpc::records::Records;
use service::Frame;
use tokio::sync::Notify;
use tonic::service::Routes;

use crate::pipelines::first;

pub use crate::app::App;
pub use crate::bulk::{bulk, operations};
pub use crate::config::Config;
pub use crate::deals::Mapping;
pub use crate::grpc::Service;
pub use crate::importing::{FindRecords, Peers, UploadReader, imports};
pub use crate::roles::AskRoles;

/// The migrations of the schema `pipeline`.
pub const MIGRATIONS: Migrations = db::migrations!(
    "pipeline",
    [db::migrate::RECORD, db::migrate::OPERATIONS],
    [
        "0100_create_pipeline",
        "0110_create_deals",
        "0120_report_on_deals",
        "0130_add_bulk_operations",
        "0140_add_imports",
        "0141_create_analyze_deals",
    ]
);

/// The objects whose records are kept here.
pub const OBJECTS: &[&record::Object] = &[&deals::DEAL];

/// The objects of other services whose records may be named here.
pub const PEER_OBJECTS: &[&str] = &["contact", "company"];

/// The limits of pipelines that clients meet.
pub const LIMITS: &[Limit] = &[
    Limit::new("pipelines of an organization", pipelines::MAX_PIPELINES as u64, ""),
    Limit::new("versions of a pipeline that are yet to come into force", pipelines::MAX_SCHEDULED as u64, ""),
    Limit::new("stages of a pipeline", document::MAX_STAGES as u64, ""),
    Limit::new("stages and rules of a pipeline", document::MAX_BYTES as u64, "bytes"),
];

/// Connections of the worker role: relay, retries of both consumers, purge, reconciler, stage mapping, claims of both jobs, purge of operations,
/// metrics.
const FRAME: service::Service =
    service::Service { role: Role::Pipeline, migrations: &MIGRATIONS, worker_connections: 10 };

/// Runs the role until the process stops.
pub async fn serve(config: Config, host: HostConfig, process: Process) -> Result<(), ServeError> {
    let frame = Frame::start(FRAME, &config.database, config.broker.clone(), &host.life.tls, process)?;
    deals::show_outcomes();
    let build = |frame: &Frame| {
        let peers = frame.peers(&config.identity, config.service_secret.clone())?;
        let uploads = Records::new(peers.connect(&config.records)?);
        let references = References::to_people(peers::people(peers.identity.clone()))
            .named_by(peers::user_names(peers.identity.clone()))
            .and_to(PEER_OBJECTS, peers::records(uploads.clone()))
            .named_by(peers::record_names(uploads.clone()));
        let env = Env {
            role: Role::Pipeline,
            objects: OBJECTS,
            db: frame.db.clone(),
            clock: frame.clock.clone(),
            wake: frame.wake.clone(),
            cursor_key: config.cursor_key.clone(),
            region: config.phones.region,
            definitions: Definitions::new(peers::definitions(Fields::new(peers.connect(&config.fields)?))),
            references,
        };
        frame.follow_permissions(&peers.gate);
        tasks::follow_definitions(frame, &env);
        tasks::follow_references(
            frame,
            &env,
            PEER_OBJECTS,
            &["records.*.deleted.v1", "records.*.restored.v1", "records.*.purged.v1"],
        );
        tasks::start_maintenance(frame, &env, config.maintenance);
        let published = Arc::new(Notify::new());
        frame.rounds(Mapping {
            db: frame.db.clone(),
            worker: frame.worker.clone(),
            clock: frame.clock.clone(),
            wake: frame.wake.clone(),
            published: published.clone(),
        });
        let service_token = ::operations::service_token(peers.identity.clone());
        let acting = ::operations::Acting { gate: peers.gate.clone(), service_token };
        let operations = operations(&env, frame.worker.clone());
        let bulk = bulk(&env, &operations, config.quota, acting.clone());
        let asked = importing::Peers::of(::imports::users(peers.identity.clone()), uploads);
        let imports = imports(&env, &operations, (config.quota, acting), asked);
        let importing = imports.clone();
        frame.spawn("pipeline.imports", |shutdown| importing.work(shutdown));
        let worker = bulk.clone();
        frame.spawn("pipeline.bulk", |shutdown| worker.work(shutdown));
        let (role, kept) = (Role::Pipeline, (::imports::DryRuns, ::bulk::Records));
        let (db, worker, clock) = (frame.db.clone(), frame.worker.clone(), frame.clock.clone());
        let retention = config.retention.of_operations.0;
        frame.rounds(::operations::Purge { role, db, worker, clock, retention, kept });
        let roles = roles::from_identity(peers.identity);
        let app =
            Arc::new(App { gate: peers.gate.clone(), env, operations, bulk, imports, roles, published });
        frame.consume(first::TASK, first::PATTERNS, first::Listener(app.clone()));
        Ok((peers.gate, Routes::new(PipelineServiceServer::new(Service(app)))))
    };
    frame.serve(&host, build).await
}
