//! How migrations run: beside those who use the tables, beside other migrators, and again after an interruption.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use db::migrate::{Administrator, LoginRole, MigrateError, ONE_AT_A_TIME, Phase, Schema};
use db::{Db, Migration, Migrations};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use crate::database::{Database, execute, until_blocked};

/// Who has not come to an end by then does not come to one.
const BOUND: Duration = Duration::from_secs(60);
/// A patience that ends within a test.
const SHORT: Duration = Duration::from_millis(400);

const MAKE: Migration = Migration {
    name: "0900_create_thing",
    up: "-- phase: expand\nCREATE TABLE fields.thing (id bigint PRIMARY KEY, name text);",
    down: "DROP TABLE fields.thing;",
};
const ADD: Migration = Migration {
    name: "0901_add_color",
    up: "-- phase: expand\nALTER TABLE fields.thing ADD COLUMN color text;",
    down: "ALTER TABLE fields.thing DROP COLUMN color;",
};
const INDEX: Migration = Migration {
    name: "0902_index_name",
    up: "-- phase: expand\n-- transaction: none\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS thing_name ON fields.thing (name);",
    down: "DROP INDEX fields.thing_name;",
};
const CONTRACT: Migration = Migration {
    name: "0903_drop_color",
    up: "-- phase: contract\n-- after: 99.0\nALTER TABLE fields.thing DROP COLUMN color;",
    down: "ALTER TABLE fields.thing ADD COLUMN color text;",
};

const fn of(own: &'static [Migration]) -> Migrations {
    Migrations { schema: "fields", groups: &[], own }
}
const BEFORE: Migrations = of(&[MAKE]);
const COLORED: Migrations = of(&[MAKE, ADD]);
const INDEXED: Migrations = of(&[MAKE, INDEX]);
const CONTRACTED: Migrations = of(&[MAKE, ADD, CONTRACT]);

async fn has_run(sql: &mut PgConnection, name: &str) -> Result<bool> {
    let query = "SELECT EXISTS (SELECT FROM fields.schema_migration WHERE name = $1)";
    Ok(sqlx::query_scalar(query).bind(name).fetch_one(sql).await?)
}

/// A statement that waits for a lock keeps those waiting who come after it, also where they would get on with who holds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_gets_no_lock_gives_way_and_comes_again() -> Result<()> {
    let database = Database::fresh("globcrm_test_migrating", &[BEFORE]).await?;
    let (mut holder, mut migrator, mut sql) =
        (database.admin().await?, database.admin().await?, database.admin().await?);
    execute(&mut holder, "BEGIN; SELECT FROM fields.thing").await?;
    let migrating = tokio::spawn(async move { COLORED.up(&mut migrator).await });
    until_blocked(&mut sql, "ALTER TABLE fields.thing").await;
    // It waits behind the migration, which waits for the holder.
    let read = timeout(BOUND, execute(&mut sql, "SELECT FROM fields.thing"));
    read.await.context("a reader got past the migration")??;
    assert!(!has_run(&mut sql, ADD.name).await?);
    execute(&mut holder, "COMMIT").await?;
    let ran = timeout(BOUND, migrating).await.context("it came again")???;
    assert_eq!(ran, [ADD.name]);
    assert!(has_run(&mut sql, ADD.name).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_never_gets_its_lock_says_so_and_changes_nothing() -> Result<()> {
    let database = Database::fresh("globcrm_test_migrating_busy", &[BEFORE]).await?;
    let (mut holder, mut migrator) = (database.admin().await?, database.admin().await?);
    execute(&mut holder, "BEGIN; SELECT FROM fields.thing").await?;
    let error =
        timeout(BOUND, COLORED.up_within(&mut migrator, SHORT)).await.context("in time")?.unwrap_err();
    assert!(matches!(error, MigrateError::Busy { name: "0901_add_color", .. }), "{error:?}");
    execute(&mut holder, "COMMIT").await?;
    assert!(!has_run(&mut holder, ADD.name).await?);
    assert_eq!(COLORED.up(&mut migrator).await?, [ADD.name]);
    Ok(())
}

/// Whoever is ready reads the list every second: it is changed as gently as a table of records.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_migrations_is_not_waited_for_either() -> Result<()> {
    let database = Database::fresh("globcrm_test_migrating_list", &[BEFORE]).await?;
    let (mut holder, mut migrator) = (database.admin().await?, database.admin().await?);
    execute(&mut holder, "ALTER TABLE fields.schema_migration DROP COLUMN oldest_program").await?;
    execute(&mut holder, "BEGIN; SELECT FROM fields.schema_migration").await?;
    let error =
        timeout(BOUND, COLORED.up_within(&mut migrator, SHORT)).await.context("in time")?.unwrap_err();
    assert!(matches!(error, MigrateError::Busy { name: "schema_migration", .. }), "{error:?}");
    execute(&mut holder, "COMMIT").await?;
    assert_eq!(COLORED.up(&mut migrator).await?, [ADD.name]);
    Ok(())
}

