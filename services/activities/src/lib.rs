#![doc = include_str!("../README.md")]

mod activities;
mod config;
mod grpc;
mod naming;
mod notes;

use db::Migrations;
use fleet::Role;
use host::{HostConfig, Process, ServeError};
use proto::activities::v1::activities_service_server::ActivitiesServiceServer;
use record::definitions::Definitions;
use record::reference::References;
use record::{Env, peers, tasks};
use rpc::fields::Fields;
use rpc::pipeline::Pipeline;
use rpc::records::Records;
use service::Frame;
use tonic::service::Routes;

pub use activities::{Reminding, machine};
pub use config::Config;
pub use grpc::Service;

/// The migrations of the schema `activities`.
pub const MIGRATIONS: Migrations = db::migrations!(
    "activities",
    [db::migrate::RECORD],
    [
        "0100_create_notes",
        "0170_index_note_trash",
        "0180_create_activities",
        "0181_create_reminder_due",
        "0182_add_recurrence"
    ]
);

/// The objects whose records are kept here.
pub const OBJECTS: &[&record::Object] = &[&notes::NOTE, &activities::ACTIVITY];

/// The objects of other services whose records may be named here.
pub const PEER_OBJECTS: &[&str] = &["contact", "company", "deal"];

/// Connections of the worker role: relay, retries, purge, reconciler, reminders, metrics.
const FRAME: service::Service =
    service::Service { role: Role::Activities, migrations: &MIGRATIONS, worker_connections: 6 };

/// Runs the role until the process stops.
pub async fn serve(config: Config, host: HostConfig, process: Process) -> Result<(), ServeError> {
    let frame = Frame::start(FRAME, &config.database, config.broker.clone(), process)?;
    let build = |frame: &Frame| {
        let peers = frame.peers(&config.identity, config.service_secret.clone())?;
        let records = Records::new(peers.connect(&config.records)?);
        let pipeline = Pipeline::new(peers.connect(&config.pipeline)?);
        let references = References::to_people(peers::people(peers.identity.clone()))
            .named_by(peers::user_names(peers.identity.clone()))
            .and_to(&["contact", "company"], peers::records(records.clone()))
            .named_by(peers::record_names(records))
            .and_to(&["deal"], peers::deals(pipeline.clone()))
            .named_by(peers::deal_names(pipeline));
        let env = Env {
            role: Role::Activities,
            objects: OBJECTS,
            db: frame.db.clone(),
            clock: frame.clock.clone(),
            wake: frame.wake.clone(),
            cursor_key: config.cursor_key.clone(),
            region: config.region,
            definitions: Definitions::new(peers::definitions(Fields::new(peers.connect(&config.fields)?))),
            references,
        };
        frame.follow_permissions(&peers.gate);
        tasks::follow_definitions(frame, &env);
        tasks::follow_references(
            frame,
            &env,
            PEER_OBJECTS,
            &[
                "records.*.deleted.v1",
                "records.*.restored.v1",
                "records.*.purged.v1",
                "pipeline.deal.deleted.v1",
                "pipeline.deal.restored.v1",
                "pipeline.deal.purged.v1",
            ],
        );
        tasks::start_maintenance(frame, &env, config.maintenance);
        frame.rounds(Reminding {
            db: frame.db.clone(),
            worker: frame.worker.clone(),
            clock: frame.clock.clone(),
            wake: frame.wake.clone(),
        });
        let service = Service::new(peers.gate.clone(), env);
        Ok((peers.gate, Routes::new(ActivitiesServiceServer::new(service))))
    };
    frame.serve(&host, build).await
}
