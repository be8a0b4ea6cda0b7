//! The settings of the role.

use ::config::{Hot, Reader, Seconds, Section, default};
use blobs::BlobConfig;
use db::DatabaseConfig;
use events::AmqpConfig;
use fleet::Role;
use operations::config::RetentionConfig;
use query::CursorKey;
use record::MaintenanceConfig;
use record::config::PhoneConfig;
use rpc::{Peer, ServiceSecret};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::quota::Quotas;

/// The settings of `GLOBCRM_RECORDS_…`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database.
    pub database: Hot<DatabaseConfig>,
    /// The broker.
    pub broker: AmqpConfig,
    /// Where keys, permissions, users and teams are.
    pub identity: Peer,
    /// Where definitions of custom fields are.
    pub fields: Peer,
    /// Signs page tokens.
    pub cursor_key: CursorKey,
    /// Where phone numbers without country code belong.
    pub phones: PhoneConfig,
    /// When the trash is emptied and derived data is compared.
    pub maintenance: MaintenanceConfig,
    /// How long uploads are kept that no import reads.
    pub uploads: UploadConfig,
    /// How long operations that are over are kept, with their errors.
    pub retention: RetentionConfig,
    /// What one tenant may have.
    pub quotas: Quotas,
    /// Where uploaded bytes are kept.
    pub blobs: BlobConfig,
    /// With which imports act for who asked for them.
    pub service_secret: ServiceSecret,
}

/// How long uploads are kept.
#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
pub struct UploadConfig {
    /// How long uploaded bytes are kept that no import reads; at least an hour.
    // An upload's row is there a moment before its bytes have their name.
    #[serde(rename = "upload_retention", default = "default::seconds::<604_800>")]
    #[schemars(range(min = 3_600))]
    pub retention: Seconds,
}

impl Section for Config {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let (database, broker) = (r.hot_secrets(), AmqpConfig::read(r));
        let (identity, fields) = (Peer::read(r, Role::Identity), Peer::read(r, Role::Fields));
        let cursor_key = CursorKey::read(r);
        let (phones, maintenance) = (r.group(), r.group());
        let (uploads, retention, quotas) = (r.group(), r.group(), Quotas::read(r));
        let blobs = BlobConfig::read(r);
        let service_secret = ServiceSecret::read(r);
        Some(Self {
            database: database?,
            broker: broker?,
            identity: identity?,
            fields: fields?,
            cursor_key: cursor_key?,
            phones: phones?,
            maintenance: maintenance?,
            uploads: uploads?,
            retention: retention?,
            quotas: quotas?,
            blobs: blobs?,
            service_secret: service_secret?,
        })
    }
}
