//! The database settings of a role.

use std::str::FromStr;

use config::{ExposeSecret, Reader, Seconds, Secret, SecretString, Section, checked, default};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// How a role reaches its schema.
#[derive(Deserialize, JsonSchema, Debug, Clone)]
pub struct DatabaseConfig {
    /// PostgreSQL URL of the role's app user; TLS by ?sslmode=verify-full&sslrootcert=FILE.
    #[serde(rename = "database_url", deserialize_with = "postgres_url")]
    #[schemars(with = "Secret", extend("errorMessage" = POSTGRES_URL))]
    pub url: SecretString,
    /// PostgreSQL URL of the role's worker user (relay and jobs).
    #[serde(rename = "worker_database_url", deserialize_with = "postgres_url")]
    #[schemars(with = "Secret", extend("errorMessage" = POSTGRES_URL))]
    pub worker_url: SecretString,
    /// Connections of the app pool.
    #[serde(rename = "database_max_connections", default = "default::u32::<16>")]
    pub max_connections: u32,
    /// Connections of the app pool that one tenant may hold (default: half). Connections that others use are subtracted, down to a quarter
    /// of this number, but never below 2.
    #[serde(rename = "database_tenant_connections")]
    pub tenant_connections: Option<u32>,
    /// How long a request waits for a connection.
    #[serde(rename = "database_acquire_timeout", default = "default::seconds::<2>")]
    pub acquire: Seconds,
    /// How long one statement may run.
    #[serde(rename = "database_statement_timeout", default = "default::seconds::<10>")]
    pub statement_timeout: Seconds,
}

const POSTGRES_URL: &str = "must be a URL of PostgreSQL, like postgres://user:password@host:5432/database, and with sslrootcert where it has sslmode=verify-full";

fn postgres_url<'de, D: Deserializer<'de>>(d: D) -> Result<SecretString, D::Error> {
    checked(d, |url: &SecretString| is_usable(url.expose_secret()))
}

/// Whether it can be read, and names the certificates to check the server's by if it wants that: no others are meant to be trusted.
fn is_usable(url: &str) -> bool {
    PgConnectOptions::from_str(url).is_ok_and(|options| {
        let verifies = matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        !verifies || url.contains("sslrootcert=") || url.contains("ssl-root-cert=")
    })
}

impl Section for DatabaseConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group()
    }
}

impl DatabaseConfig {
    /// Connections of the app pool that one tenant may hold: two at least, for a job renews its claim beside its work.
    pub(crate) fn tenant_share(&self) -> u32 {
        self.tenant_connections.unwrap_or(self.max_connections.div_ceil(2)).max(2)
    }

    /// Those that one tenant may hold however many others use: a quarter of its share.
    pub(crate) fn tenant_share_beside(&self) -> u32 {
        self.tenant_share().div_ceil(4).max(2)
    }
}
