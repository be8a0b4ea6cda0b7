#![doc = include_str!("../README.md")]

mod activities;
mod app;
mod bulk;
mod calendar;
mod config;
mod grpc;
mod naming;
mod notes;
mod timeline;

use std::sync::Arc;

use ::config::Limit;
use auth::VerifiedTenant;
use db::{DatabaseConfig, Db, DbError, Migrations};
use fleet::Role;
use host::{HostConfig, Process, ServeError};
use ids::TenantId;
use proto::activities::v1::activities_service_server::ActivitiesServiceServer;
use record::definitions::Definitions;
use record::reference::References;
use record::{Env, peers, tasks};
use rpc::fields::Fields;
use rpc::pipeline::Pipeline;
use rpc::records::Records;
use service::Frame;
use tonic::service::Routes;

pub use crate::activities::{Reminding, machine};
pub use crate::app::App;
pub use crate::bulk::{bulk, operations};
pub use crate::calendar::CalendarOwner;
pub use crate::config::Config;
pub use crate::grpc::Service;
pub use crate::timeline::{Listener as TimelineListener, Rebuilt, rebuild as rebuild_timeline};

/// The migrations of the schema `activities`.
pub const MIGRATIONS: Migrations = db::migrations!(
    "activities",
    [db::migrate::RECORD, db::migrate::OPERATIONS],
    [
        "0100_create_notes",
        "0170_index_note_trash",
        "0180_create_activities",
        "0181_create_reminder_due",
        "0182_add_recurrence",
        "0190_create_timeline",
        "0200_index_calendar",
        "0201_add_bulk_operations",
        "0202_add_mentions",
        "0203_index_pinned",
        "0204_create_note_told",
        "0205_tell_links_of_creations"
    ]
);

/// The objects whose records are kept here.
pub const OBJECTS: &[&record::Object] = &[&notes::NOTE, &activities::ACTIVITY];

/// The objects of other services whose records may be named here.
pub const PEER_OBJECTS: &[&str] = &["contact", "company", "deal"];

/// The limits of activities that clients meet.
pub const LIMITS: &[Limit] = &[Limit::new("activities of a calendar feed", calendar::MAX_ENTRIES as u64, "")];

/// Connections of the worker role: relay, retries of both consumers, purge, reconciler, reminders, claims and purge of operations, metrics.
const FRAME: service::Service =
    service::Service { role: Role::Activities, migrations: &MIGRATIONS, worker_connections: 9 };

/// Runs the role until the process stops.
pub async fn serve(config: Config, host: HostConfig, process: Process) -> Result<(), ServeError> {
    let frame = Frame::start(FRAME, &config.database, config.broker.clone(), &host.life.tls, process)?;
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
        frame.consume(timeline::TASK, timeline::PATTERNS, timeline::Listener { clock: frame.clock.clone() });
        frame.rounds(Reminding {
            db: frame.db.clone(),
            worker: frame.worker.clone(),
            clock: frame.clock.clone(),
            wake: frame.wake.clone(),
        });
        let service_token = ::operations::service_token(peers.identity.clone());
        let acting = ::operations::Acting { gate: peers.gate.clone(), service_token: service_token.clone() };
        let operations = operations(&env, frame.worker.clone());
        let bulk = bulk(&env, &operations, config.quota, acting);
        let worker = bulk.clone();
        frame.spawn("activities.bulk", |shutdown| worker.work(shutdown));
        frame.rounds(::operations::Purge {
            role: Role::Activities,
            db: frame.db.clone(),
            worker: frame.worker.clone(),
            clock: frame.clock.clone(),
            retention: config.retention.of_operations.0,
            kept: ::bulk::Records,
        });
        let calendar_owner = calendar::calendar_owner(peers.identity);
        let gate = peers.gate.clone();
        let app = Arc::new(App { gate, env, operations, bulk, calendar_owner, service_token });
        Ok((peers.gate, Routes::new(ActivitiesServiceServer::new(Service(app)))))
    };
    frame.serve(&host, build).await
}

/// Makes the timelines of an organization anew: for an operator, who has the database's credentials.
pub async fn rebuild_timelines(database: &DatabaseConfig, tenant: TenantId) -> Result<Rebuilt, DbError> {
    let db = Db::new(database, Role::Activities.name())?;
    let rebuilt = timeline::rebuild(&db, VerifiedTenant::from_claim(tenant)).await;
    db.close().await;
    rebuilt
}
