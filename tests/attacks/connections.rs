//! What one tenant may take of the database.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use auth::VerifiedTenant;
use config::{Seconds, SecretString};
use db::{Db, DbError, TenantTx};
use futures_util::FutureExt;
use futures_util::future::{join_all, try_join_all};
use sqlx::PgConnection;
use testkit::fleet::Role;
use tokio::time::Instant;
use uuid::Uuid;

use crate::database::Database;
use crate::stage::Stage;
use crate::waiting;

const BOUND: Duration = Duration::from_secs(20);
const CONNECTIONS: u32 = 8;

/// A service's pool on a database of its own, whose callers wait for a connection for a moment only.
async fn pool(name: &'static str) -> Result<(Db, Database)> {
    let database = Database::fresh(name, &[fields::MIGRATIONS]).await?;
    let mut config = database.config("fields");
    // Logs in as who it is: a role that was taken on may cancel nothing of the administrator's.
    config.url = SecretString::from(database.url());
    config.max_connections = CONNECTIONS;
    config.acquire = Seconds(Duration::from_secs(3));
    // Longer than a test waits for a statement that was left.
    config.statement_timeout = Seconds(Duration::from_secs(120));
    Ok((Db::new(&config, "fields")?, database))
}

fn tenant(n: u128) -> VerifiedTenant {
    VerifiedTenant::from_claim(Uuid::from_u128(n).into())
}

async fn statement(db: &Db, of: VerifiedTenant, seconds: f64) -> Result<(), DbError> {
    let mut tx = TenantTx::begin(db, of).await?;
    sqlx::query("SELECT pg_sleep($1)").bind(seconds).execute(tx.conn()).await?;
    tx.commit().await
}

/// How many statements run for callers of the pool.
async fn running(sql: &mut PgConnection) -> Result<i64> {
    let text = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND application_name = 'globcrm-fields-app' AND state <> 'idle'";
    Ok(sqlx::query_scalar(text).fetch_one(sql).await?)
}

