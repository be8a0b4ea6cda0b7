//! TLS to the database and to Redis: real servers with certificates made for the test.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use config::{Env, ExposeSecret, SecretString};
use db::{DatabaseConfig, WorkerDb};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use testkit::backing::{Backing, Service, Source};
use testkit::fleet::Role;
use testkit::{Progress, Purpose};

use super::{BOUND, HERE, log, stage};
use crate::certificates::{Authority, Files, Pair};
use crate::faults::backing::apart;
use crate::waiting;

/// Servers of the test's own, as their settings are changed.
async fn servers(name: &'static str) -> Result<(Backing, std::path::PathBuf)> {
    tokio::task::spawn_blocking(move || {
        let (workspace, root) = apart(name)?;
        Ok((Backing::start(&workspace, Purpose::Test, &Progress::silent())?, root))
    })
    .await?
}

/// Gives PostgreSQL a certificate: it writes the files itself, as nobody else may read its key.
async fn give(sql: &mut PgConnection, pair: &Pair) -> Result<()> {
    for (name, text) in [("tls.crt", &pair.certificate), ("tls.key", &pair.key)] {
        let lines = text.trim_end().replace('\n', "'), ('");
        let write = format!("COPY (VALUES ('{lines}')) TO PROGRAM 'umask 077 && cat > {name}'");
        sqlx::query(AssertSqlSafe(write)).execute(&mut *sql).await?;
    }
    for setting in ["ssl_cert_file = 'tls.crt'", "ssl_key_file = 'tls.key'", "ssl = on"] {
        sqlx::query(AssertSqlSafe(format!("ALTER SYSTEM SET {setting}"))).execute(&mut *sql).await?;
    }
    sqlx::query("SELECT pg_reload_conf()").execute(&mut *sql).await?;
    Ok(())
}

fn pool(url: &str) -> Result<WorkerDb> {
    let env: Env =
        [("GLOBCRM_X_DATABASE_URL", url), ("GLOBCRM_X_WORKER_DATABASE_URL", url)].into_iter().collect();
    Ok(WorkerDb::new(&config::load::<DatabaseConfig>(&env, "X")?, "records", 2)?)
}

