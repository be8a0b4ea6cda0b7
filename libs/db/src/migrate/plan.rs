//! What a run would do, without doing it.

use sqlx::PgConnection;

use super::compatible::{self, Ran};
use super::{Lock, MigrateError, Migration, Migrations, Phase, Release};

/// What would run in one schema.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The schema.
    pub schema: &'static str,
    /// Whether it has a list of what ran.
    pub is_there: bool,
    /// How many of this program's migrations have run.
    pub ran: usize,
    /// What would run, in order.
    pub steps: Vec<Step>,
    /// What has run and this program does not know: a newer one's.
    pub unknown: Vec<String>,
}

/// One file that would run.
#[derive(Clone, Debug)]
pub struct Step {
    /// `NNNN_verb_noun`.
    pub name: &'static str,
    /// What it may do to programs that run.
    pub phase: Phase,
    /// Of a contract: the first release that does without what it takes away. Programs of earlier ones stop taking calls.
    pub after: Option<Release>,
    /// The locks that it takes on tables that are there, the longest first, and how large these are now.
    pub locks: Vec<(Lock, Option<Size>)>,
}

/// How large a table is, with its partitions.
#[derive(Clone, Debug)]
pub struct Size {
    /// Rows by the statistics, which may be old.
    pub rows: i64,
    /// On disk, for people.
    pub pretty: String,
}

impl Step {
    /// Whether others wait for as long as the rows are many.
    pub fn is_long(&self) -> bool {
        self.locks.iter().any(|(lock, size)| lock.is_long() && size.is_some())
    }
}

impl Migrations {
    /// What [`up`](Self::up) would do, over a connection that needs no more than to read; `None` where there is no database yet.
    pub async fn plan(&self, conn: Option<&mut PgConnection>) -> Result<Plan, MigrateError> {
        let schema = self.schema;
        let plan = Plan { schema, is_there: false, ran: 0, steps: Vec::new(), unknown: Vec::new() };
        let Some(conn) = conn else {
            let steps = self.all().map(|migration| self.step(migration, Vec::new()));
            return Ok(Plan { steps: steps.collect::<Result<_, _>>()?, ..plan });
        };
        let is_there: bool = sqlx::query_scalar("SELECT to_regclass($1 || '.schema_migration') IS NOT NULL")
            .bind(schema)
            .fetch_one(&mut *conn)
            .await?;
        let ran = if is_there { compatible::ran(&mut *conn, schema).await? } else { Vec::new() };
        self.unchanged(&ran)?;
        compatible::not_too_old(schema, &ran).map_err(MigrateError::TooOld)?;
        let mut steps = Vec::new();
        for migration in self.all().filter(|migration| !Ran::has(&ran, migration.name)) {
            let mut locks = Vec::new();
            for lock in ddl::locks(&migration.up.replace("{{schema}}", schema)) {
                let size = size(&mut *conn, &lock.of).await?;
                locks.push((lock, size));
            }
            steps.push(self.step(migration, locks)?);
        }
        let unknown = self.unknown(&ran);
        Ok(Plan { is_there, ran: ran.len() - unknown.len(), steps, unknown, ..plan })
    }

    fn step(&self, migration: &Migration, locks: Vec<(Lock, Option<Size>)>) -> Result<Step, MigrateError> {
        let header = migration.header(self.schema)?;
        Ok(Step { name: migration.name, phase: header.phase, after: header.after, locks })
    }
}

/// Of a table with its partitions, whose rows the statistics of the table itself count once more, or of the table of an index; `None` where it is not there.
async fn size(conn: &mut PgConnection, name: &str) -> Result<Option<Size>, sqlx::Error> {
    let found: Option<(i64, String)> = sqlx::query_as(
        "SELECT coalesce(sum(greatest(c.reltuples, 0)) FILTER (WHERE c.relkind <> 'p'), 0)::bigint AS rows,
             pg_size_pretty(sum(pg_relation_size(c.oid))) AS pretty
         FROM (SELECT coalesce((SELECT indrelid FROM pg_index WHERE indexrelid = to_regclass($1)), to_regclass($1)) AS oid) AS t
         JOIN pg_class AS c ON c.oid = t.oid OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = t.oid)
         HAVING count(*) > 0",
    )
    .bind(name)
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|(rows, pretty)| Size { rows, pretty }))
}
