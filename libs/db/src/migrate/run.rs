//! Running: one migrator of a schema at a time, a file after the other, each by itself.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::compatible::{self, Ran};
use super::lock::{self, Scope, Tries};
use super::{MigrateError, Migration, Migrations, execute};

#[derive(Clone, Copy)]
pub(super) enum Direction {
    Up,
    Down,
}

/// How long a file waits for a lock in one try. Whoever comes after it waits behind it, so this is the longest that a migration which gets no
/// lock holds up others. It gives way and comes again.
const GENTLE: &str = "150ms";
/// The same in the second half of the patience: an autovacuum gives way only to a statement that has waited for `deadlock_timeout`, a second.
const FIRM: &str = "2s";
/// The name of the list of what has run, as far as it is locked itself.
const LIST: &str = "schema_migration";

/// How long the next try may wait for a lock.
fn lock_timeout(tries: &Tries) -> &'static str {
    if tries.is_late() { FIRM } else { GENTLE }
}

pub(super) async fn alone(
    migrations: &Migrations,
    conn: &mut PgConnection,
    direction: Direction,
    patience: Duration,
) -> Result<Vec<&'static str>, MigrateError> {
    let schema = migrations.schema;
    let key = format!("globcrm/migrate/{schema}");
    lock::take(conn, &key, Scope::Session, &format!("schema {schema}"), patience).await?;
    let result = all(migrations, conn, direction, patience).await;
    let unlock = sqlx::query("SELECT pg_advisory_unlock(hashtextextended($1, 0))").bind(&key);
    let unlocked = unlock.execute(conn).await;
    // Where both fail the connection is gone, and the lock with it: what came first is the reason.
    let ran = result?;
    unlocked?;
    Ok(ran)
}

async fn all(
    migrations: &Migrations,
    conn: &mut PgConnection,
    direction: Direction,
    patience: Duration,
) -> Result<Vec<&'static str>, MigrateError> {
    let schema = migrations.schema;
    keep_list(conn, schema, patience).await?;
    let ran_before = compatible::ran(&mut *conn, schema).await?;
    let todo: Vec<&Migration> = match direction {
        Direction::Up => {
            migrations.unchanged(&ran_before)?;
            compatible::not_too_old(schema, &ran_before).map_err(MigrateError::TooOld)?;
            migrations.all().filter(|migration| !Ran::has(&ran_before, migration.name)).collect()
        }
        Direction::Down => {
            let unknown = migrations.unknown(&ran_before);
            if !unknown.is_empty() {
                return Err(MigrateError::Unknown { schema, names: unknown.join(", ") });
            }
            migrations.all().rev().filter(|migration| Ran::has(&ran_before, migration.name)).collect()
        }
    };
    let mut ran = Vec::new();
    for migration in todo {
        patiently(conn, schema, Change::File(migration, direction), patience).await?;
        ran.push(migration.name);
    }
    Ok(ran)
}

/// The list of what has run. It is locked only where something of it is missing: programs that run read it every second.
async fn keep_list(
    conn: &mut PgConnection,
    schema: &'static str,
    patience: Duration,
) -> Result<(), MigrateError> {
    let is_whole: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_attribute
             WHERE attrelid = to_regclass($1 || '.schema_migration') AND attname = 'oldest_program')",
    )
    .bind(schema)
    .fetch_one(&mut *conn)
    .await?;
    if is_whole {
        return Ok(());
    }
    patiently(conn, schema, Change::List, patience).await
}

async fn make_list(conn: &mut PgConnection, schema: &str, lock_timeout: &str) -> Result<(), MigrateError> {
    let mut tx = conn.begin().await?;
    execute(&mut tx, &format!("SET LOCAL lock_timeout = '{lock_timeout}'")).await?;
    execute(
        &mut tx,
        &format!(
            "CREATE TABLE IF NOT EXISTS {schema}.{LIST} (
                 name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
             ALTER TABLE {schema}.{LIST} ADD COLUMN IF NOT EXISTS oldest_program text;
             ALTER TABLE {schema}.{LIST} OWNER TO globcrm_{schema}_owner;
             GRANT SELECT ON {schema}.{LIST} TO globcrm_{schema}_app, globcrm_{schema}_worker"
        ),
    )
    .await?;
    tx.commit().await?;
    Ok(())
}