/// Whether a connection by this URL is encrypted.
async fn is_encrypted(url: &str) -> Result<bool> {
    let pool = pool(url)?;
    let mut tx = pool.begin().await?;
    let encrypted = sqlx::query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    let encrypted = encrypted.fetch_one(tx.conn()).await?;
    tx.commit().await?;
    pool.close().await;
    Ok(encrypted)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_reached_by_tls_if_its_certificate_is_the_right_one() -> Result<()> {
    let (backing, root) = servers("tls-postgres").await?;
    if backing.source(Service::Postgres) == Some(Source::Environment) {
        // Not ours to change.
        return Ok(std::fs::remove_dir_all(root)?);
    }
    let (ours, theirs, files) = (Authority::new("ours"), Authority::new("theirs"), Files::new("postgres"));
    files.put("ours", &ours.pem());
    files.put("theirs", &theirs.pem());
    let admin = backing.postgres_admin_url().to_owned();
    let mut sql = admin.parse::<PgConnectOptions>()?.connect().await?;
    give(&mut sql, &ours.issue(&[HERE])).await?;
    let by = |options: &str| format!("{admin}?{options}");
    let verified = |file: &str| by(&format!("sslmode=verify-full&sslrootcert={}", files.text(file)));
    waiting::until(BOUND, "the server has its certificate", async || {
        is_encrypted(&verified("ours")).await.is_ok_and(|encrypted| encrypted)
    })
    .await;
    assert!(is_encrypted(&by("sslmode=require")).await?);
    assert!(!is_encrypted(&admin).await?, "TLS is used that was not asked for");
    assert!(!is_encrypted(&by("sslmode=prefer")).await?);

    let refused = format!("{:#}", is_encrypted(&verified("theirs")).await.expect_err("another authority"));
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let elsewhere = verified("ours").replace("@127.0.0.1:", "@localhost:");
    let refused = format!("{:#}", is_encrypted(&elsewhere).await.expect_err("another name"));
    assert!(refused.contains("not valid for name"), "{refused}");
    let refused = pool(&by("sslmode=verify-full")).expect_err("nothing to verify by").to_string();
    assert!(refused.contains("sslrootcert") && !refused.contains(HERE), "{refused}");

    drop(sql);
    tokio::task::spawn_blocking(move || backing.stop_started()).await??;
    Ok(std::fs::remove_dir_all(root)?)
}

/// A Redis with a TLS port, as one of the fleet's own servers has it; gives the URL of that port.
async fn redis_by_tls(backing: &Backing, files: &Files, pair: &Pair) -> Result<SecretString> {
    files.put_pair(pair);
    // Another user than ours reads them.
    for (path, mode) in
        [(files.path("."), 0o755), (files.path("tls.crt"), 0o644), (files.path("tls.key"), 0o644)]
    {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    let port = std::net::TcpListener::bind((HERE, 0))?.local_addr()?.port();
    let mut connection = redis::Client::open(backing.redis_url())?.get_multiplexed_async_connection().await?;
    let settings = [
        ("tls-cert-file", files.text("tls.crt")),
        ("tls-key-file", files.text("tls.key")),
        ("tls-auth-clients", "no".to_owned()),
        ("tls-port", port.to_string()),
    ];
    let mut set = redis::cmd("CONFIG");
    set.arg("SET");
    for (name, value) in settings {
        set.arg(name).arg(value);
    }
    set.query_async::<()>(&mut connection).await?;
    let (_, rest) = backing.redis_url().split_once("://").context("a URL")?;
    let (login, _) = rest.rsplit_once('@').context("a password")?;
    Ok(SecretString::from(format!("rediss://{login}@{HERE}:{port}/0")))
}

/// Keys in that Redis, asked by its plain port.
async fn keys(backing: &Backing) -> Result<i64> {
    let mut connection = redis::Client::open(backing.redis_url())?.get_multiplexed_async_connection().await?;
    Ok(redis::cmd("DBSIZE").query_async(&mut connection).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gateways_count_in_redis_by_tls_if_its_certificate_is_the_right_one() -> Result<()> {
    let (backing, root) = servers("tls-redis").await?;
    if backing.source(Service::Redis) == Some(Source::Environment) {
        // Not ours to change.
        return Ok(std::fs::remove_dir_all(root)?);
    }
    let (ours, files) = (Authority::new("ours"), Files::new("redis"));
    files.put("ca.crt", &ours.pem());
    let url = redis_by_tls(&backing, &files, &ours.issue(&[HERE])).await?;
    let mut stage = stage(vec![
        ("GLOBCRM_GATEWAY_REDIS_URL", url.expose_secret().to_owned()),
        ("GLOBCRM_GATEWAY_REDIS_CA_FILE", files.text("ca.crt")),
        ("GLOBCRM_GATEWAY_LOG", "info,globcrm_gateway=debug".to_owned()),
    ])
    .await;
    waiting::outcome(BOUND, "requests are counted in Redis", async || {
        stage.anonymous.get("/api/v1/me").await.expect(401);
        match keys(&backing).await {
            Ok(0) => Err("there are no keys".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;

    files.put("ca.crt", &Authority::new("theirs").pem());
    let mut connection = redis::Client::open(backing.redis_url())?.get_multiplexed_async_connection().await?;
    tokio::task::block_in_place(|| stage.fleet.restart(Role::Gateway))?;
    redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await?;
    waiting::until(BOUND, "the gateway says that it counts for itself", async || {
        stage.anonymous.get("/api/v1/me").await.expect(401);
        log(&stage, Role::Gateway).contains("UnknownIssuer")
    })
    .await;
    assert_eq!(keys(&backing).await?, 0);
    assert!(!log(&stage, Role::Gateway).contains(url.expose_secret()));

    drop(stage);
    tokio::task::spawn_blocking(move || backing.stop_started()).await??;
    Ok(std::fs::remove_dir_all(root)?)
}
