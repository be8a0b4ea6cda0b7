//! Seed, back up, write on, note a moment, write more, destroy; then restore to the moment, and once more to the end.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sqlx::{Connection, PgConnection};
use testkit::Progress;
use testkit::fleet::{Places, Ports, environments, run_once};
use tokio::time::timeout;

use super::server::Server;
use crate::database::execute;
use crate::stage::{Stage, program};
use crate::waiting;

const BOUND: Duration = Duration::from_secs(60);
/// Rows that are written one by one until the machine burns.
const LAST_WRITES: usize = 500;

/// Three tenants with contacts, their addresses and activities.
const SEED: &str = "
    CREATE TABLE public.drill (n bigint PRIMARY KEY);
    CREATE FUNCTION public.drill_id(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
        $$ SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;
    INSERT INTO records.contacts (tenant_id, id, version, created_at, created_by, updated_at, updated_by, source, external_ids, tags,
            last_name, last_name_folded, full_name, full_name_folded, emails, phones, addresses, do_not_call, do_not_email, consents, custom)
        SELECT drill_id(t), drill_id(1000 * t + n), 1, now(), drill_id(t), now(), drill_id(t), 'api', '{}', '{}',
            'Contact ' || n, 'contact ' || n, 'Contact ' || n, 'contact ' || n, '[]', '[]', '[]', false, false, '[]', '{}'
        FROM generate_series(1, 3) AS t, generate_series(1, 900) AS n;
    INSERT INTO records.contact_email (tenant_id, address, contact_id, live)
        SELECT tenant_id, id || '@example.test', id, true FROM records.contacts;
    INSERT INTO activities.activities (tenant_id, id, version, created_at, created_by, updated_at, updated_by, source, external_ids, tags,
            kind, subject, subject_folded, state, priority, all_day, links, participants, reminders, custom)
        SELECT drill_id(t), drill_id(100000 * t + n), 1, now(), drill_id(t), now(), drill_id(t), 'api', '{}', '{}',
            'task', 'Task ' || n, 'task ' || n, 'planned', 'normal', false, '[]', '[]', '[]', '{}'
        FROM generate_series(1, 3) AS t, generate_series(1, 10000) AS n;
";

/// What a day does to every tenant.
const WRITE_ON: &str = "
    UPDATE records.contacts SET version = version + 1, job_title = 'CTO' || version, updated_at = now()
        WHERE right(id::text, 1) IN ('3', '7');
    DELETE FROM records.contacts WHERE right(id::text, 2) = (SELECT lpad(to_hex(min(version)), 2, '1') FROM records.contacts);
    UPDATE activities.activities SET version = version + 1, body = 'written on' WHERE right(id::text, 1) = '5';
    INSERT INTO records.record_tag (tenant_id, object, record_id, tag, tag_folded)
        SELECT tenant_id, 'contact', id, 'v' || version, 'v' || version FROM records.contacts WHERE version > 1
        ON CONFLICT DO NOTHING;
";

/// What somebody wants to have undone.
const ACCIDENT: &str = "
    DELETE FROM records.contacts WHERE tenant_id = drill_id(2);
    UPDATE activities.activities SET subject = 'overwritten' WHERE tenant_id = drill_id(3);
";

/// Commits a row after the other; gives how many were acknowledged when the server went.
async fn write_until_the_end(mut sql: PgConnection) -> i64 {
    let mut acknowledged = 0;
    loop {
        let next = acknowledged + 1;
        let written = sqlx::query("INSERT INTO public.drill VALUES ($1)").bind(next).execute(&mut sql);
        let Ok(Ok(_)) = timeout(BOUND, written).await else { return acknowledged };
        acknowledged = next;
    }
}

async fn rows(sql: &mut PgConnection, table: &str) -> Result<i64> {
    let query = format!("SELECT count(*) FROM {table}");
    #[allow(clippy::disallowed_methods, reason = "a constant of this test")]
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query));
    Ok(query.fetch_one(sql).await?)
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "a drill says what it has measured")]
async fn a_restore_to_a_moment_has_every_tenant_as_it_was_then() -> Result<()> {
    let progress = Progress::silent();
    let server = tokio::task::block_in_place(Server::start)?;
    let program = program(&testkit::Workspace::here()?);
    let mut shell = server.shell()?;
    tokio::task::block_in_place(|| -> Result<()> {
        let places = Places::beside(&server.backing, Ports::fresh()?)?;
        let environments = environments(&server.backing, &places)?;
        run_once(&program, "migrate", &environments.migrate, &progress).map(drop)
    })?;
    let mut sql = server.sql("globcrm").await?;
    execute(&mut sql, SEED).await?;

    shell.run("prepare")?;
    let streaming = shell.start("stream")?;
    until_streamed(&mut sql).await;
    let begun = Instant::now();
    shell.run("basebackup")?;
    let backup_took = begun.elapsed();
    a_failure_takes_no_backup_and_no_files_away(&server, &mut shell)?;

    execute(&mut sql, WRITE_ON).await?;
    let moment: String = sqlx::query_scalar("SELECT clock_timestamp()::text").fetch_one(&mut sql).await?;
    let wanted = shell.run("checksums")?;
    for n in 1..=3 {
        let tenant = format!("|00000000-0000-7000-8000-{n:012}|");
        ensure!(wanted.matches(&tenant).count() >= 4, "tenant {n} is not in the checksums:\n{wanted}");
    }

    execute(&mut sql, ACCIDENT).await?;
    execute(&mut sql, WRITE_ON).await?;
    ensure!(shell.run("checksums")? != wanted, "the checksums do not see the accident");
    sql.close().await?;
    let writing = tokio::spawn(write_until_the_end(server.sql("globcrm").await?));
    let mut sql = server.sql("globcrm").await?;
    waiting::until(BOUND, "rows are written", async || {
        rows(&mut sql, "public.drill").await.expect("a count") >= i64::try_from(LAST_WRITES).expect("few")
    })
    .await;
    drop(sql);
    tokio::task::block_in_place(|| server.destroy())?;
    let acknowledged = timeout(BOUND, writing).await.context("the writer has noticed")??;
    drop(streaming);

    // Without a moment: everything that the stream has.
    let restored_whole = restore(&server, &shell).await?;
    let mut sql = server.sql("globcrm").await?;
    let lost = acknowledged - rows(&mut sql, "public.drill").await?;
    sql.close().await?;
    ensure!(
        lost <= acknowledged / 2,
        "{lost} of {acknowledged} rows are lost: the stream had come to a stop"
    );
    tokio::task::block_in_place(|| server.destroy())?;
    server.mount()?;

    shell.variables.insert("RESTORE_TO", moment);
    let restored = restore(&server, &shell).await?;
    let found = shell.run("checksums")?;
    let differing: Vec<_> = wanted.lines().zip(found.lines()).filter(|(a, b)| a != b).take(5).collect();
    assert!(
        wanted == found,
        "{} and {} lines, first {differing:#?}",
        wanted.lines().count(),
        found.lines().count()
    );
    shell.run("after")?;

    // The restored server has a history of its own, which is backed up before anybody writes.
    shell.run("again")?;
    let streaming = shell.start("stream")?;
    let mut sql = server.sql("globcrm").await?;
    until_streamed(&mut sql).await;
    shell.run("basebackup")?;
    let before = server.backups()?.join("before");
    ensure!(before.join("base/PG_VERSION").exists() && before.join("wal").exists(), "the old backup is gone");
    ensure!(shell.run("again").is_err(), "a second time would mix two histories");
    execute(&mut sql, "INSERT INTO public.drill SELECT max(n) + 1 FROM public.drill").await?;
    until_streamed(&mut sql).await;
    sql.close().await?;

    let stage = tokio::task::block_in_place(|| Stage::start_in(&server.workspace, &[], |_, _| Ok(())))?;
    let serving = restored.begun.elapsed();
    let smoke = format!("smoke {}", stage.fleet.gateway_url());
    tokio::task::block_in_place(|| run_once(&program, &smoke, &stage.environments.migrate, &progress))?;
    drop(stage);
    drop(streaming);
    println!(
        "restore: base backup {backup_took:.1?}; to a moment {:.1?} until writes, {serving:.1?} until the fleet serves; to the end {:.1?}; \
         {lost} of {acknowledged} acknowledged commits lost with the machine",
        restored.took, restored_whole.took
    );
    tokio::task::block_in_place(|| server.end()).context("clearing up")
}

