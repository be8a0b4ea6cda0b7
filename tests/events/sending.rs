//! From the transaction to the broker.

use anyhow::Result;
use config::SecretString;
use events::{AmqpConfig, Lane, outbox};
use lapin::options::{ExchangeDeleteOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};

use super::world::{Running, World, until};
use crate::database::execute;

const HOLES: &str = "SELECT sum(cardinality(holes))::bigint FROM events_it.relay_cursor";
const SENT: &str = "SELECT low_watermark FROM events_it.relay_cursor WHERE lane = 0";

#[tokio::test(flavor = "multi_thread")]
async fn a_late_commit_of_a_lower_number_is_sent_and_a_rollback_leaves_nothing() -> Result<()> {
    // [F4, F3]
    let world = World::new("globcrm_events_late").await?;
    let mut running = Running::new();
    world.relay(&mut running);
    let (late, never) = (world.event(world.clock.new_uuid(), 1), world.event(world.clock.new_uuid(), 1));
    let mut slow = world.begin().await?;
    outbox::append(&mut slow, &late).await?;
    let mut undone = world.begin().await?;
    outbox::append(&mut undone, &never).await?;

    // Sent while the transactions with the lower numbers are open.
    let others = world.write_some(200).await?;
    let seen = world.await_tapped(&others).await?;
    assert!(!seen.contains_key(&late.id) && !seen.contains_key(&never.id));
    assert!(world.number(HOLES).await? > 0);

    undone.rollback().await?;
    slow.commit().await?;
    let seen = world.await_tapped(std::slice::from_ref(&late)).await?;
    until("no hole stays", async || Ok(world.number(HOLES).await? == 0)).await?;
    assert_eq!(world.number(SENT).await?, 202);
    let last = world.tapped().await?;
    assert!(!seen.contains_key(&never.id) && last.is_empty(), "{last:?}");
    running.stop().await
}

/// `outbox_next` with a stop between number and row, and with or without the transaction id before the number.
fn outbox_next(id_first: bool) -> String {
    let id = if id_first { "PERFORM pg_current_xact_id();" } else { "" };
    format!(
        "CREATE OR REPLACE FUNCTION events_it.outbox_next(lane smallint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
         DECLARE n bigint;
         BEGIN
             {id}
             n := nextval('events_it.outbox_seq_0');
             IF current_setting('events_it.stop', true) = 'yes' THEN
                 PERFORM pg_advisory_xact_lock(42);
             END IF;
             RETURN n;
         END $$"
    )
}

