//! What is held elsewhere - a row, a tenant's connections - keeps back neither writers nor events.

use anyhow::Result;
use auth::VerifiedTenant;
use db::TenantTx;
use events::relay::steps::{Fate, Steps};
use events::{NewEvent, outbox};
use ids::TenantId;
use uuid::Uuid;

use crate::database::{blocked, execute};
use crate::events::consuming::{delete_queues, started};
use crate::events::world::{Ledger, World, until};

/// Dropping a partition locks out every writer until the transaction ends: it comes when nothing else is left to wait for.
#[tokio::test(flavor = "multi_thread")]
async fn writers_go_on_while_a_partition_waits_to_be_dropped() -> Result<()> {
    let world = World::new("globcrm_attacks_partition").await?;
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| anyhow::anyhow!(error);
    let mut relay = Steps::lead(world.worker.clone(), Uuid::from_u128(7)).await.map_err(failed)?;
    let bulk = NewEvent { lane: events::Lane::Bulk, ..world.event(world.clock.new_uuid(), 1) };
    world.write(vec![world.event(world.clock.new_uuid(), 1), bulk]).await?;
    assert_eq!(relay.cycle(|_| Fate::Taken).await.map_err(failed)?, 2);
    // The first partition is full, sent and old; the one after it is made.
    let mut admin = world.sql().await?;
    for text in [
        "SELECT setval('events_it.outbox_seq_0', 1000010)",
        "UPDATE events_it.relay_cursor SET high = 1000010, low_watermark = 1000010 WHERE lane = 0",
        "SELECT events_it.outbox_maintain('7 days')",
        "UPDATE events_it.outbox SET recorded_at = now() - interval '8 days'",
        // An old row of the other lane cannot be removed for now.
        "BEGIN; SELECT FROM events_it.outbox WHERE lane = 1 FOR UPDATE",
    ] {
        execute(&mut admin, text).await?;
    }
    let mut sql = world.sql().await?;
    let mut written = false;
    // It waits for a second; a machine that takes longer for one write is asked again.
    for _ in 0..10 {
        let mut conn = world.sql().await?;
        let maintain =
            tokio::spawn(
                async move { execute(&mut conn, "SELECT events_it.outbox_maintain('7 days')").await },
            );
        until("the removal waits for the row", async || {
            Ok(maintain.is_finished() || blocked(&mut sql, "outbox_maintain").await? > 0)
        })
        .await?;
        let mut tx = world.begin().await?;
        sqlx::query("SET LOCAL lock_timeout = '200ms'").execute(tx.conn()).await?;
        outbox::append(&mut tx, &world.event(world.clock.new_uuid(), 1)).await.expect("a writer waits");
        tx.commit().await?;
        written = !maintain.is_finished();
        assert!(maintain.await?.is_err(), "it did not wait for the row");
        if written {
            break;
        }
    }
    assert!(written, "no write was made beside the removal");
    execute(&mut admin, "ROLLBACK").await?;
    execute(&mut admin, "SELECT events_it.outbox_maintain('7 days')").await?;
    assert_eq!(world.number("SELECT count(*) FROM pg_class WHERE relname = 'outbox_0_0'").await?, 0);
    Ok(())
}

/// What the callers of a tenant hold of the pool keeps back neither its events nor those of others behind them.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_holds_its_share_of_the_pool_holds_up_no_event() -> Result<()> {
    const NAME: &str = "events_it.share";
    let world = World::new("globcrm_attacks_share").await?;
    let running = started(&world, NAME, Ledger).await?;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(world.begin().await?);
    }
    // Another instance writes: an event of this tenant, and behind it one of another.
    let db = db::Db::new(&world.database.config("events_it"), "events_it")?;
    let other = VerifiedTenant::from_claim(TenantId::from(world.clock.new_uuid()));
    let mut all = Vec::new();
    for tenant in [world.tenant, other] {
        let event = world.event(world.clock.new_uuid(), 1);
        let mut tx = TenantTx::begin(&db, tenant).await?;
        outbox::append(&mut tx, &event).await?;
        tx.commit().await?;
        all.push(event);
    }
    world.await_applied(&all.iter().collect::<Vec<_>>()).await?;
    assert_eq!(held.len(), 4, "the share was held until now");
    drop(held);
    running.stop().await?;
    delete_queues(&world, NAME).await
}
