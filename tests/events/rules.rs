//! What the tables themselves refuse, whatever the code above them does.

use anyhow::Result;
use auth::VerifiedTenant;
use db::{Db, TenantTx};
use ids::TenantId;

use super::world::World;
use crate::database::execute;

/// The SQLSTATE of what the app role is told, for each statement in a transaction of its own.
async fn refusal(db: &Db, tenant: VerifiedTenant, sql: &'static str) -> Result<String> {
    let mut tx = TenantTx::begin(db, tenant).await?;
    let code = match sqlx::query(sql).execute(tx.conn()).await {
        Ok(done) => format!("{} rows", done.rows_affected()),
        Err(error) => {
            error.as_database_error().and_then(|e| e.code()).map(|c| c.to_string()).unwrap_or_default()
        }
    };
    tx.rollback().await?;
    Ok(code)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_is_append_only_and_a_tenants_own() -> Result<()> {
    let world = World::new("globcrm_events_rules").await?;
    world.write_some(2).await?;
    let denied = "42501";
    for sql in [
        "UPDATE outbox SET version = 9",
        "DELETE FROM outbox",
        "TRUNCATE outbox",
        "SELECT * FROM outbox_0_0",
        "SELECT * FROM outbox_default",
        "SELECT * FROM inbox_default",
        "UPDATE inbox SET applied_at = now()",
        "SELECT * FROM relay_cursor",
        "UPDATE relay_lease SET epoch = 0",
        "SELECT lane FROM relay_sent",
        "SELECT outbox_maintain('0 days')",
        "SELECT inbox_maintain('0 days')",
        // Another tenant's row.
        "INSERT INTO outbox (tenant_id, lane, seq, part, event_id, type, record_id, version, envelope)
         VALUES (gen_random_uuid(), 0, outbox_next(0::smallint), 0, gen_random_uuid(), 'x', gen_random_uuid(), 1, '')",
        "INSERT INTO inbox (tenant_id, consumer, event_id) VALUES (gen_random_uuid(), 'x', gen_random_uuid())",
    ] {
        assert_eq!(refusal(&world.db, world.tenant, sql).await?, denied, "{sql}");
    }
    assert_eq!(refusal(&world.db, world.tenant, "SELECT * FROM outbox").await?, "2 rows");
    let other = VerifiedTenant::from_claim(TenantId::from(world.clock.new_uuid()));
    assert_eq!(refusal(&world.db, other, "SELECT * FROM outbox").await?, "0 rows");

    for sql in [
        "DELETE FROM outbox",
        "UPDATE outbox SET version = 9",
        "SELECT * FROM inbox",
        "UPDATE dead_event SET attempts = 0",
        "UPDATE inbox_retry SET attempts = 0",
        "SELECT answer FROM idempotency",
        "UPDATE idempotency SET answer = ''",
        "DELETE FROM relay_sent",
    ] {
        let mut tx = world.worker.begin().await?;
        let told = sqlx::query(sql).execute(tx.conn()).await;
        let code =
            told.err().and_then(|e| e.as_database_error().and_then(|e| e.code()).map(|c| c.to_string()));
        assert_eq!(code.as_deref(), Some(denied), "worker: {sql}");
    }
    // What is younger than its retention is not the worker's to delete.
    let mut admin = world.sql().await?;
    execute(
        &mut admin,
        "INSERT INTO events_it.dead_event VALUES (gen_random_uuid(), 'c', gen_random_uuid(), NULL, 1, 't', '', 1, '', now() - interval '29 days');
         INSERT INTO events_it.inbox_retry VALUES (gen_random_uuid(), 'c', gen_random_uuid(), gen_random_uuid(), 2, 't', '', 1, now() - interval '44 days', now(), '');
         INSERT INTO events_it.idempotency VALUES (gen_random_uuid(), gen_random_uuid(), 'r', 'k', '', '', now() - interval '23 hours')",
    )
    .await?;
    let mut tx = world.worker.begin().await?;
    for sql in ["DELETE FROM dead_event", "DELETE FROM inbox_retry", "DELETE FROM idempotency"] {
        assert_eq!(sqlx::query(sql).execute(tx.conn()).await?.rows_affected(), 0, "worker: {sql}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_made_ahead_and_dropped_when_sent_and_old() -> Result<()> {
    let world = World::new("globcrm_events_partitions").await?;
    world.write_some(1).await?;
    let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'events_it.outbox'::regclass";
    assert_eq!(world.number(partitions).await?, 11, "five of each lane and the default");
    let mut admin = world.sql().await?;
    execute(&mut admin, "SELECT setval('events_it.outbox_seq_0', 2000000)").await?;
    world.write_some(1).await?;
    let default = "SELECT count(*) FROM events_it.outbox_default";
    assert_eq!(world.number(default).await?, 0);
    // Not sent yet: nothing goes, however old.
    execute(&mut admin, "SELECT events_it.outbox_maintain('0 days')").await?;
    assert_eq!(world.number("SELECT count(*) FROM events_it.outbox").await?, 2);
    assert_eq!(world.number(partitions).await?, 13);
    // Sent, and not old.
    execute(
        &mut admin,
        "UPDATE events_it.relay_cursor SET low_watermark = 2000001, high = 2000001 WHERE lane = 0;
         SELECT events_it.outbox_maintain('0 days')",
    )
    .await?;
    assert_eq!(world.number("SELECT count(*) FROM events_it.outbox").await?, 2, "the broker took none");
    execute(
        &mut admin,
        "INSERT INTO events_it.relay_sent VALUES (0, 0, '{[1,1]}'), (0, 2000001 / 1024, '{[2000001,2000001]}')",
    )
    .await?;
    execute(&mut admin, "SELECT events_it.outbox_maintain('1 day')").await?;
    assert_eq!(world.number("SELECT count(*) FROM events_it.outbox").await?, 2);
    execute(&mut admin, "SELECT events_it.outbox_maintain('0 days')").await?;
    assert_eq!(world.number("SELECT count(*) FROM events_it.outbox").await?, 0);
    assert_eq!(world.number(partitions).await?, 11, "full ones went as a whole");
    assert_eq!(world.number("SELECT count(*) FROM events_it.relay_sent WHERE sent <> '{}'").await?, 0);
    // A number far beyond every partition is kept by the default one.
    execute(&mut admin, "SELECT setval('events_it.outbox_seq_0', 900000000)").await?;
    world.write_some(1).await?;
    assert_eq!(world.number(default).await?, 1);
    Ok(())
}