/// Whether an event is lost whose number others pass before its row is written.
async fn lost(name: &'static str, id_first: bool) -> Result<bool> {
    let world = World::new(name).await?;
    let mut admin = world.sql().await?;
    execute(&mut admin, outbox_next(id_first)).await?;
    execute(&mut admin, "SELECT pg_advisory_lock(42)").await?;
    // The first of a sequence's numbers writes WAL and so gives an id in any case; most do not.
    world.write_some(3).await?;
    let late = world.event(world.clock.new_uuid(), 1);
    let mut tx = world.begin().await?;
    sqlx::query("SELECT set_config('events_it.stop', 'yes', true)").execute(tx.conn()).await?;
    let append = async {
        outbox::append(&mut tx, &late).await?;
        tx.commit().await?;
        anyhow::Ok(())
    };
    let mut running = Running::new();
    world.relay(&mut running);
    let meanwhile = async {
        until("the number is drawn", async || {
            Ok(world.number("SELECT last_value FROM events_it.outbox_seq_0").await? == 4)
        })
        .await?;
        for _ in 0..3 {
            let others = world.write_some(5).await?;
            world.await_tapped(&others).await?;
        }
        if id_first {
            assert!(world.number(HOLES).await? > 0, "the number was given up while its transaction lived");
        } else {
            until("the hole is given up", async || Ok(world.number(HOLES).await? == 0)).await?;
        }
        execute(&mut admin, "SELECT pg_advisory_unlock(42)").await
    };
    tokio::try_join!(append, meanwhile)?;
    let last = world.write_some(1).await?;
    let mut seen = world.await_tapped(&last).await?;
    until("no hole stays", async || Ok(world.number(HOLES).await? == 0)).await?;
    running.stop().await?;
    for event in world.tapped().await? {
        *seen.entry(event.id).or_default() += 1;
    }
    assert_eq!(world.number(SENT).await?, 20);
    Ok(!seen.contains_key(&late.id))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transaction_id_comes_before_the_number_and_without_it_events_are_lost() -> Result<()> {
    // [F27] The mutant shows that the check can fail.
    assert!(!lost("globcrm_events_id_first", true).await?);
    assert!(lost("globcrm_events_number_first", false).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_killed_again_and_again_loses_nothing_and_repeats_at_most_a_window_each_time() -> Result<()> {
    // [F1]
    let world = World::new("globcrm_events_killed").await?;
    let records: Vec<_> = (0..50).map(|_| world.clock.new_uuid()).collect();
    let mut all = Vec::new();
    for version in 1..=40 {
        let events: Vec<_> = records.iter().map(|record| world.event(*record, version)).collect();
        let mut tx = world.begin().await?;
        outbox::append_many(&mut tx, &events).await?;
        tx.commit().await?;
        all.extend(events);
    }
    let mut got = Vec::new();
    let kills = 6;
    for kill in 1..=kills {
        let mut running = Running::new();
        world.relay(&mut running);
        let goal = all.len() * kill / (kills + 2);
        until("some are sent", async || {
            got.extend(world.tapped().await?);
            Ok(got.len() >= goal)
        })
        .await?;
        running.kill().await;
        // What the dead one held for up to 15 s.
        execute(&mut world.sql().await?, "UPDATE events_it.relay_lease SET expires_at = '-infinity'").await?;
    }
    let mut running = Running::new();
    world.relay(&mut running);
    until("all are sent", async || {
        got.extend(world.tapped().await?);
        Ok(world.number(SENT).await? == all.len() as i64)
    })
    .await?;
    got.extend(world.tapped().await?);
    assert!(got.len() <= all.len() + kills * 500, "{} events for {}", got.len(), all.len());
    // First deliveries are in order for every record, and each event is there.
    let mut versions = std::collections::BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for event in got {
        if seen.insert(event.id) {
            let before = versions.insert(event.record_id, event.version).unwrap_or(0);
            assert_eq!(event.version, before + 1, "out of order");
        }
    }
    assert_eq!(seen.len(), all.len());
    running.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_relay_waits_and_takes_over_when_the_first_stops() -> Result<()> {
    let world = World::new("globcrm_events_lease").await?;
    let (mut first, mut second) = (Running::new(), Running::new());
    let one = world.relay(&mut first);
    until("the first leads", async || Ok(one.snapshot().leader)).await?;
    let two = world.relay(&mut second);
    until("the second is connected", async || Ok(two.snapshot().connected)).await?;
    assert!(!two.snapshot().leader);
    let some = world.write_some(3).await?;
    world.await_tapped(&some).await?;
    first.stop().await?;
    until("the second leads", async || Ok(two.snapshot().leader)).await?;
    let more = world.write_some(3).await?;
    let seen = world.await_tapped(&more).await?;
    assert_eq!(seen.len(), 3, "sent twice: {seen:?}");
    second.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_lost_its_lease_saves_nothing() -> Result<()> {
    // [F16, for the relay]
    let world = World::new("globcrm_events_fenced").await?;
    let mut running = Running::new();
    let status = world.relay(&mut running);
    until("it leads", async || Ok(status.snapshot().leader)).await?;
    let thief =
        "UPDATE events_it.relay_lease SET holder = '00000000-0000-0000-0000-000000000001', epoch = epoch + 1,
                 expires_at = clock_timestamp() + interval '1 hour'";
    execute(&mut world.sql().await?, thief).await?;
    let some = world.write_some(3).await?;
    until("it notices", async || Ok(!status.snapshot().leader)).await?;
    assert_eq!(world.number(SENT).await?, 0);
    execute(&mut world.sql().await?, "UPDATE events_it.relay_lease SET expires_at = '-infinity'").await?;
    until("it leads again and sends", async || Ok(world.number(SENT).await? == 3)).await?;
    world.await_tapped(&some).await?;
    running.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_holds_the_outbox_until_there_is_room() -> Result<()> {
    // [F10]
    let world = World::new("globcrm_events_full").await?;
    let queue = format!("{}.full", world.amqp.exchange);
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(5));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    world.channel().queue_declare(queue.as_str().into(), exclusive, arguments).await?;
    world.bind(&queue).await?;
    let events = world.write_some(30).await?;
    let mut running = Running::new();
    let status = world.relay(&mut running);
    until("the refusal shows", async || {
        Ok(status.snapshot().trouble.is_some_and(|trouble| trouble.contains("refused")))
    })
    .await?;
    assert!(status.check().is_err());
    assert!(world.number(SENT).await? < 30);
    let mut got = std::collections::BTreeSet::new();
    until("all went through", async || {
        got.extend(world.drain(&queue).await?.iter().map(|event| event.id));
        Ok(events.iter().all(|event| got.contains(&event.id)))
    })
    .await?;
    until("the outbox moved on", async || Ok(world.number(SENT).await? == 30 && status.check().is_ok()))
        .await?;
    running.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_the_broker_closes_is_built_again() -> Result<()> {
    // [F9] Publishing to a missing exchange is a channel exception, which lapin does not recover from.
    let world = World::new("globcrm_events_exchange").await?;
    let mut running = Running::new();
    let status = world.relay(&mut running);
    until("it leads", async || Ok(status.snapshot().leader)).await?;
    world
        .channel()
        .exchange_delete(world.amqp.exchange.as_str().into(), ExchangeDeleteOptions::default())
        .await?;
    // Nobody is bound any more: the alternate exchange takes the event, and the relay goes on.
    world.write_some(1).await?;
    until("it went on", async || Ok(world.number(SENT).await? == 1)).await?;
    world.bind(&format!("{}.tap", world.amqp.exchange)).await?;
    let some = world.write_some(2).await?;
    world.await_tapped(&some).await?;
    running.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_business_goes_on_and_readiness_says_so() -> Result<()> {
    let mut world = World::new("globcrm_events_no_broker").await?;
    let good = world.amqp.clone();
    // A port that nothing listens on.
    let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    world.amqp = AmqpConfig {
        exchange: good.exchange.clone(),
        ..AmqpConfig::new(SecretString::from(format!("amqp://u:p@{free}")))
    };
    let mut running = Running::new();
    let status = world.relay(&mut running);
    let events = world.write_some(20).await?;
    until("the backlog is measured", async || Ok(status.snapshot().oldest_unsent.is_some())).await?;
    let why = status.check().expect_err("not connected");
    assert!(!why.contains("u:p"), "{why}");
    running.stop().await?;
    world.amqp = good;
    let mut running = Running::new();
    let status = world.relay(&mut running);
    world.await_tapped(&events).await?;
    until("nothing is unsent", async || Ok(status.snapshot().oldest_unsent.is_none())).await?;
    running.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_does_not_hold_up_a_person() -> Result<()> {
    let world = World::new("globcrm_events_lanes").await?;
    let bulk: Vec<_> = (0..3_000)
        .map(|_| events::NewEvent { lane: Lane::Bulk, ..world.event(world.clock.new_uuid(), 1) })
        .collect();
    let mut tx = world.begin().await?;
    outbox::append_many(&mut tx, &bulk).await?;
    tx.commit().await?;
    let person = world.write_some(1).await?;
    let mut running = Running::new();
    world.relay(&mut running);
    let mut order = Vec::new();
    until("all are sent", async || {
        order.extend(world.tapped().await?.iter().map(|event| event.id));
        Ok(order.len() > 3_000)
    })
    .await?;
    let at = order.iter().position(|id| *id == person[0].id).expect("the person's event");
    assert!(at < 500, "behind {at} events of the import");
    running.stop().await
}
