//! A database password that changes while queries run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use config::{Env, ExposeSecret, Hot, Reader, Reloader, Section, load_with_reloads};
use db::{DatabaseConfig, WorkerDb};
use sqlx::PgConnection;
use tokio::task::JoinSet;

use crate::database::{Database, execute};
use crate::waiting;

const BOUND: Duration = Duration::from_secs(30);
const USER: &str = "globcrm_test_password";
/// What the pool may open.
const MOST: u32 = 8;

/// What a role reads of its database.
struct Own(Hot<DatabaseConfig>);

impl Section for Own {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.hot_secrets().map(Self)
    }
}

fn write(file: &Path, database: &Database, password: &str) -> Result<()> {
    // The administrator's URL with another user.
    let url = database.url();
    let (scheme, rest) = url.split_once("://").context("a URL")?;
    let (_, place) = rest.split_once('@').context("a user")?;
    Ok(std::fs::write(file, format!("{scheme}://{USER}:{password}@{place}\n"))?)
}

/// One query after the other, until told; how many there were, or the first failure.
async fn queries(worker: WorkerDb, stop: Arc<AtomicBool>) -> Result<usize> {
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut tx = worker.begin().await?;
        sqlx::query("SELECT pg_sleep(0.02)").execute(tx.conn()).await?;
        tx.commit().await?;
        made += 1;
    }
    Ok(made)
}

async fn until_connected(sql: &mut PgConnection, wanted: i64) {
    let sql = tokio::sync::Mutex::new(sql);
    waiting::outcome(BOUND, &format!("{wanted} connections"), async || {
        let count = sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = $1").bind(USER);
        let now: i64 = count.fetch_one(&mut **sql.lock().await).await.map_err(|e| e.to_string())?;
        if now >= wanted { Ok(()) } else { Err(format!("{now} are open")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_fails_while_the_password_changes_first_in_its_file_and_then_in_the_database() -> Result<()>
{
    let database = Database::fresh("globcrm_test_password", &[]).await?;
    let mut sql = database.admin().await?;
    execute(&mut sql, format!("DROP ROLE IF EXISTS {USER}; CREATE ROLE {USER} LOGIN PASSWORD 'first'"))
        .await?;
    let file = std::env::temp_dir().join(format!("globcrm-password-{}", std::process::id()));
    write(&file, &database, "first")?;
    let path = file.to_str().context("a path")?;
    let variables = ["GLOBCRM_X_DATABASE_URL_FILE", "GLOBCRM_X_WORKER_DATABASE_URL_FILE"];
    let env: Env = variables.map(|name| (name, path)).into_iter().collect();
    let (Own(config), reloads) = load_with_reloads::<Own>(&env, "X")?;
    let mut reloader = Reloader::new(env, None, &[]);
    reloader.follow(reloads);
    let worker = WorkerDb::new(&config.get(), "x", MOST)?;
    worker.follow(&config);

    let stop = Arc::new(AtomicBool::new(false));
    let mut running = JoinSet::new();
    let start = |running: &mut JoinSet<_>, count: usize| {
        for _ in 0..count {
            running.spawn(queries(worker.clone(), stop.clone()));
        }
    };
    start(&mut running, 1);
    until_connected(&mut sql, 1).await;

    // The database knows the old one only: a new connection is refused with the new one, and made with the old one.
    write(&file, &database, "second")?;
    assert!(reloader.look()?);
    assert!(config.get().worker_url.expose_secret().contains("second"));
    start(&mut running, 2);
    until_connected(&mut sql, 3).await;

    // Now it knows the new one only.
    execute(&mut sql, format!("ALTER ROLE {USER} PASSWORD 'second'")).await?;
    start(&mut running, 3);
    until_connected(&mut sql, 6).await;

    stop.store(true, Ordering::Relaxed);
    while let Some(queries) = running.join_next().await {
        assert!(queries?? > 0);
    }
    // Neither the old password nor one that nobody gave opens anything.
    worker.close().await;
    write(&file, &database, "third")?;
    assert!(reloader.look()?);
    let refused = WorkerDb::new(&config.get(), "x", 1)?;
    let error = refused.begin().await.map(drop).unwrap_err().to_string();
    assert!(!error.contains("third"), "{error}");
    std::fs::remove_file(&file)?;
    refused.close().await;
    execute(&mut sql, format!("DROP ROLE {USER}")).await
}
