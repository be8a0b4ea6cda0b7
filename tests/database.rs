//! Migrated databases on the server that `GLOBCRM_TEST_POSTGRES_ADMIN_URL` names (a superuser's URL).
//!
//! The roles of services belong to the whole server, and a fleet may run on it: tests leave their passwords as they were
//! and take the roles on from the administrator's connection (`role` as start-up option), which row-level security and
//! privileges treat like a login of the role.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use config::{Env, ExposeSecret, Seconds, SecretString};
use db::migrate::{Administrator, LoginRole, MigrateError, ONE_AT_A_TIME, Schema};
use db::{DatabaseConfig, Migrations};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::sync::OnceCell;

use crate::waiting;

const ADMIN_URL: &str = "GLOBCRM_TEST_POSTGRES_ADMIN_URL";

/// Who has not met a lock by then does not meet it.
const BOUND: Duration = Duration::from_secs(60);

/// A database of its own for a group of tests.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    name: &'static str,
    admin_url: SecretString,
}

impl Database {
    /// The one that the suite of a service shares, looked at once in a process: `globcrm_test_<schema>`, [kept](Self::kept).
    pub(crate) async fn shared(of: Migrations) -> Result<Self> {
        static SHARED: Mutex<BTreeMap<&'static str, Arc<OnceCell<Database>>>> = Mutex::new(BTreeMap::new());
        let shared =
            SHARED.lock().unwrap_or_else(PoisonError::into_inner).entry(of.schema).or_default().clone();
        let (name, all) = (format!("globcrm_test_{}", of.schema), [of]);
        Ok(shared.get_or_try_init(|| Self::kept(name.leak(), &all)).await?.clone())
    }

    /// The database `name`, made when missing, with these schemas at their newest; what was in it stays, so tests use
    /// fresh tenants. When a migration was changed since, the database is made anew.
    pub(crate) async fn kept(name: &'static str, all: &[Migrations]) -> Result<Self> {
        let database = Self { name, admin_url: admin_url()? };
        match database.migrate(all).await {
            Err(error) if matches!(error.downcast_ref(), Some(MigrateError::Changed { .. })) => {
                Self::fresh(name, all).await
            }
            other => other.map(|()| database),
        }
    }