async fn until_running(sql: &mut PgConnection, wanted: i64) {
    let sql = tokio::sync::Mutex::new(sql);
    waiting::outcome(BOUND, &format!("{wanted} statements run"), async || {
        let now = running(*sql.lock().await).await.map_err(|e| e.to_string())?;
        if now == wanted { Ok(()) } else { Err(format!("{now} run")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_statements_of_one_tenant_fail_no_call_of_another() -> Result<()> {
    let (db, _database) = pool("globcrm_test_shares").await?;
    let (over, busy) = (AtomicBool::new(false), AtomicUsize::new(0));
    let loud = join_all((0..8 * CONNECTIONS).map(|_| async {
        while !over.load(Ordering::SeqCst) {
            match statement(&db, tenant(1), 0.4).await {
                Ok(()) => {}
                // Told that it is its own doing, and when to come again.
                Err(error @ DbError::Busy) => {
                    let error = error::Error::from(error);
                    assert_eq!((error.code().http(error.reason()), error.reason()), (429, "TENANT_BUSY"));
                    assert!(error.retry_after().is_some());
                    busy.fetch_add(1, Ordering::SeqCst);
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }));
    let quiet = async {
        // From when the loud one has all that it can get.
        waiting::until(BOUND, "the loud tenant is refused", async || busy.load(Ordering::SeqCst) > 0).await;
        let mut failed = Vec::new();
        for n in 0..60 {
            failed.extend(statement(&db, tenant(2 + n % 3), 0.001).await.err());
        }
        over.store(true, Ordering::SeqCst);
        failed
    };
    let (_, failed) = tokio::join!(loud, quiet);
    assert!(failed.is_empty(), "{} of 60 calls of quiet tenants failed: {failed:?}", failed.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statement_of_a_caller_who_has_gone_is_cancelled_and_its_connection_used_again() -> Result<()> {
    let (db, database) = pool("globcrm_test_cancelled").await?;
    let mut sql = database.admin().await?;
    let slow: Vec<_> = (0..4).map(|_| Box::pin(statement(&db, tenant(1), 600.0))).collect();
    let slow = join_all(slow);
    tokio::select! {
        ended = slow => panic!("ten minutes are over: {ended:?}"),
        () = until_running(&mut sql, 4) => {}
    }
    let pids: Vec<i32> = pids(&mut sql).await?;
    // They are dropped now; a tenant's share is free again when they have ended.
    until_running(&mut sql, 0).await;
    try_join_all((0..4).map(|_| statement(&db, tenant(1), 0.05))).await?;
    assert_eq!(pids_of_kind(&mut sql, &pids).await?, 4, "connections were thrown away");
    Ok(())
}

/// Callers who go before their connection is made leave it to those who come: else callers who always go early would keep the
/// server busy with log-ins, and nobody would ever get a connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_begun_for_a_caller_who_has_gone_is_there_for_the_next() -> Result<()> {
    let (db, database) = pool("globcrm_test_begun").await?;
    let mut sql = database.admin().await?;
    for _ in 0..50 {
        assert!(
            TenantTx::begin(&db, tenant(1)).now_or_never().is_none(),
            "nothing is there at the first look"
        );
    }
    let sql = tokio::sync::Mutex::new(&mut sql);
    waiting::until(BOUND, "connections are made", async || {
        pids(*sql.lock().await).await.is_ok_and(|pids| !pids.is_empty())
    })
    .await;
    let sql = sql.into_inner();
    until_running(sql, 0).await;
    let made = pids(sql).await?;
    assert!(made.len() <= CONNECTIONS as usize / 2, "more than the tenant's share: {made:?}");
    Ok(statement(&db, tenant(2), 0.0).await?)
}

async fn pids(sql: &mut PgConnection) -> Result<Vec<i32>> {
    let text = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
                AND application_name = 'globcrm-fields-app'";
    Ok(sqlx::query_scalar(text).fetch_all(sql).await?)
}

async fn pids_of_kind(sql: &mut PgConnection, known: &[i32]) -> Result<usize> {
    Ok(pids(sql).await?.iter().filter(|pid| known.contains(pid)).count())
}

/// The roles of services may cancel what they run themselves.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_may_cancel_its_own_statements() -> Result<()> {
    let stage = Stage::shared().await;
    let variables = &stage.environments.roles[&Role::Fields];
    let mut config = Database::shared(fields::MIGRATIONS).await?.config("fields");
    config.url = SecretString::from(variables["GLOBCRM_FIELDS_DATABASE_URL"].as_str());
    config.max_connections = 2;
    let db = Db::new(&config, "fields")?;
    let pid = async |tx: &mut TenantTx| {
        anyhow::Ok(sqlx::query_scalar::<_, i32>("SELECT pg_backend_pid()").fetch_one(tx.conn()).await?)
    };
    // A test that makes a database of its own sets the passwords of the roles anew, and for a moment they are others.
    let begin = async || {
        let asked = async || TenantTx::begin(&db, tenant(1)).await;
        waiting::outcome(Duration::from_secs(20), "the service logs in", asked).await
    };
    let mut tx = begin().await;
    let known = pid(&mut tx).await?;
    let endless = sqlx::query("SELECT pg_sleep(600)").execute(tx.conn());
    tokio::time::timeout(Duration::from_millis(100), endless).await.expect_err("ten minutes are over");
    drop(tx);
    // Of two connections one is new as long as the first is not given back; the tenant may hold both.
    let mut held = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut tx = begin().await;
        seen.push(pid(&mut tx).await?);
        held.push(tx);
    }
    assert!(seen.contains(&known), "the connection was thrown away");
    Ok(())
}

/// Statements are dropped at about the moment at which they end by themselves, so that cancellations are late; they meet
/// nobody else's statement on the same connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_cancellation_meets_no_other_statement() -> Result<()> {
    let (db, database) = pool("globcrm_test_late").await?;
    let over = AtomicBool::new(false);
    let leaving = join_all((0..4_u64).map(|n| {
        let db = &db;
        async move {
            for call in 0..60_u64 {
                let gone = Duration::from_millis(1 + (n * 7 + call) % 9);
                let lasts = 0.02 + f64::from(u32::try_from((call * 3) % 14).unwrap_or(0)) / 1_000.0;
                match tokio::time::timeout(gone, statement(db, tenant(1), lasts)).await {
                    Err(_) | Ok(Ok(()) | Err(DbError::Busy)) => {}
                    Ok(Err(other)) => panic!("{other:?}"),
                }
            }
        }
    }));
    let leaving = async {
        leaving.await;
        over.store(true, Ordering::SeqCst);
    };
    let staying = join_all((0..4).map(|_| async {
        let mut failed = Vec::new();
        while !over.load(Ordering::SeqCst) {
            failed.extend(statement(&db, tenant(2), 0.004).await.err());
        }
        failed
    }));
    let ((), failed) = tokio::join!(leaving, staying);
    let failed: Vec<_> = failed.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{failed:?}");
    until_running(&mut database.admin().await?, 0).await;
    Ok(())
}

#[tokio::test]
async fn a_statement_may_run_no_longer_than_its_call() -> Result<()> {
    let (db, _database) = pool("globcrm_test_deadlines").await?;
    let allowed = async || {
        let mut tx = TenantTx::begin(&db, tenant(1)).await?;
        let text = "SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'";
        let allowed: i64 = sqlx::query_scalar(text).fetch_one(tx.conn()).await?;
        tx.commit().await?;
        anyhow::Ok(allowed)
    };
    let within =
        async |left| host::deadline::within(Instant::now() + Duration::from_millis(left), allowed()).await;
    // The service's own bound is two minutes here; what a call has left is the tighter one, but for a tenth of a second.
    assert_eq!(allowed().await?, 120_000);
    assert_eq!(within(600_000).await?, 120_000);
    assert!((1..=60_100).contains(&within(60_000).await?));
    assert_eq!(allowed().await?, 120_000, "what one call had left is not the next one's");
    Ok(())
}

/// A bare `COMMIT` of a failed transaction rolls back and says nothing.
#[tokio::test]
async fn a_commit_that_cannot_be_is_an_error() -> Result<()> {
    let (db, database) = pool("globcrm_test_commits").await?;
    let mut tx = TenantTx::begin(&db, tenant(1)).await?;
    sqlx::query("SELECT 1 / 0").execute(tx.conn()).await.expect_err("a division by zero");
    assert!(matches!(tx.commit().await, Err(DbError::Other(_))), "a failed transaction did not commit");
    let mut tx = TenantTx::begin(&db, tenant(1)).await?;
    sqlx::raw_sql("ROLLBACK").execute(tx.conn()).await?;
    assert!(matches!(tx.commit().await, Err(DbError::Other(_))), "there was nothing to commit");
    until_running(&mut database.admin().await?, 0).await;
    try_join_all((0..4).map(|_| statement(&db, tenant(1), 0.0))).await?;
    Ok(())
}

/// Callers of a tenant that hold all it may have keep back none of its jobs and events.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_stands_outside_the_share_of_its_tenant() -> Result<()> {
    let (db, _database) = pool("globcrm_test_pool_jobs").await?;
    let held = try_join_all((0..CONNECTIONS / 2).map(|_| TenantTx::begin(&db, tenant(1)))).await?;
    let refused = TenantTx::begin(&db, tenant(1)).await;
    assert!(matches!(refused, Err(DbError::Busy)), "{refused:?}");
    TenantTx::begin_job(&db, tenant(1))
        .await
        .expect("a job is kept back by its tenant's callers")
        .commit()
        .await?;
    drop(held);
    Ok(())
}

/// Half of the pool is a tenant's while nobody else comes; next to others it holds few, so that what it runs leaves the server's
/// processors to them.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_beside_others_runs_few_statements_at_once() -> Result<()> {
    let (db, database) = pool("globcrm_test_beside").await?;
    let mut sql = database.admin().await?;
    let alone = most_at_once(&db, &mut sql, false).await?;
    assert!(alone > 2, "{alone} of the pool's half");
    let beside = most_at_once(&db, &mut sql, true).await?;
    assert!((1..=2).contains(&beside), "{beside} at once");
    Ok(())
}

/// The most statements of a loud tenant that were seen at once, beside a quiet one that holds two places all the time or without. Places that it gave
/// back a moment ago count as well, but how many these are depends on how busy the machine is: that is tested where the clock is the test's.
async fn most_at_once(db: &Db, sql: &mut PgConnection, beside: bool) -> Result<i64> {
    let done = AtomicUsize::new(0);
    let is_over = || done.load(Ordering::SeqCst) >= 100;
    let quiet = if beside { 2 } else { 0 };
    let _quiet = try_join_all((0..quiet).map(|_| TenantTx::begin(db, tenant(2)))).await?;
    let loud = try_join_all((0..CONNECTIONS).map(|_| async {
        while !is_over() {
            statement(db, tenant(1), 0.02).await?;
            done.fetch_add(1, Ordering::SeqCst);
        }
        Ok::<_, DbError>(())
    }));
    let look = async {
        let mut most = 0;
        while !is_over() {
            most = most.max(sleeping(sql).await?);
        }
        anyhow::Ok(most)
    };
    let (loud, most) = tokio::join!(loud, look);
    loud?;
    most
}

/// Statements of the loud tenant that run now.
async fn sleeping(sql: &mut PgConnection) -> Result<i64> {
    let text = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND application_name = 'globcrm-fields-app' AND wait_event = 'PgSleep'";
    Ok(sqlx::query_scalar(text).fetch_one(sql).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn long_statements_of_one_tenant_run_in_turn_while_others_come() -> Result<()> {
    let (db, _database) = pool("globcrm_test_long").await?;
    let _own = TenantTx::begin(&db, tenant(1)).await?;
    assert!(db.long_turn(tenant(1)).await?.is_none(), "alone there is nothing to wait for");
    let _others = TenantTx::begin(&db, tenant(2)).await?;
    let first = db.long_turn(tenant(1)).await?.expect("beside others there are turns");
    let mut waits = Box::pin(db.long_turn(tenant(1)));
    assert!((&mut waits).now_or_never().is_none(), "the turn is taken");
    assert!(db.long_turn(tenant(2)).await?.is_some(), "it is not the other's turn that is taken");
    // A caller who goes keeps the turn until the statement has ended.
    let mut tx = TenantTx::begin(&db, tenant(1)).await?;
    tx.keep(first);
    drop(tx);
    assert!(waits.await?.is_some());
    Ok(())
}
