//! The settings of the role.

use std::path::PathBuf;
use std::time::Duration;

use ::config::{Reader, Seconds, Section};
use db::DatabaseConfig;
use events::AmqpConfig;
use field_types::phone::Region;
use fleet::Role;
use query::CursorKey;
use record::MaintenanceConfig;
use rpc::{Peer, ServiceSecret};

use crate::quota::Quotas;

/// Uploads are kept for at least so long.
const LEAST_UPLOAD_RETENTION: Duration = Duration::from_secs(3_600);

/// The settings of `GLOBCRM_RECORDS_…`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database.
    pub database: DatabaseConfig,
    /// The broker.
    pub broker: AmqpConfig,
    /// Where keys, permissions, users and teams are.
    pub identity: Peer,
    /// Where definitions of custom fields are.
    pub fields: Peer,
    /// Signs page tokens.
    pub cursor_key: CursorKey,
    /// Where phone numbers without country code belong.
    pub region: Option<Region>,
    /// When the trash is emptied and derived data is compared.
    pub maintenance: MaintenanceConfig,
    /// How long uploads are kept that no import reads.
    pub upload_retention: Duration,
    /// How long operations that are over are kept, with their errors.
    pub operation_retention: Duration,
    /// What one tenant may have.
    pub quotas: Quotas,
    /// Where uploaded bytes are kept.
    pub blob_dir: PathBuf,
    /// With which imports act for who asked for them.
    pub service_secret: ServiceSecret,
}

impl Section for Config {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let database = DatabaseConfig::read(r);
        let broker = AmqpConfig::read(r);
        let identity = Peer::read(r, Role::Identity);
        let fields = Peer::read(r, Role::Fields);
        let cursor_key = CursorKey::read(r);
        let region = record::config::region(r);
        let maintenance = MaintenanceConfig::read(r);
        let uploads: Option<Seconds> = r.with_default(
            "UPLOAD_RETENTION",
            "604800",
            "How long uploaded bytes are kept that no import reads; at least an hour",
        );
        let uploads = uploads.and_then(|retention| {
            // An upload's row is there a moment before its bytes have their name.
            let is_long = retention.0 >= LEAST_UPLOAD_RETENTION;
            if !is_long {
                r.refuse("UPLOAD_RETENTION", "must be at least 3600");
            }
            is_long.then_some(retention)
        });
        let operation_retention = operations::config::retention(r);
        let quotas = Quotas::read(r);
        let blob_dir =
            r.required("BLOB_DIR", "Directory of uploaded bytes; shared by all instances of records");
        let service_secret = ServiceSecret::read(r);
        Some(Self {
            database: database?,
            broker: broker?,
            identity: identity?,
            fields: fields?,
            cursor_key: cursor_key?,
            region: region?,
            maintenance: maintenance?,
            upload_retention: uploads?.0,
            operation_retention: operation_retention?,
            quotas: quotas?,
            blob_dir: blob_dir?,
            service_secret: service_secret?,
        })
    }
}
