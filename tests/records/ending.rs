//! What the end of a world finds, and that it is looked at.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Result;
use sqlx::PgConnection;

use super::imports::{import, upload};
use super::world::{Caller, World, named};
use crate::world::left_behind;

/// A contact of two versions.
async fn written(world: &World) -> Result<Caller> {
    let admin = world.admin()?;
    let made = admin.create(named("Ada", "Berg")).await?;
    admin.update(&made.id, named("Ida", "Berg"), &["first_name"]).await?;
    Ok(admin)
}

/// What is found while `change` holds, which nobody else sees.
async fn found(world: &World, who: &Caller, change: &'static str) -> Result<Vec<String>> {
    let mut sql = world.sql().await?;
    sqlx::query("BEGIN").execute(&mut sql).await?;
    changed(&mut sql, who, change).await?;
    let found = left_behind(&mut sql, &world.look()).await?;
    sqlx::query("ROLLBACK").execute(&mut sql).await?;
    Ok(found)
}

async fn changed(sql: &mut PgConnection, who: &Caller, change: &'static str) -> Result<()> {
    let changed = sqlx::query(change).bind(who.tenant.uuid()).execute(sql).await?;
    anyhow::ensure!(changed.rows_affected() > 0, "{change} changed nothing");
    Ok(())
}

#[tokio::test]
async fn events_that_are_not_what_their_rows_say_or_out_of_order_are_found() -> Result<()> {
    let world = World::new().await?;
    let admin = written(&world).await?;
    let nothing = "UPDATE records.outbox SET version = version WHERE tenant_id = $1";
    assert_eq!(found(&world, &admin, nothing).await?, Vec::<String>::new());
    let lines = found(&world, &admin, "UPDATE records.outbox SET version = 3 - version WHERE tenant_id = $1");
    let lines = lines.await?;
    assert_eq!(lines.iter().filter(|line| line.contains("is not what its row says")).count(), 2, "{lines:?}");
    assert_eq!(
        lines.iter().filter(|line| line.ends_with("version 1 after version 2")).count(),
        1,
        "{lines:?}"
    );
    let lines = found(&world, &admin, "UPDATE records.outbox SET envelope = '\\x01' WHERE tenant_id = $1");
    let lines = lines.await?;
    assert_eq!(lines.iter().filter(|line| line.contains("cannot be read")).count(), 2, "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn an_operation_that_nobody_runs_any_more_is_found() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let file = upload(&world, &admin, "Mail\na@x.test\n").await?;
    admin.queue_import(import(file, &[("Mail", "emails.address")])).await?;
    let running = "UPDATE records.operation SET state = 'running' WHERE tenant_id = $1";
    let lines = found(&world, &admin, running).await?;
    assert!(matches!(&*lines, [line] if line.ends_with("is running")), "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn a_world_that_leaves_something_behind_fails_its_test() -> Result<()> {
    let world = World::new().await?;
    let admin = written(&world).await?;
    let gap = "UPDATE records.outbox SET version = version + 1 WHERE tenant_id = $1";
    changed(&mut world.sql().await?, &admin, gap).await?;
    let ended = catch_unwind(AssertUnwindSafe(|| drop(world)));
    let said = ended.expect_err("the end looks").downcast::<String>().expect("a text");
    assert!(said.contains("is not what its row says"), "{said}");
    Ok(())
}
