//! The settings of the role.

use ::config::{Hot, Reader, Section};
use db::DatabaseConfig;
use events::AmqpConfig;
use fleet::Role;
use query::CursorKey;
use rpc::{Peer, ServiceSecret};

/// The settings of `GLOBCRM_FIELDS_…`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database.
    pub database: Hot<DatabaseConfig>,
    /// The broker.
    pub broker: AmqpConfig,
    /// Where keys and permissions come from.
    pub identity: Peer,
    /// Signs page tokens.
    pub cursor_key: CursorKey,
    /// Proves to identity who asks.
    pub service_secret: ServiceSecret,
}

impl Section for Config {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let (database, broker) = (r.hot_secrets(), AmqpConfig::read(r));
        let identity = Peer::read(r, Role::Identity);
        let (cursor_key, service_secret) = (CursorKey::read(r), ServiceSecret::read(r));
        Some(Self {
            database: database?,
            broker: broker?,
            identity: identity?,
            cursor_key: cursor_key?,
            service_secret: service_secret?,
        })
    }
}