/// What may have to wait for others.
#[derive(Clone, Copy)]
enum Change<'a> {
    /// The list of what has run, brought up to date.
    List,
    /// A file.
    File(&'a Migration, Direction),
}

/// One change, again and again while others hold what it must lock.
async fn patiently(
    conn: &mut PgConnection,
    schema: &'static str,
    change: Change<'_>,
    patience: Duration,
) -> Result<(), MigrateError> {
    let name = match change {
        Change::List => LIST,
        Change::File(migration, _) => migration.name,
    };
    let mut tries = Tries::begin(patience);
    loop {
        let lock_timeout = lock_timeout(&tries);
        let ended = match change {
            Change::List => make_list(conn, schema, lock_timeout).await,
            Change::File(migration, direction) => {
                once(conn, schema, migration, direction, lock_timeout).await
            }
        };
        match ended {
            Err(error) if is_contended(&error) => {
                if !tries.again().await {
                    return Err(MigrateError::Busy { schema, name, waited: tries.waited() });
                }
            }
            ended => return ended,
        }
    }
}

/// Whether others held what it needed: `lock_not_available`, `deadlock_detected`.
fn is_contended(error: &MigrateError) -> bool {
    let (MigrateError::Failed { source, .. } | MigrateError::Database(source)) = error else { return false };
    let code = source.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}

async fn once(
    conn: &mut PgConnection,
    schema: &'static str,
    migration: &Migration,
    direction: Direction,
    lock_timeout: &str,
) -> Result<(), MigrateError> {
    let failed = |source| MigrateError::Failed { schema, name: migration.name.to_owned(), source };
    let text = match direction {
        Direction::Up => migration.up,
        Direction::Down => migration.down,
    };
    let text = text.replace("{{schema}}", schema);
    let header = migration.header(schema)?;
    let is_alone = header.is_alone && matches!(direction, Direction::Up);
    if is_alone {
        by_itself(conn, schema, &text).await.map_err(failed)?;
    }
    let mut tx = conn.begin().await?;
    let limits = format!("SET LOCAL lock_timeout = '{lock_timeout}'; SET LOCAL statement_timeout = '10min'");
    execute(&mut tx, &limits).await?;
    execute(&mut tx, &format!("SET LOCAL ROLE globcrm_{schema}_owner")).await?;
    if !is_alone {
        execute(&mut tx, &text).await.map_err(failed)?;
    }
    match direction {
        Direction::Up => {
            sqlx::query(AssertSqlSafe(format!(
                "INSERT INTO {schema}.schema_migration (name, checksum, oldest_program) VALUES ($1, $2, $3)"
            )))
            .bind(migration.name)
            .bind(migration.checksum())
            .bind(header.after.map(|release| release.to_string()))
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

/// A statement that refuses a transaction, such as `CREATE INDEX CONCURRENTLY`. It holds up nobody while it waits for others, so it may wait.
async fn by_itself(conn: &mut PgConnection, schema: &str, text: &str) -> Result<(), sqlx::Error> {
    let limits = "SET lock_timeout = 0; SET statement_timeout = '1h'";
    execute(conn, &format!("{limits}; SET ROLE globcrm_{schema}_owner")).await?;
    let ended = repaired(conn, schema, text).await;
    execute(conn, "RESET ROLE; RESET lock_timeout; RESET statement_timeout").await?;
    ended
}

/// An interrupted `CREATE INDEX CONCURRENTLY` leaves an index that is invalid: of no use, kept up by every write, and in the way of the next try.
async fn repaired(conn: &mut PgConnection, schema: &str, text: &str) -> Result<(), sqlx::Error> {
    for index in ddl::statements(text).iter().filter_map(ddl::Statement::index) {
        let invalid: Option<String> = sqlx::query_scalar(
            "SELECT format('%I.%I', n.nspname, c.relname)
             FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE n.nspname = $1 AND c.relname = $2 AND NOT i.indisvalid",
        )
        .bind(schema)
        .bind(index)
        .fetch_optional(&mut *conn)
        .await?;
        if let Some(invalid) = invalid {
            execute(conn, &format!("DROP INDEX CONCURRENTLY {invalid}")).await?;
        }
    }
    execute(conn, text).await
}