/// What is left in the list would be passed by when the newer program comes up again.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_takes_nothing_back_where_a_newer_one_has_been() -> Result<()> {
    let database = Database::fresh("globcrm_test_migrating_down", &[COLORED]).await?;
    let mut sql = database.admin().await?;
    let error = BEFORE.down_within(&mut sql, SHORT).await.unwrap_err();
    assert!(error.to_string().contains("take back: 0901_add_color."), "{error}");
    assert!(has_run(&mut sql, MAKE.name).await?);
    assert_eq!(COLORED.down(&mut sql).await?.first(), Some(&ADD.name));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_migrator_waits_for_a_while_and_names_the_first() -> Result<()> {
    let database = Database::fresh("globcrm_test_migrating_locked", &[BEFORE]).await?;
    let (mut first, mut second) = (database.admin().await?, database.admin().await?);
    let key = "SELECT pg_advisory_lock(hashtextextended('globcrm/migrate/fields', 0))";
    execute(&mut first, key).await?;
    let error = COLORED.up_within(&mut second, SHORT).await.unwrap_err().to_string();
    assert!(error.contains("at work on schema fields (globcrm-tests, process "), "{error}");
    first.close().await?;
    assert_eq!(COLORED.up(&mut second).await?, [ADD.name]);

    let mut server = database.hold_roles().await?;
    execute(&mut server, format!("BEGIN; {ONE_AT_A_TIME}")).await?;
    let mut admin = Administrator::connect(&database.server_url(), database.name()).await?;
    let role = |kind: &str| LoginRole {
        name: format!("globcrm_fields_{kind}"),
        password: config::SecretString::from("only-for-tests"),
    };
    let schema = Schema { name: "fields", app: role("app"), worker: role("worker") };
    let error = admin.prepare_within(&schema, SHORT).await.unwrap_err().to_string();
    server.close().await?;
    assert!(error.contains("at work on the roles of this server (globcrm-tests, process "), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_an_interrupted_run_left_invalid_is_made_again() -> Result<()> {
    let database = Database::fresh("globcrm_test_migrating_index", &[BEFORE]).await?;
    let mut sql = database.admin().await?;
    execute(&mut sql, "INSERT INTO fields.thing VALUES (1, 'same'), (2, 'same')").await?;
    let error = INDEXED.up(&mut sql).await.unwrap_err();
    assert!(matches!(error, MigrateError::Failed { .. }), "{error:?}");
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('fields.thing_name')";
    assert_eq!(sqlx::query_scalar(valid).fetch_optional(&mut sql).await?, Some(false), "left behind");
    execute(&mut sql, "DELETE FROM fields.thing WHERE id = 2").await?;
    assert_eq!(INDEXED.up(&mut sql).await?, [INDEX.name]);
    assert_eq!(sqlx::query_scalar(valid).fetch_optional(&mut sql).await?, Some(true));
    let owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('fields.thing_name')";
    let owner: String = sqlx::query_scalar(owner).fetch_one(&mut sql).await?;
    let limits: (String, String, String) = sqlx::query_as(
        "SELECT current_user::text, current_setting('lock_timeout'), current_setting('statement_timeout')",
    )
    .fetch_one(&mut sql)
    .await?;
    assert_eq!(owner, "globcrm_fields_owner");
    assert!(limits.0 != owner && limits.1 == "0" && limits.2 == "0", "{limits:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_says_which_programs_may_go_on() -> Result<()> {
    let database = Database::fresh("globcrm_test_migrating_contract", &[COLORED]).await?;
    let mut sql = database.admin().await?;
    let db = Db::new(&database.config("fields"), "fields")?;
    // As a migrator of an earlier build left it, which knew of no releases.
    execute(&mut sql, "ALTER TABLE fields.schema_migration DROP COLUMN oldest_program").await?;
    assert_eq!(db.check_schema(&COLORED).await, Ok(()));
    assert_eq!(CONTRACTED.up(&mut sql).await?, [CONTRACT.name]);
    let refusal = db.check_schema(&COLORED).await.unwrap_err();
    assert!(refusal.contains("release 99.0 and later, since 0903_drop_color has run"), "{refusal}");
    for ran in [COLORED.up(&mut sql).await.map(drop), COLORED.plan(Some(&mut sql)).await.map(drop)] {
        assert!(matches!(ran, Err(MigrateError::TooOld(_))), "{ran:?}");
    }
    db.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_would_run_and_cannot_change_anything() -> Result<()> {
    let database = Database::fresh("globcrm_test_migrating_plan", &[BEFORE]).await?;
    let Some(mut reader) = Administrator::reader(&database.server_url(), database.name()).await? else {
        bail!("{} is there", database.name());
    };
    let plan = CONTRACTED.plan(Some(&mut reader)).await?;
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.name, step.phase)).collect();
    assert_eq!(steps, [(ADD.name, Phase::Expand), (CONTRACT.name, Phase::Contract)]);
    assert!(plan.is_there && plan.ran == db::migrate::BASE.migrations.len() + 1, "{plan:?}");
    let (lock, size) = plan.steps[0].locks.first().context("a lock")?;
    assert_eq!(lock.of, "fields.thing");
    assert!(size.is_some() && !plan.steps[0].is_long(), "{plan:?}");
    let refused = execute(&mut reader, "CREATE TABLE fields.other ()").await.unwrap_err();
    assert!(format!("{refused:#}").contains("read-only transaction"), "{refused:#}");

    // Neither a database nor a schema: everything would run.
    let nowhere = "globcrm_test_migrating_nowhere";
    assert!(Administrator::reader(&database.server_url(), nowhere).await?.is_none());
    for conn in [None, Some(&mut reader)] {
        let nothing = Migrations { schema: "nothing", ..CONTRACTED };
        let plan = nothing.plan(conn).await?;
        assert!(!plan.is_there && plan.ran == 0 && plan.steps.len() == nothing.all().count(), "{plan:?}");
    }
    let made: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(nowhere)
        .fetch_one(&mut reader)
        .await?;
    assert!(!made);
    Ok(())
}
