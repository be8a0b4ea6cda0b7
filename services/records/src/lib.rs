#![doc = include_str!("../README.md")]

mod app;
mod companies;
mod config;
mod contact_points;
mod contacts;
mod files;
mod grpc;
mod indexing;
mod last_activity;
mod links;
mod naming;
mod peers;
mod quota;
mod uploads;

use ::config::Limit;
use blobs::Blobs;
use db::Migrations;
use fleet::Role;
use host::{HostConfig, Process, ServeError};
use proto::records::v1::records_service_server::RecordsServiceServer;
use record::tasks;
use rpc::fields::Fields;
use service::Frame;
use tonic::service::Routes;

use crate::app::App;

pub use app::Parts;
pub use config::Config;
pub use grpc::Service;
pub use imports::{DryRuns, FindUsers};
pub use last_activity::Activities;
pub use operations::ServiceToken;
pub use peers::{AskSlot, SlotStep};
pub use quota::Quotas;
pub use record::definitions::Fetch as FetchDefinitions;
pub use record::reference::Ask as AskPeople;
pub use uploads::purge::UploadPurge;

/// The migrations of the schema `records`; those of uploads and imports begin at 0150.
pub const MIGRATIONS: Migrations = db::migrations!(
    "records",
    [db::migrate::RECORD, db::migrate::OPERATIONS],
    [
        "0100_create_contacts",
        "0101_create_companies",
        "0102_create_contact_company",
        "0103_create_phones",
        "0150_create_upload",
        "0151_extend_operation",
        "0152_create_analyze_contacts",
        "0153_create_dry_run",
        "0160_add_detected_to_operation",
        "0165_create_analyze_companies",
        "0170_index_contact_filters",
        "0171_index_company_filters",
        "0172_add_email_domain",
        "0173_index_operations",
        "0180_number_slot_assignments",
        "0190_add_bulk_operations",
        "0195_follow_activities",
        "0200_create_import_notes",
        "0201_add_read_at_to_upload",
        "0202_drop_dry_run",
    ]
);

/// What an import and a contact may have.
pub const LIMITS: &[Limit] = &[
    Limit::new("companies that a contact is linked to", links::MAX_LINKS as u64, ""),
    Limit::new("columns of an imported file", files::MAX_COLUMNS as u64, ""),
    Limit::new("rows of an imported file", files::MAX_ROWS, ""),
    Limit::new("row of an imported file", files::MAX_ROW as u64, "bytes"),
    Limit::new(
        "errors that are kept of an import; the others are counted",
        operations::MAX_ERRORS as u64,
        "",
    ),
];

/// Connections of the worker role: relay, retries of the three consumers, purge, claims of operations, metrics.
const FRAME: service::Service =
    service::Service { role: Role::Records, migrations: &MIGRATIONS, worker_connections: 7 };

/// Runs the role until the process stops.
pub async fn serve(config: Config, host: HostConfig, process: Process) -> Result<(), ServeError> {
    let blobs = uploads::files(&config.blobs).await?;
    let frame = Frame::start(FRAME, &config.database, config.broker.clone(), &host.life.tls, process)?;
    let build = |frame: &Frame| {
        let parts = parts(frame, &config, blobs.clone())?;
        let gate = parts.gate.clone();
        frame.follow_permissions(&gate);
        let service = Service::new(parts);
        tasks::follow_definitions(frame, &service.0.env);
        let listener = indexing::listener::Listener(service.0.clone());
        frame.consume(FRAME.role.names().new_fields, indexing::listener::PATTERNS, listener);
        frame.consume(last_activity::TASK, last_activity::PATTERNS, Activities);
        tasks::start_maintenance(frame, &service.0.env, config.maintenance);
        let importing = service.clone();
        frame.spawn("records.imports", |shutdown| importing.work_imports(shutdown));
        let indexing = service.clone();
        frame.spawn("records.indexing", |shutdown| indexing.work_indexing(shutdown));
        let bulk = service.clone();
        frame.spawn("records.bulk", |shutdown| bulk.work_bulk(shutdown));
        work(frame, &config, blobs);
        Ok((gate, Routes::new(RecordsServiceServer::new(service))))
    };
    frame.serve(&host, build).await
}

fn parts(frame: &Frame, config: &Config, blobs: Blobs) -> Result<Parts, ServeError> {
    let peers = frame.peers(&config.identity, config.service_secret.clone())?;
    let fields = Fields::new(peers.connect(&config.fields)?);
    Ok(Parts {
        db: frame.db.clone(),
        clock: frame.clock.clone(),
        cursor_key: config.cursor_key.clone(),
        region: config.phones.region,
        definitions: record::peers::definitions(fields.clone()),
        slots: peers::slots(fields),
        people: record::peers::people(peers.identity.clone()),
        names: record::peers::user_names(peers.identity.clone()),
        users: imports::users(peers.identity.clone()),
        wake: frame.wake.clone(),
        worker: frame.worker.clone(),
        blobs,
        quotas: config.quotas,
        service_token: operations::service_token(peers.identity),
        gate: peers.gate,
    })
}

/// Starts what goes on round after round for uploads and operations.
fn work(frame: &Frame, config: &Config, blobs: Blobs) {
    let (db, worker, clock) = (|| frame.db.clone(), || frame.worker.clone(), || frame.clock.clone());
    let retention = config.uploads.retention.0;
    frame.rounds(UploadPurge { db: db(), worker: worker(), clock: clock(), blobs, retention });
    let retention = config.retention.of_operations.0;
    let (role, kept) = (Role::Records, (DryRuns, bulk::Records));
    frame.rounds(operations::Purge { role, db: db(), worker: worker(), clock: clock(), retention, kept });
}

/// The objects whose records are kept here.
pub const OBJECTS: &[&record::Object] = &[&contacts::CONTACT, &companies::COMPANY];

#[cfg(test)]
mod importable_tests;
#[cfg(test)]
mod tests;
