//! The settings of the role.

use ::config::{Reader, Section};
use db::DatabaseConfig;
use events::AmqpConfig;
use rpc::IdentityPeer;

/// The settings of `GLOBCRM_FIELDS_…`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database.
    pub database: DatabaseConfig,
    /// The broker.
    pub broker: AmqpConfig,
    /// Where keys and permissions come from.
    pub identity: IdentityPeer,
}

impl Section for Config {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let database = DatabaseConfig::read(r);
        let broker = AmqpConfig::read(r);
        let identity = IdentityPeer::read(r);
        Some(Self { database: database?, broker: broker?, identity: identity? })
    }
}
