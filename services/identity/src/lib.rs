#![doc = include_str!("../README.md")]

mod api_keys;
mod app;
mod audit;
mod calendar_feeds;
mod call;
mod changes;
mod config;
mod directory;
mod entropy;
mod grpc;
mod jobs;
mod metrics;
mod network;
mod organization;
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

use ::config::Limit;
use db::Migrations;
use fleet::Role;
use host::{HostConfig, Process, ServeError};
use proto::identity::v1::identity_service_server::IdentityServiceServer;
use service::Frame;
use tonic::service::Routes;

pub use app::{App, Parts};
pub use changes::{AuditKey, AuditKeyTooShort, Settle};
pub use config::{Config, PasswordConfig, SignUpConfig};
pub use entropy::Entropy;
pub use grpc::Service;
pub use service_secrets::ServiceSecrets;

/// The schema's migrations.
pub const MIGRATIONS: Migrations = db::migrations!(
    "identity",
    [],
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
        "0113_create_password_reset",
        "0114_add_refresh_successor",
        "0115_add_team_deletion",
        "0120_index_foreign_keys",
        "0121_add_duplicate_check",
        "0140_seal_audit_log",
        "0141_drop_audit_log_record",
        "0150_create_calendar_feed",
        "0151_keep_calendar_feed",
    ]
);

/// What there is at most of accounts.
pub const LIMITS: &[Limit] = &[
    Limit::new("password, at least", passwords::MIN_CHARS as u64, "characters"),
    Limit::new("password", passwords::MAX_BYTES as u64, "bytes"),
    Limit::new("API keys of a user", api_keys::create::MAX_KEYS as u64, ""),
    Limit::new("sessions of a user; the oldest ends", sessions::MOST_SESSIONS as u64, ""),
];

/// Connections of the worker role: the relay's, retries of reports, and one for metrics.
const FRAME: service::Service =
    service::Service { role: Role::Identity, migrations: &MIGRATIONS, worker_connections: 4 };

/// Runs the role until the process stops.
pub async fn serve(config: Config, host: HostConfig, process: Process) -> Result<(), ServeError> {
    let frame = Frame::start(FRAME, &config.database, config.broker.clone(), &host.life.tls, process)?;
    metrics::show();
    let build = |frame: &Frame| {
        let parts = Parts::of(&config, frame.db.clone(), frame.clock.clone());
        let app = App::new(parts).map_err(|e| ServeError::start("the service's parts", e))?;
        frame.rounds(jobs::cleanup::Cleanup(app.clone()));
        let reports = audit::Reports { key: config.keys.audit.clone() };
        frame.consume("identity.audit", audit::Reports::PATTERNS, reports);
        // It asks nobody else who calls: its gate is its own.
        Ok((app.gate.clone(), Routes::new(IdentityServiceServer::new(Service(app)))))
    };
    frame.serve(&host, build).await
}
