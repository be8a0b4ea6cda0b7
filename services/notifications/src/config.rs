//! The settings of the role.

use ::config::{Hot, Reader, Section};
use db::DatabaseConfig;
use events::AmqpConfig;
use fleet::Role;
use query::CursorKey;
use rpc::{Peer, ServiceSecret};

/// The settings of `GLOBCRM_NOTIFICATIONS_…`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database.
    pub database: Hot<DatabaseConfig>,
    /// The broker.
    pub broker: AmqpConfig,
    /// Where keys and permissions come from.
    pub identity: Peer,
    /// Where contacts and companies are.
    pub records: Peer,
    /// Where deals are.
    pub pipeline: Peer,
    /// Where activities and notes are.
    pub activities: Peer,
    /// Seals cursors.
    pub cursor_key: CursorKey,
    /// With which the service proves itself to others.
    pub service_secret: ServiceSecret,
}

impl Section for Config {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let (database, broker) = (r.hot_secrets(), AmqpConfig::read(r));
        let identity = Peer::read(r, Role::Identity);
        let records = Peer::read(r, Role::Records);
        let pipeline = Peer::read(r, Role::Pipeline);
        let activities = Peer::read(r, Role::Activities);
        let (cursor_key, service_secret) = (CursorKey::read(r), ServiceSecret::read(r));
        Some(Self {
            database: database?,
            broker: broker?,
            identity: identity?,
            records: records?,
            pipeline: pipeline?,
            activities: activities?,
            cursor_key: cursor_key?,
            service_secret: service_secret?,
        })
    }
}
