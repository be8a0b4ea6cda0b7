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

/// What is said of a variable that [`postgres_url`] does not take.
pub const POSTGRES_URL: &str = "must be a URL of PostgreSQL, like postgres://user:password@host:5432/database; sslmode=verify-full and sslrootcert only together, and not sslmode=verify-ca";

/// Reads a URL of PostgreSQL, of which no part may look secured and not be.
pub fn postgres_url<'de, D: Deserializer<'de>>(d: D) -> Result<SecretString, D::Error> {
    checked(d, |url: &SecretString| is_usable(url.expose_secret()))
}

/// Whether it can be read, and names authorities if and only if the server's certificate is checked by them. `verify-ca` asks for no name,
/// and sqlx trusts public authorities next to those of the file: it would take anybody who has a certificate of the web.
fn is_usable(url: &str) -> bool {
    PgConnectOptions::from_str(url).is_ok_and(|options| match options.get_ssl_mode() {
        PgSslMode::VerifyFull => names_authorities(url),
        PgSslMode::VerifyCa => false,
        _ => !names_authorities(url),
    })
}

fn names_authorities(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query
        .split('&')
        .filter_map(|parameter| parameter.split_once('='))
        .any(|(name, file)| matches!(name, "sslrootcert" | "ssl-root-cert" | "ssl-ca") && !file.is_empty())
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

#[cfg(test)]
mod tests {
    use config::{Env, load};

    use super::*;

    const URL: &str = "postgres://app:pw@db:5432/globcrm";

    fn read(url: &str) -> Result<(), String> {
        let env: Env = ["DATABASE_URL", "WORKER_DATABASE_URL"]
            .map(|name| (format!("GLOBCRM_X_{name}"), url))
            .into_iter()
            .collect();
        load::<DatabaseConfig>(&env, "X").map(drop).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_url_that_looks_secured_is_secured() {
        for good in [
            "",
            "?sslmode=disable",
            "?sslmode=require",
            "?sslmode=verify-full&sslrootcert=/ca.pem",
            "?ssl-mode=VERIFY-FULL&application_name=x&ssl-root-cert=/ca.pem",
            "?ssl-ca=/ca.pem&sslmode=verify-full",
        ] {
            read(&format!("{URL}{good}")).unwrap();
        }
        for bad in [
            // Any certificate of the web would do.
            "?sslmode=verify-ca&sslrootcert=/ca.pem",
            "?sslmode=verify-full",
            "?sslmode=verify-full&sslrootcert=",
            "?sslmode=verify-full&options[x]=sslrootcert=/ca.pem",
            // A file that nothing is checked by.
            "?sslrootcert=/ca.pem",
            "?sslmode=require&sslrootcert=/ca.pem",
            "?sslmode=prefer&ssl-ca=/ca.pem",
        ] {
            let problems = read(&format!("{URL}{bad}")).unwrap_err();
            assert!(
                problems.contains("GLOBCRM_X_DATABASE_URL must be a URL of PostgreSQL"),
                "{bad}: {problems}"
            );
            assert!(!problems.contains("pw@"), "{problems}");
        }
    }

    #[test]
    fn a_password_names_no_authorities() {
        let url = "postgres://app:sslrootcert=x@db:5432/globcrm?sslmode=verify-full";
        read(url).unwrap_err();
        read(&url.replace("?sslmode=verify-full", "")).unwrap();
    }
}
