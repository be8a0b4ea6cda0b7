//! Numbers without gaps, whoever writes and however that ends; days that come and go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use auth::VerifiedTenant;
use db::{Db, TenantTx};
use events::Event;
use ids::TenantId;
use notifications::journal::{Listener, Partitions, head};
use uuid::Uuid;

use super::world::{SCHEMA, World, begun};
use crate::database::{Database, execute, until_blocked};
use crate::world::Dice;

/// How an attempt to write an event ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Committed,
    /// As when the handler fails.
    RolledBack,
    /// As when the process ends between the insert and the commit.
    Dropped,
}

/// One consumer: it tries its events until each is committed.
async fn consume(db: Db, events: Vec<Event>, mut dice: Dice) -> Result<()> {
    let listener = Listener::default();
    for event in events {
        loop {
            let (_, tx) = begun(&db, &listener, event.clone()).await?;
            let end = *dice.one(&[End::Committed, End::Committed, End::RolledBack, End::Dropped]);
            match end {
                End::Committed => tx.commit().await?,
                End::RolledBack => tx.rollback().await?,
                End::Dropped => drop(tx),
            }
            if end == End::Committed {
                break;
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_have_no_gaps_though_many_write_at_once_and_half_of_them_fail() -> Result<()> {
    const EACH: usize = 30;
    let world = World::new().await?;
    let tenants = [world.tenant(), world.tenant()];
    // Two instances, each with the queues of a consumer.
    let config = world.database.config(SCHEMA);
    let instances = [Db::new(&config, SCHEMA)?, Db::new(&config, SCHEMA)?];
    let mut consumers = tokio::task::JoinSet::new();
    for n in 0..6 {
        let record = world.clock.new_uuid();
        let events = (0..EACH).map(|m| world.event(tenants[m % 2], record, m as i64 + 1)).collect();
        consumers.spawn(consume(instances[n % 2].clone(), events, Dice(n as u64 + 1)));
    }
    // Meanwhile nobody sees a number without all before it.
    let (done, tenant) = (Arc::new(AtomicBool::new(false)), tenants[0]);
    let (db, over) = (world.db.clone(), done.clone());
    let reader = tokio::spawn(async move {
        let mut looks = 0;
        while !over.load(Ordering::SeqCst) {
            let mut tx = TenantTx::begin_snapshot(&db, VerifiedTenant::from_claim(tenant)).await?;
            let last = head(&mut tx).await?.last;
            let query = sqlx::query_as(
                "SELECT count(*), coalesce(max(number), 0) FROM notifications.journal WHERE tenant_id = $1",
            );
            let (count, greatest): (i64, i64) = query.bind(tx.tenant_id()).fetch_one(tx.conn()).await?;
            tx.commit().await?;
            anyhow::ensure!(
                (count, greatest) == (last, last),
                "{count} events up to {greatest}, and the head is {last}"
            );
            looks += 1;
        }
        Ok::<usize, anyhow::Error>(looks)
    });
    while let Some(ended) = consumers.join_next().await {
        ended??;
    }
    done.store(true, Ordering::SeqCst);
    assert!(reader.await?? > 0);
    for tenant in tenants {
        let numbers = world.numbers(tenant).await?;
        let expected: Vec<i64> = (1..=(6 * EACH / 2) as i64).collect();
        assert_eq!(numbers.iter().map(|(number, _)| *number).collect::<Vec<_>>(), expected);
        let events: BTreeSet<Uuid> = numbers.iter().map(|(_, event)| *event).collect();
        assert_eq!(events.len(), expected.len(), "each event once");
        let query = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT written_at - lag(written_at) OVER (ORDER BY number) AS step
                 FROM notifications.journal WHERE tenant_id = $1) AS s WHERE step < interval '0'",
        );
        let back: i64 = query.bind(tenant.uuid()).fetch_one(&mut world.sql().await?).await?;
        assert_eq!(back, 0, "time went back");
    }
    for instance in instances {
        instance.close().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_stalls_loses_its_connection_and_the_next_one_draws_its_number() -> Result<()> {
    let world = World::new().await?;
    let tenant = world.tenant();
    let first = world.event(tenant, world.clock.new_uuid(), 1);
    let (_, mut stalled) = begun(&world.db, &Listener::default(), first.clone()).await?;
    let stall: String = sqlx::query_scalar("SELECT current_setting('idle_in_transaction_session_timeout')")
        .fetch_one(stalled.conn())
        .await?;
    assert_eq!(stall, "10s");
    // Another instance waits for it; a third tenant's does not.
    let next = world.event(tenant, world.clock.new_uuid(), 1);
    let writing = world.write(next.clone());
    let stalling = async {
        until_blocked(&mut world.sql().await?, "journal_head").await;
        let elsewhere = world.event(world.tenant(), world.clock.new_uuid(), 1);
        world.write(elsewhere).await?;
        // The test does not wait ten seconds for what a quarter of one shows as well.
        sqlx::query("SELECT set_config('idle_in_transaction_session_timeout', '250ms', true)")
            .execute(stalled.conn())
            .await?;
        Ok::<_, anyhow::Error>(())
    };
    let (written, stalling) = tokio::join!(writing, stalling);
    stalling?;
    written?;
    assert!(stalled.commit().await.is_err(), "it commits what nobody waits for any more");
    assert_eq!(world.numbers(tenant).await?, [(1, next.id)]);
    // What it had comes again, as nobody has acknowledged it.
    world.write(first.clone()).await?;
    assert_eq!(world.numbers(tenant).await?, [(1, next.id), (2, first.id)]);
    Ok(())
}

#[tokio::test]
async fn tenants_are_numbered_apart_and_see_their_own_journal_only() -> Result<()> {
    let world = World::new().await?;
    let (a, b) = (world.tenant(), world.tenant());
    let record = world.clock.new_uuid();
    for version in 1..=3 {
        world.write(world.event(a, record, version)).await?;
    }
    world.write(world.event(b, record, 1)).await?;
    let seen = async |tenant: TenantId| {
        let mut tx = world.tx(tenant).await?;
        // No condition on the tenant: row-level security alone decides.
        let rows: Vec<(Uuid, i64)> =
            sqlx::query_as("SELECT tenant_id, number FROM notifications.journal ORDER BY number")
                .fetch_all(tx.conn())
                .await?;
        let heads: Vec<(Uuid, i64)> =
            sqlx::query_as("SELECT tenant_id, last FROM notifications.journal_head")
                .fetch_all(tx.conn())
                .await?;
        tx.commit().await?;
        Ok::<_, anyhow::Error>((rows, heads))
    };
    let of = |tenant: TenantId, numbers: std::ops::RangeInclusive<i64>| {
        let last = *numbers.end();
        (numbers.map(|n| (tenant.uuid(), n)).collect::<Vec<_>>(), vec![(tenant.uuid(), last)])
    };
    assert_eq!(seen(a).await?, of(a, 1..=3));
    assert_eq!(seen(b).await?, of(b, 1..=1));
    assert_eq!(seen(world.tenant()).await?, (Vec::new(), Vec::new()));
    // The app role changes and removes nothing of it.
    for statement in ["UPDATE notifications.journal SET number = number", "DELETE FROM notifications.journal"]
    {
        let mut tx = world.tx(a).await?;
        let refused = sqlx::query(statement).execute(tx.conn()).await.unwrap_err();
        assert_eq!(
            refused.as_database_error().and_then(|e| e.code()).as_deref(),
            Some("42501"),
            "{statement}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_journal_has_no_value_of_a_record() -> Result<()> {
    let world = World::new().await?;
    let tenant = world.tenant();
    let event = world.event(tenant, world.clock.new_uuid(), 1);
    let values: Vec<String> =
        event.changes.iter().flat_map(|change| [&change.before, &change.after]).flatten().cloned().collect();
    assert!(!values.is_empty());
    world.write(event).await?;
    let query =
        sqlx::query_scalar("SELECT to_jsonb(j)::text FROM notifications.journal AS j WHERE tenant_id = $1");
    let row: String = query.bind(tenant.uuid()).fetch_one(&mut world.sql().await?).await?;
    assert!(row.contains("last_name"), "{row}");
    for value in values {
        assert!(!row.contains(value.trim_matches('"')), "{value} is in {row}");
    }
    Ok(())
}

#[tokio::test]
async fn days_are_made_ahead_and_dropped_after_their_time() -> Result<()> {
    const DAYS: &str = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'notifications.journal'::regclass ORDER BY 1";
    let database = Database::fresh("globcrm_test_journal_days", &[notifications::MIGRATIONS]).await?;
    let world = World::on(database)?;
    let tenant = world.tenant();
    let mut sql = world.sql().await?;
    let day = async |sql: &mut sqlx::PgConnection, ago: i32| -> Result<String> {
        let text = "SELECT 'journal_' || to_char((clock_timestamp() AT TIME ZONE 'UTC') - make_interval(days => $1), 'YYYYMMDD')";
        Ok(sqlx::query_scalar(text).bind(ago).fetch_one(sql).await?)
    };
    // Days of before this test's database, one on each side of the bound.
    for ago in [40, 33, 30] {
        let name = day(&mut sql, ago).await?;
        execute(
            &mut sql,
            format!(
                "DO $$ DECLARE day timestamptz := date_trunc('day', clock_timestamp() - interval '{ago} days', 'UTC'); BEGIN
                     EXECUTE format('CREATE TABLE notifications.{name} PARTITION OF notifications.journal
                         FOR VALUES FROM (%L) TO (%L)', day, day + interval '1 day'); END $$;
                 ALTER TABLE notifications.{name} OWNER TO globcrm_notifications_owner;"
            ),
        )
        .await?;
    }
    // Today has none: its events lie in the default partition, with one that is too old.
    let today = day(&mut sql, 0).await?;
    execute(&mut sql, format!("DROP TABLE notifications.{today}")).await?;
    for version in 1..=2 {
        world.write(world.event(tenant, world.clock.new_uuid(), version)).await?;
    }
    execute(
        &mut sql,
        "UPDATE notifications.journal_default SET written_at = written_at - interval '50 days' WHERE number = 1",
    )
    .await?;

    let partitions = Partitions { worker: world.worker()? };
    for _ in 0..2 {
        partitions.round().await?;
    }
    let kept: Vec<String> = sqlx::query_scalar(DAYS).fetch_all(&mut sql).await?;
    let mut expected = vec!["journal_default".to_owned(), day(&mut sql, 30).await?];
    for ahead in 1..=7 {
        expected.push(day(&mut sql, -ahead).await?);
    }
    expected.sort();
    assert_eq!(kept, expected);
    assert_eq!(world.numbers(tenant).await?.into_iter().map(|(n, _)| n).collect::<Vec<_>>(), [2]);
    partitions.worker.close().await;
    Ok(())
}

#[tokio::test]
async fn a_commit_wakes_whoever_waits_for_the_tenant() -> Result<()> {
    let world = World::new().await?;
    let tenant = world.tenant();
    let waiter = world.waiting.enter(tenant).expect("a place");
    let mut moved = Box::pin(waiter.moved());
    moved.as_mut().enable();
    world.write(world.event(tenant, world.clock.new_uuid(), 1)).await?;
    tokio::time::timeout(Duration::from_secs(20), moved).await?;
    Ok(())
}
