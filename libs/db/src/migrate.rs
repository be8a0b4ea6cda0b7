//! Migrations: numbered, up and down, per schema, by the owner role.
//!
//! A try-lock with back-off, never a blocking lock: a waiting lock would make every later statement on the catalog wait
//! behind it. Each file runs in its own transaction with a short `lock_timeout`, and is tried again while others hold what it needs.

#![allow(
    clippy::disallowed_methods,
    reason = "the migrator names schemas and roles, from constants of ours only"
)]

mod compatible;
mod groups;
mod lock;
mod plan;
mod roles;
mod run;

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};

pub(crate) use compatible::check;
pub use ddl::{Blocks, Lasts, Lock, Phase, Release};
pub use groups::{BASE, Group, Migration, OPERATIONS, RECORD};
pub use plan::{Plan, Size, Step};
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

/// How long a migrator waits: for another migrator, and for each file's locks.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Why a migration did not run.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Another migrator holds the lock.
    #[error(
        "another migrator is at work on {what} ({holder}): it was not done after {} s. Nothing was changed; run it again when that one has ended",
        .waited.as_secs()
    )]
    Locked {
        /// What is locked.
        what: String,
        /// Who holds the lock, as the server sees it.
        holder: String,
        /// For how long it was waited for.
        waited: Duration,
    },
    /// Others held what a file must lock.
    #[error(
        "migration {schema}/{name} did not get its locks within {} s, as long statements or transactions hold them. It changed nothing; run it again",
        .waited.as_secs()
    )]
    Busy {
        /// The schema.
        schema: &'static str,
        /// The file.
        name: &'static str,
        /// For how long it was tried.
        waited: Duration,
    },
    /// A file that ran before has another content now.
    #[error("migration {schema}/{name} was changed after it ran")]
    Changed {
        /// The schema.
        schema: &'static str,
        /// The file.
        name: String,
    },
    /// A newer program's migrations ran, which this one cannot take back.
    #[error(
        "schema {schema} has migrations of a newer program, which this one cannot take back: {names}. Nothing of this schema was changed; use that program"
    )]
    Unknown {
        /// The schema.
        schema: &'static str,
        /// What ran.
        names: String,
    },
    /// A newer program took away what this one uses.
    #[error("{0}")]
    TooOld(String),
    /// A file that this program should have read at build time.
    #[error("migration {schema}/{name}: {source}")]
    Header {
        /// The schema.
        schema: &'static str,
        /// The file.
        name: &'static str,
        /// What is wrong with its header.
        source: ddl::HeaderError,
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

    /// Runs what has not run yet; gives the names of what ran. `conn` is an administrator's.
    pub async fn up(&self, conn: &mut PgConnection) -> Result<Vec<&'static str>, MigrateError> {
        self.up_within(conn, PATIENCE).await
    }

    /// As [`up`](Self::up), waiting this long for another migrator and for each file's locks.
    pub async fn up_within(
        &self,
        conn: &mut PgConnection,
        patience: Duration,
    ) -> Result<Vec<&'static str>, MigrateError> {
        run::alone(self, conn, run::Direction::Up, patience).await
    }

    /// Takes everything back, the newest first.
    pub async fn down(&self, conn: &mut PgConnection) -> Result<Vec<&'static str>, MigrateError> {
        self.down_within(conn, PATIENCE).await
    }

    /// As [`down`](Self::down), waiting this long for another migrator and for each file's locks.
    pub async fn down_within(
        &self,
        conn: &mut PgConnection,
        patience: Duration,
    ) -> Result<Vec<&'static str>, MigrateError> {
        run::alone(self, conn, run::Direction::Down, patience).await
    }
}

/// Runs text that this crate made from its own constants and embedded files.
async fn execute(conn: &mut PgConnection, text: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(conn).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Migration = Migration { name: "0100_create_deals", up: "", down: "" };
    const DEALS: Migrations = Migrations { schema: "deals", groups: &[RECORD], own: &[OWN] };

    #[test]
    fn base_runs_before_groups_and_groups_before_the_services_own() {
        let names: Vec<&str> = DEALS.all().map(|migration| migration.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(names.len(), BASE.migrations.len() + RECORD.migrations.len() + 1);
        assert_eq!(DEALS.newest(), OWN.name);
        assert!(!names.iter().any(|name| name.contains("operation")), "{names:?}");
    }
}
