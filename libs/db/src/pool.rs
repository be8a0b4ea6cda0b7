//! Connection pools of a role: the app's, and the worker's.

use std::str::FromStr;
use std::time::Duration;

use ::config::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::{DatabaseConfig, DbError, Migrations};

/// The app role's pool: tenant tables, through [`crate::TenantTx`] only. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    pub(crate) pool: PgPool,
}

/// The worker role's pool: outbox, inbox and job tables across tenants, and nothing else (by row-level security).
#[derive(Clone, Debug)]
pub struct WorkerDb {
    pool: PgPool,
}

/// A transaction of the worker role.
#[derive(Debug)]
pub struct WorkerTx(Transaction<'static, Postgres>);

fn connect_options(
    url: &str,
    service: &str,
    kind: &str,
    timeout: Duration,
) -> Result<PgConnectOptions, DbError> {
    let options = PgConnectOptions::from_str(url)?;
    Ok(options.application_name(&format!("globcrm-{service}-{kind}")).options([
        // A generic plan cannot see the tenant: 6 to 24 times slower on skewed data (design: tenancy, finding 5).
        ("plan_cache_mode", "force_custom_plan".to_owned()),
        ("search_path", service.to_owned()),
        ("statement_timeout", timeout.as_millis().to_string()),
        ("idle_in_transaction_session_timeout", "60000".to_owned()),
        ("jit", "off".to_owned()),
    ]))
}

fn pool_options(max: u32, acquire: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(max)
        .acquire_timeout(acquire)
        .idle_timeout(Duration::from_secs(300))
        .max_lifetime(Duration::from_secs(1_800))
        // A dead connection is found by the statement that fails; a ping per checkout would cost a round trip.
        .test_before_acquire(false)
}

impl Db {
    /// A pool for the schema `service`; connects when first used, so that a role starts while the database is away.
    pub fn new(config: &DatabaseConfig, service: &str) -> Result<Self, DbError> {
        let timeout = config.statement_timeout.0;
        let options = connect_options(config.url.expose_secret(), service, "app", timeout)?;
        let pool = pool_options(config.max_connections, config.acquire.0).connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// Whether the schema is there and this binary fits it; the text says what is wrong.
    pub async fn check_schema(&self, migrations: &Migrations) -> Result<(), String> {
        crate::migrate::check(&self.pool, migrations).await
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl WorkerDb {
    /// A pool of at most `max` connections for the worker role of the schema `service`.
    pub fn new(config: &DatabaseConfig, service: &str, max: u32) -> Result<Self, DbError> {
        let url = config.worker_url.expose_secret();
        let options = connect_options(url, service, "worker", Duration::from_secs(30))?;
        Ok(Self { pool: pool_options(max, config.acquire.0).connect_lazy_with(options) })
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<WorkerTx, DbError> {
        #[allow(clippy::disallowed_methods, reason = "the worker's only way in")]
        Ok(WorkerTx(self.pool.begin().await?))
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl WorkerTx {
    /// The connection, for `store.rs` functions.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.0
    }

    /// Commits.
    pub async fn commit(self) -> Result<(), DbError> {
        Ok(self.0.commit().await?)
    }
}
