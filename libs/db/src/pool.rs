//! Connection pools of a role: the app's, and the worker's.

use std::sync::Arc;
use std::time::Duration;

use ::config::{ExposeSecret, Hot, SecretString};
use auth::VerifiedTenant;
use sqlx::PgConnection;
use sqlx::postgres::PgPoolOptions;

use crate::login::{CANCEL_TIMEOUT, Logins, Manner};
use crate::long_turn::TURNS;
use crate::metrics::Counters;
use crate::session::{BEGUN, Home, SNAPSHOT, Session};
use crate::shares::Shares;
use crate::{DatabaseConfig, DbError, Migrations};

/// The app role's pool: tenant tables, through [`crate::TenantTx`] only. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    pub(crate) home: Arc<Home>,
    pub(crate) shares: Arc<Shares>,
    /// Turns for statements that look at many rows.
    pub(crate) long: Arc<Shares>,
    /// How long one statement may run.
    pub(crate) statement_timeout: Duration,
}

/// The worker role's pool: outbox, inbox and job tables across tenants, and nothing else (by row-level security).
#[derive(Clone, Debug)]
pub struct WorkerDb {
    home: Arc<Home>,
}

/// A transaction of the worker role; dropped at any point, it leaves nothing, as a [`crate::TenantTx`].
#[derive(Debug)]
pub struct WorkerTx(Session);

/// sqlx-core 0.9 gives a connection's permit back before it counts the connection as idle (`PoolInner::release`): taken by another in
/// between, one is subtracted from a count of 0, and for that moment `Pool::num_idle` is `usize::MAX`. Nothing here reads it, and
/// clippy.toml sees to that; what is held is counted by `Shares`. sqlx's own reaper reads it, once in `idle_timeout`, as the end of a loop
/// that may go round without an await: should it meet that moment, one of the runtime's threads never leaves it. To be without the reaper we
/// would have to close idle connections ourselves, but what `try_acquire` gives does not tell how long it was idle.
fn pool_options(max: u32, acquire: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(max)
        .acquire_timeout(acquire)
        .idle_timeout(Duration::from_secs(300))
        .max_lifetime(Duration::from_secs(1_800))
        // A dead connection is found by the statement that fails; a ping per checkout would cost a round trip.
        .test_before_acquire(false)
}

fn home(manner: Manner, url: &str, max: u32, acquire: Duration) -> Result<Arc<Home>, DbError> {
    let login = manner.login(url)?;
    let counters = Counters::new(format!("{}-{}", manner.service, manner.kind));
    counters.connections().bounded(max);
    let home = Arc::new(Home {
        pool: pool_options(max, acquire).connect_lazy_with(login.pool.clone()),
        canceller: pool_options(1, CANCEL_TIMEOUT).connect_lazy_with(login.canceller.clone()),
        logins: Logins::new(manner, url, login),
        counters,
        acquire,
    });
    home.counters.connections().show(&home);
    Ok(home)
}

impl Home {
    /// Connections to come log in as this URL says.
    fn renew(&self, url: &SecretString) {
        // It was checked when the settings were read.
        if let Err(error) = self.logins.renew(url.expose_secret(), [&self.pool, &self.canceller]) {
            tracing::warn!(error = %error::chain(&error), "the database URL has not changed");
        }
    }

    async fn close(&self) {
        // Those in use are waited for, and may have to be cancelled meanwhile.
        self.pool.close().await;
        self.canceller.close().await;
    }
}

impl Db {
    /// A pool for the schema `service`; connects when first used, so that a role starts while the database is away.
    pub fn new(config: &DatabaseConfig, service: &str) -> Result<Self, DbError> {
        let timeout = config.statement_timeout.0;
        let places = config.max_connections;
        let manner = Manner { service: service.to_owned(), kind: "app", timeout };
        let home = home(manner, config.url.expose_secret(), places, config.acquire.0)?;
        let shares = Shares::new(
            places as usize,
            config.tenant_share() as usize,
            config.tenant_share_beside() as usize,
        );
        let long = Shares::new(TURNS, 1, 1);
        Ok(Self { home, shares, long, statement_timeout: timeout })
    }

    /// Logs in as the settings say, from their next change on; open connections stay as they are.
    pub fn follow(&self, config: &Hot<DatabaseConfig>) {
        let home = self.home.clone();
        config.follow(move |config| home.renew(&config.url));
    }

    /// Whether callers of other tenants use connections in numbers, now or half a second ago: half as many as bring this tenant's
    /// share down to the smallest. What nobody waits for then makes room for them.
    ///
    /// It is the same measure as that of the share, as what they feel is the same: the database's processors are busy. One who asks
    /// once a second feels it once a second; were that enough, it would halve what others do for as long as it likes.
    pub fn others_come(&self, tenant: VerifiedTenant) -> bool {
        self.shares.others_come(tenant.id().uuid())
    }

    /// Whether the schema is there and this binary fits it; the text says what is wrong.
    pub async fn check_schema(&self, migrations: &Migrations) -> Result<(), String> {
        crate::migrate::check(&self.home.pool, migrations).await
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        self.home.close().await;
    }
}

impl WorkerDb {
    /// A pool of at most `max` connections for the worker role of the schema `service`.
    pub fn new(config: &DatabaseConfig, service: &str, max: u32) -> Result<Self, DbError> {
        let url = config.worker_url.expose_secret();
        let timeout = Duration::from_secs(30);
        let manner = Manner { service: service.to_owned(), kind: "worker", timeout };
        Ok(Self { home: home(manner, url, max, config.acquire.0)? })
    }

    /// Logs in as the settings say, from their next change on; open connections stay as they are.
    pub fn follow(&self, config: &Hot<DatabaseConfig>) {
        let home = self.home.clone();
        config.follow(move |config| home.renew(&config.worker_url));
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<WorkerTx, DbError> {
        Ok(WorkerTx(Session::begin(&self.home, None, format!("BEGIN; {BEGUN}")).await?))
    }

    /// Begins a read-only transaction in which every statement sees the same state.
    pub async fn begin_snapshot(&self) -> Result<WorkerTx, DbError> {
        Ok(WorkerTx(Session::begin(&self.home, None, format!("{SNAPSHOT}; {BEGUN}")).await?))
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        self.home.close().await;
    }
}

impl WorkerTx {
    /// The connection, for `store.rs` functions.
    pub fn conn(&mut self) -> &mut PgConnection {
        self.0.conn()
    }

    /// Commits.
    pub async fn commit(self) -> Result<(), DbError> {
        self.0.commit().await
    }
}
