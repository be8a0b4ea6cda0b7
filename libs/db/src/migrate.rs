//! Migrations: numbered, up and down, per schema, by the owner role.
//!
//! A try-lock with back-off, never a blocking lock: a waiting lock would make every later statement on the catalog wait
//! behind it. Each file runs in its own transaction with a short `lock_timeout`.

#![allow(
    clippy::disallowed_methods,
    reason = "the migrator names schemas and roles, from constants of ours only"
)]

mod roles;

use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

pub use roles::{Administrator, LoginRole, Schema};

/// One migration: `NNNN_verb_noun.up.sql` and its `.down.sql`.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// `NNNN_verb_noun`; base templates are 0001 to 0099, a service's own begin at 0100.
    pub name: &'static str,
    /// The way up.
    pub up: &'static str,
    /// The way back.
    pub down: &'static str,
}

/// The migrations of one schema.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// The schema, which is the service's name.
    pub schema: &'static str,
    /// The service's own migrations in order; those in [`BASE`] run before them.
    pub own: &'static [Migration],
}

/// Declares the migrations of a service: `db::migrations!("records", ["0100_create_contacts", …])`.
#[macro_export]
macro_rules! migrations {
    ($schema:literal, [$($name:literal),* $(,)?]) => {
        $crate::Migrations { schema: $schema, own: &[$($crate::Migration {
            name: $name,
            up: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/", $schema, "/", $name, ".up.sql")),
            down: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/", $schema, "/", $name, ".down.sql")),
        }),*] }
    };
}

/// Templates that every schema has; `{{schema}}` stands for its name.
pub const BASE: Migrations = crate::migrations!(
    "base",
    [
        "0001_create_idempotency",
        "0002_create_authz_fence",
        "0003_create_outbox",
        "0004_create_inbox",
        "0005_index_idempotency_age",
        "0006_index_dead_event_consumer",
        "0010_lock_authz_fence",
        "0020_create_relay_sent",
        "0021_age_outbox",
        "0022_age_inbox",
        "0023_mark_counted_lease",
    ]
);

