//! The settings of the role.

use std::time::Duration;

use ::config::{Reader, Section};
use db::DatabaseConfig;
use events::AmqpConfig;
use field_types::phone::Region;
use fleet::Role;
use operations::Quota;
use query::CursorKey;
use record::MaintenanceConfig;
use rpc::{Peer, ServiceSecret};

/// The settings of `GLOBCRM_ACTIVITIES_…`.
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
    /// Where contacts and companies are.
    pub records: Peer,
    /// Where deals are.
    pub pipeline: Peer,
    /// Signs page tokens.
    pub cursor_key: CursorKey,
    /// Where phone numbers without country code belong.
    pub region: Option<Region>,
    /// When the trash is emptied and derived data is compared.
    pub maintenance: MaintenanceConfig,
    /// How long operations that are over are kept, with their errors.
    pub operation_retention: Duration,
    /// How many operations one tenant may have.
    pub quota: Quota,
    /// With which the service proves itself to others, and its operations and calendars act for whose they are.
    pub service_secret: ServiceSecret,
}

impl Section for Config {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let database = DatabaseConfig::read(r);
        let broker = AmqpConfig::read(r);
        let identity = Peer::read(r, Role::Identity);
        let fields = Peer::read(r, Role::Fields);
        let records = Peer::read(r, Role::Records);
        let pipeline = Peer::read(r, Role::Pipeline);
        let cursor_key = CursorKey::read(r);
        let region = record::config::region(r);
        let maintenance = MaintenanceConfig::read(r);
        let operation_retention = operations::config::retention(r);
        let quota = Quota::read(r);
        let service_secret = ServiceSecret::read(r);
        Some(Self {
            database: database?,
            broker: broker?,
            identity: identity?,
            fields: fields?,
            records: records?,
            pipeline: pipeline?,
            cursor_key: cursor_key?,
            region: region?,
            maintenance: maintenance?,
            operation_retention: operation_retention?,
            quota: quota?,
            service_secret: service_secret?,
        })
    }
}
