//! The settings of the role.

use ::config::{Hot, Reader, Section};
use db::DatabaseConfig;
use events::AmqpConfig;
use fleet::Role;
use operations::Quota;
use operations::config::RetentionConfig;
use query::CursorKey;
use record::MaintenanceConfig;
use record::config::PhoneConfig;
use rpc::{Peer, ServiceSecret};

/// The settings of `GLOBCRM_ACTIVITIES_…`.
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
    /// Where contacts and companies are.
    pub records: Peer,
    /// Where deals are.
    pub pipeline: Peer,
    /// Signs page tokens.
    pub cursor_key: CursorKey,
    /// Where phone numbers without country code belong.
    pub phones: PhoneConfig,
    /// When the trash is emptied and derived data is compared.
    pub maintenance: MaintenanceConfig,
    /// How long operations that are over are kept, with their errors.
    pub retention: RetentionConfig,
    /// How many operations one tenant may have.
    pub quota: Quota,
    /// With which the service proves itself to others, and its operations and calendars act for whose they are.
    pub service_secret: ServiceSecret,
}

impl Section for Config {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let (database, broker) = (r.hot_secrets(), AmqpConfig::read(r));
        let identity = Peer::read(r, Role::Identity);
        let fields = Peer::read(r, Role::Fields);
        let records = Peer::read(r, Role::Records);
        let pipeline = Peer::read(r, Role::Pipeline);
        let cursor_key = CursorKey::read(r);
        let (phones, maintenance) = (r.group(), r.group());
        let (retention, quota) = (r.group(), r.group());
        let service_secret = ServiceSecret::read(r);
        Some(Self {
            database: database?,
            broker: broker?,
            identity: identity?,
            fields: fields?,
            records: records?,
            pipeline: pipeline?,
            cursor_key: cursor_key?,
            phones: phones?,
            maintenance: maintenance?,
            retention: retention?,
            quota: quota?,
            service_secret: service_secret?,
        })
    }
}