/// Why a migration did not run.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Another migrator holds the lock.
    #[error("another migration of schema {0} is running")]
    Locked(&'static str),
    /// A file that ran before has another content now.
    #[error("migration {schema}/{name} was changed after it ran")]
    Changed {
        /// The schema.
        schema: &'static str,
        /// The file.
        name: String,
    },
    /// A statement failed.
    #[error("migration {schema}/{name}")]
    Failed {
        /// The schema.
        schema: &'static str,
        /// The file.
        name: String,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
    /// The database refused.
    #[error("database")]
    Database(#[from] sqlx::Error),
}

impl Migrations {
    fn all(&self) -> impl DoubleEndedIterator<Item = &Migration> {
        BASE.own.iter().chain(self.own)
    }

    /// The name of the newest migration this binary knows.
    pub fn newest(&self) -> &'static str {
        self.own.last().or(BASE.own.last()).map_or("", |m| m.name)
    }

    /// Runs what has not run yet; gives the names of what ran. `conn` is an administrator's.
    pub async fn up(&self, conn: &mut PgConnection) -> Result<Vec<&'static str>, MigrateError> {
        self.locked(conn, Direction::Up).await
    }

    /// Takes everything back, the newest first.
    pub async fn down(&self, conn: &mut PgConnection) -> Result<Vec<&'static str>, MigrateError> {
        self.locked(conn, Direction::Down).await
    }

    async fn locked(
        &self,
        conn: &mut PgConnection,
        direction: Direction,
    ) -> Result<Vec<&'static str>, MigrateError> {
        let key = format!("globcrm/migrate/{}", self.schema);
        let mut pause = Duration::from_millis(50);
        let mut waited = Duration::ZERO;
        loop {
            let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
                .bind(&key)
                .fetch_one(&mut *conn)
                .await?;
            if locked {
                break;
            }
            if waited > Duration::from_secs(60) {
                return Err(MigrateError::Locked(self.schema));
            }
            tokio::time::sleep(pause).await;
            waited += pause;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        let result = self.run(conn, direction).await;
        sqlx::query("SELECT pg_advisory_unlock(hashtextextended($1, 0))").bind(&key).execute(conn).await?;
        result
    }

    async fn run(
        &self,
        conn: &mut PgConnection,
        direction: Direction,
    ) -> Result<Vec<&'static str>, MigrateError> {
        let schema = self.schema;
        execute(
            conn,
            &format!(
                "CREATE TABLE IF NOT EXISTS {schema}.schema_migration (
                name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
             ALTER TABLE {schema}.schema_migration OWNER TO globcrm_{schema}_owner;
             GRANT SELECT ON {schema}.schema_migration TO globcrm_{schema}_app, globcrm_{schema}_worker"
            ),
        )
        .await?;
        let applied: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT name, checksum FROM {schema}.schema_migration ORDER BY name"
        )))
        .fetch_all(&mut *conn)
        .await?;
        let mut ran = Vec::new();
        let todo: Vec<&Migration> = match direction {
            Direction::Up => self.all().collect(),
            Direction::Down => self.all().rev().collect(),
        };
        for migration in todo {
            let before = applied.iter().find(|(name, _)| name == migration.name);
            match (direction, before) {
                (Direction::Up, Some((name, checksum))) => {
                    if *checksum != migration.checksum() {
                        return Err(MigrateError::Changed { schema, name: name.clone() });
                    }
                }
                (Direction::Down, None) => {}
                (Direction::Up, None) | (Direction::Down, Some(_)) => {
                    self.apply(conn, migration, direction).await?;
                    ran.push(migration.name);
                }
            }
        }
        Ok(ran)
    }

    async fn apply(
        &self,
        conn: &mut PgConnection,
        migration: &Migration,
        direction: Direction,
    ) -> Result<(), MigrateError> {
        let schema = self.schema;
        let text = match direction {
            Direction::Up => migration.up,
            Direction::Down => migration.down,
        };
        let text = text.replace("{{schema}}", schema);
        let failed = |source| MigrateError::Failed { schema, name: migration.name.to_owned(), source };
        let mut tx = conn.begin().await?;
        execute(&mut tx, "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '10min'").await?;
        execute(&mut tx, &format!("SET LOCAL ROLE globcrm_{schema}_owner")).await?;
        execute(&mut tx, &text).await.map_err(failed)?;
        match direction {
            Direction::Up => {
                sqlx::query(AssertSqlSafe(format!(
                    "INSERT INTO {schema}.schema_migration (name, checksum) VALUES ($1, $2)"
                )))
                .bind(migration.name)
                .bind(migration.checksum())
                .execute(&mut *tx)
                .await?;
            }
            Direction::Down => {
                sqlx::query(AssertSqlSafe(format!("DELETE FROM {schema}.schema_migration WHERE name = $1")))
                    .bind(migration.name)
                    .execute(&mut *tx)
                    .await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

impl Migration {
    fn checksum(&self) -> String {
        hex(&Sha256::digest(self.up.as_bytes())[..16])
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, b| {
        if write!(text, "{b:02x}").is_err() {
            text.clear();
        }
        text
    })
}

/// Runs text that this crate made from its own constants and embedded files.
async fn execute(conn: &mut PgConnection, text: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(conn).await.map(drop)
}

/// Whether the schema is as new as this binary needs.
pub(crate) async fn check(pool: &PgPool, migrations: &Migrations) -> Result<(), String> {
    let newest: Option<String> = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT max(name) FROM {}.schema_migration",
        migrations.schema
    )))
    .fetch_one(pool)
    .await
    .map_err(|error| match error.as_database_error().and_then(|e| e.code()).as_deref() {
        Some("42P01" | "3F000") => {
            format!("schema {} has not been migrated; run `globcrm migrate`", migrations.schema)
        }
        _ => "the database does not answer".to_owned(),
    })?;
    match newest {
        Some(newest) if newest.as_str() >= migrations.newest() => Ok(()),
        newest => Err(format!(
            "schema {} is at {}, this binary needs {}; run `globcrm migrate`",
            migrations.schema,
            newest.unwrap_or_else(|| "nothing".to_owned()),
            migrations.newest()
        )),
    }
}
