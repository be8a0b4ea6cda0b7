//! The database settings of a role.

use config::{Reader, Seconds, SecretString, Section};

/// How a role reaches its schema.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// URL of the app role.
    pub url: SecretString,
    /// URL of the worker role.
    pub worker_url: SecretString,
    /// Connections of the app pool.
    pub max_connections: u32,
    /// Connections of the app pool that one tenant may hold while others use none; half of them when not said.
    pub tenant_connections: Option<u32>,
    /// How long a request waits for a connection.
    pub acquire: Seconds,
    /// How long one statement may run.
    pub statement_timeout: Seconds,
}

impl Section for DatabaseConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let url = r.required("DATABASE_URL", "PostgreSQL URL of the role's app user");
        let worker_url =
            r.required("WORKER_DATABASE_URL", "PostgreSQL URL of the role's worker user (relay and jobs)");
        let max_connections = r.with_default("DATABASE_MAX_CONNECTIONS", "16", "Connections of the app pool");
        let tenant_connections = r.optional(
            "DATABASE_TENANT_CONNECTIONS",
            "Connections of the app pool that one tenant may hold (default: half). Connections that others use are subtracted, down to a quarter of this number, but never below 2",
        );
        let acquire =
            r.with_default("DATABASE_ACQUIRE_TIMEOUT", "2", "How long a request waits for a connection");
        let statement_timeout =
            r.with_default("DATABASE_STATEMENT_TIMEOUT", "10", "How long one statement may run");
        Some(Self {
            url: url?,
            worker_url: worker_url?,
            max_connections: max_connections?,
            tenant_connections: tenant_connections?,
            acquire: acquire?,
            statement_timeout: statement_timeout?,
        })
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
