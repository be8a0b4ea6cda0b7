//! Migrations: numbered, up and down, per schema, by the owner role.
//!
//! A try-lock with back-off, never a blocking lock: a waiting lock would make every later statement on the catalog wait
//! behind it. Each file runs in its own transaction with a short `lock_timeout`.

#![allow(
    clippy::disallowed_methods,
    reason = "the migrator names schemas and roles, from constants of ours only"
)]

mod groups;
mod roles;

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

pub use groups::{BASE, Group, Migration, OPERATIONS, RECORD};
pub use roles::{Administrator, LoginRole, ONE_AT_A_TIME, Schema};

/// The migrations of one schema.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// The schema, which is the service's name.
    pub schema: &'static str,
    /// The groups of templates that it has in addition to [`BASE`], in the order of their numbers.
    pub groups: &'static [Group],
    /// The service's own migrations in order; those of [`BASE`] and of the groups run before them.
    pub own: &'static [Migration],
}

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
    /// Every migration of the schema in the order of running: the templates, then its own.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Migration> {
        let templates = self.groups.iter().flat_map(|group| group.migrations);
        BASE.migrations.iter().chain(templates).chain(self.own)
    }

    /// The name of the newest migration this binary knows.
    pub fn newest(&self) -> &'static str {
        self.all().next_back().map_or("", |m| m.name)
    }

    /// The first migration that is not among those that ran. Others that this binary does not know are a newer one's.
    fn missing(&self, ran: &[String]) -> Option<&'static str> {
        self.all().map(|migration| migration.name).find(|name| !ran.iter().any(|other| other == name))
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

/// Runs text that this crate made from its own constants and embedded files.
async fn execute(conn: &mut PgConnection, text: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(conn).await.map(drop)
}

/// Whether every migration that this binary knows has run. Not only the newest: a group of templates may have grown since.
pub(crate) async fn check(pool: &PgPool, migrations: &Migrations) -> Result<(), String> {
    let schema = migrations.schema;
    let ran: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT name FROM {schema}.schema_migration")))
            .fetch_all(pool)
            .await
            .map_err(|error| match error.as_database_error().and_then(|e| e.code()).as_deref() {
                Some("42P01" | "3F000") => {
                    format!("schema {schema} has not been migrated; run `globcrm migrate`")
                }
                _ => "the database does not answer".to_owned(),
            })?;
    match migrations.missing(&ran) {
        None => Ok(()),
        Some(name) => {
            Err(format!("schema {schema} has no {name}, which this binary needs; run `globcrm migrate`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Migration = Migration { name: "0100_create_deals", up: "", down: "" };
    const DEALS: Migrations = Migrations { schema: "deals", groups: &[RECORD], own: &[OWN] };

    fn names(migrations: &Migrations) -> Vec<String> {
        migrations.all().map(|migration| migration.name.to_owned()).collect()
    }

    #[test]
    fn base_runs_before_groups_and_groups_before_the_services_own() {
        let names = names(&DEALS);
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(names.len(), BASE.migrations.len() + RECORD.migrations.len() + 1);
        assert_eq!(DEALS.newest(), OWN.name);
        assert!(!names.iter().any(|name| name.contains("operation")), "{names:?}");
    }

    #[test]
    fn a_template_that_did_not_run_is_missed_although_the_newest_did() {
        let mut ran = names(&DEALS);
        assert_eq!(DEALS.missing(&ran), None);
        ran.push("0101_of_a_newer_program".to_owned());
        assert_eq!(DEALS.missing(&ran), None);
        ran.retain(|name| name != "0052_create_change");
        assert_eq!(DEALS.missing(&ran), Some("0052_create_change"));
    }
}
