//! Two migrators of one server, each in a database of its own: the roles that they make are the server's.

use std::time::Duration;

use anyhow::{Context, Result};
use config::SecretString;
use db::migrate::{Administrator, LoginRole, Schema};
use sqlx::Connection;
use tokio::time::timeout;

use crate::database::{Database, execute};

/// Far more than `ROUNDS` take.
const BOUND: Duration = Duration::from_secs(60);
/// Without a lock for the whole server, one of the first few fails.
const ROUNDS: usize = 50;
const NAME: &str = "migrators";

async fn prepare(database: &Database) -> Result<()> {
    let mut admin = Administrator::connect(&database.server_url(), database.name()).await?;
    let role = |kind: &str| LoginRole {
        name: format!("globcrm_{NAME}_{kind}"),
        password: SecretString::from("only-for-tests"),
    };
    let schema = Schema { name: NAME, app: role("app"), worker: role("worker") };
    for round in 0..ROUNDS {
        admin.prepare(&schema).await.with_context(|| format!("round {round} in {}", database.name()))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn migrators_of_two_databases_make_the_same_roles_at_once() -> Result<()> {
    let first = Database::fresh("globcrm_test_migrators_a", &[]).await?;
    let second = Database::fresh("globcrm_test_migrators_b", &[]).await?;
    // The catalog's rules look at every role of the server.
    let held = first.hold_roles().await?;
    let (one, other) =
        timeout(BOUND, async { tokio::join!(prepare(&first), prepare(&second)) }).await.context("in time")?;
    for database in [&first, &second] {
        let mut sql = database.admin().await?;
        execute(&mut sql, format!("DROP SCHEMA IF EXISTS {NAME}")).await?;
        execute(
            &mut sql,
            format!("DROP OWNED BY globcrm_{NAME}_owner, globcrm_{NAME}_app, globcrm_{NAME}_worker"),
        )
        .await?;
    }
    let mut sql = first.admin().await?;
    execute(&mut sql, format!("DROP ROLE globcrm_{NAME}_owner, globcrm_{NAME}_app, globcrm_{NAME}_worker"))
        .await?;
    held.close().await?;
    one.and(other)
}