/// Waits until the stream has everything that the server has committed.
async fn until_streamed(sql: &mut PgConnection) {
    waiting::until(BOUND, "the log is streamed", async || {
        let query = "SELECT coalesce(bool_or(flush_lsn >= pg_current_wal_flush_lsn()), false)
            FROM pg_stat_replication WHERE application_name = 'pg_receivewal'";
        sqlx::query_scalar(query).fetch_one(&mut *sql).await.expect("statistics")
    })
    .await;
}

/// A base backup of a server that is not reached, and a restore over files.
fn a_failure_takes_no_backup_and_no_files_away(
    server: &Server,
    shell: &mut super::commands::Shell,
) -> Result<()> {
    let url = shell.variables.insert("BACKUP_URL", "postgres://nobody@127.0.0.1:1/postgres".to_owned());
    ensure!(shell.run("basebackup").is_err(), "a base backup of nothing went well");
    shell.variables.insert("BACKUP_URL", url.context("a URL")?);
    let base = server.backups()?.join("base/PG_VERSION");
    ensure!(base.exists(), "a base backup that failed took the one before it away");
    let refused = shell.run("restore").map_or_else(|error| format!("{error:#}"), |_| String::new());
    ensure!(refused.contains("is not empty"), "a restore over the files of a server: {refused}");
    Ok(())
}

struct Restored {
    begun: Instant,
    took: Duration,
}

async fn restore(server: &Server, shell: &super::commands::Shell) -> Result<Restored> {
    let begun = Instant::now();
    shell.run("restore")?;
    server.start_again().await?;
    Ok(Restored { begun, took: begun.elapsed() })
}