    /// The database `name`, made anew, with these schemas at their newest.
    pub(crate) async fn fresh(name: &'static str, all: &[Migrations]) -> Result<Self> {
        let database = Self { name, admin_url: admin_url()? };
        let mut server = connect(database.admin_url.expose_secret()).await?;
        execute(&mut server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        server.close().await?;
        database.migrate(all).await?;
        Ok(database)
    }

    /// Keeps others from changing the roles of the server, whatever their database, until the connection is closed. Advisory locks
    /// belong to a database, so this one is taken in the administrator's.
    pub(crate) async fn hold_roles(&self) -> Result<PgConnection> {
        let mut server = connect(self.admin_url.expose_secret()).await?;
        sqlx::query("SELECT pg_advisory_lock(hashtextextended('globcrm/tests/prepare', 0))")
            .execute(&mut server)
            .await?;
        Ok(server)
    }

    async fn migrate(&self, all: &[Migrations]) -> Result<()> {
        // One at a time: preparing a role changes its password for a moment.
        let mut server = self.hold_roles().await?;
        let mut admin = Administrator::connect(&self.admin_url, self.name).await?;
        let kept: Vec<(String, String)> = sqlx::query_as(
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'globcrm\\_%' AND rolpassword IS NOT NULL",
        )
        .fetch_all(admin.conn())
        .await
        .with_context(|| format!("{ADMIN_URL} must be a superuser's"))?;
        for migrations in all {
            let role = |kind: &str| LoginRole {
                name: format!("globcrm_{}_{kind}", migrations.schema),
                password: SecretString::from("only-for-tests"),
            };
            let schema = Schema { name: migrations.schema, app: role("app"), worker: role("worker") };
            admin.prepare(&schema).await?;
        }
        // A fleet of this server may be migrated at the same time; the grants of migrations, too, write catalogs that all databases have
        // in common.
        execute(&mut server, format!("BEGIN; {ONE_AT_A_TIME}")).await?;
        for (role, verifier) in kept {
            execute(admin.conn(), format!("ALTER ROLE {role} PASSWORD '{verifier}'")).await?;
        }
        for migrations in all {
            migrations.up(admin.conn()).await?;
        }
        server.close().await?;
        Ok(())
    }

    /// The name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The administrator's URL of the server.
    pub(crate) fn server_url(&self) -> SecretString {
        self.admin_url.clone()
    }

    /// The administrator's connection.
    pub(crate) async fn admin(&self) -> Result<PgConnection> {
        connect(&self.url()).await
    }

    /// The administrator's URL of this database.
    pub(crate) fn url(&self) -> String {
        let url = self.admin_url.expose_secret();
        let (head, query) = url.split_once('?').map_or((url, None), |(head, query)| (head, Some(query)));
        let path = head.find("://").map_or(0, |at| at + 3);
        let server = head[path..].find('/').map_or(head, |slash| &head[..path + slash]);
        format!("{server}/{}?{}", self.name, query.unwrap_or_default())
    }

    /// What a service is told, with the rights of its roles.
    pub(crate) fn config(&self, service: &str) -> DatabaseConfig {
        let url = |kind: &str| {
            SecretString::from(
                format!("{}&options[role]=globcrm_{service}_{kind}", self.url()).replace("?&", "?"),
            )
        };
        DatabaseConfig {
            url: url("app"),
            worker_url: url("worker"),
            max_connections: 8,
            tenant_connections: None,
            acquire: Seconds(Duration::from_secs(20)),
            statement_timeout: Seconds(Duration::from_secs(20)),
        }
    }
}

fn admin_url() -> Result<SecretString> {
    let env = Env::process();
    let url =
        env.get(ADMIN_URL).ok_or_else(|| anyhow!("{ADMIN_URL} is not set: this test needs PostgreSQL"))?;
    Ok(SecretString::from(url))
}

async fn connect(url: &str) -> Result<PgConnection> {
    let options: sqlx::postgres::PgConnectOptions = url.parse()?;
    options
        .application_name("globcrm-tests")
        .connect()
        .await
        .with_context(|| format!("connecting by {ADMIN_URL}"))
}

/// Runs text of a test's own constants.
#[allow(clippy::disallowed_methods, reason = "tests name roles and databases from constants of their own")]
pub(crate) async fn execute(conn: &mut PgConnection, text: impl Into<String>) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(text.into())).execute(conn).await?;
    Ok(())
}

/// How many sessions of the database wait for a lock, in statements that contain `part`.
pub(crate) async fn blocked(sql: &mut PgConnection, part: &str) -> Result<i64> {
    let query = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
         AND cardinality(pg_blocking_pids(pid)) > 0 AND position($1 IN query) > 0",
    );
    Ok(query.bind(part).fetch_one(sql).await?)
}

/// Waits until a session waits for a lock in a statement that contains `part`.
pub(crate) async fn until_blocked(sql: &mut PgConnection, part: &str) {
    waiting::until(BOUND, &format!("a statement with {part:?} waits for a lock"), async || {
        blocked(&mut *sql, part).await.expect("activity can be read") > 0
    })
    .await;
}

/// Waits until a session waits for the advisory lock of this number.
pub(crate) async fn until_waited_for(sql: &mut PgConnection, number: i64) {
    waiting::until(BOUND, "a session waits for the advisory lock", async || {
        let query = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
             AND ((classid::bigint << 32) | objid::bigint) = $1)",
        );
        query.bind(number).fetch_one(&mut *sql).await.expect("locks can be read")
    })
    .await;
}
