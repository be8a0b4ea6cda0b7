//! From the broker to the effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use db::TenantTx;
use events::broadcast::Notice;
use events::{Change, Delivery, Handler, HandlerError, NewEvent, dead, routing_key};
use ids::Clock;
use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, QueueDeleteOptions};
use time::OffsetDateTime;
use uuid::Uuid;

use super::world::{Ledger, Running, World, note, until};
use crate::database::execute;

/// Names of consumers are those of queues: one for each test, whose queues are deleted at its end.
const LANES: [&str; 2] = ["p00-p15", "bulk"];

/// Steps of a record's versions that are not one up, in the order in which they were applied.
pub const DISORDER: &str =
    "SELECT count(*) FROM (SELECT version - lag(version, 1, 0::bigint) OVER (PARTITION BY record_id ORDER BY n) AS step
     FROM events_it.ledger) AS s WHERE step <> 1";

pub async fn delete_queues(world: &World, consumer: &str) -> Result<()> {
    for lane in LANES {
        let queue = format!("{consumer}.{lane}");
        world.channel().queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
    }
    Ok(())
}

/// Starts a relay and a consumer whose queues are bound.
pub async fn started(
    world: &World,
    consumer: &'static str,
    handler: impl Handler + 'static,
) -> Result<Running> {
    let mut running = Running::new();
    world.relay(&mut running);
    world.consumer(&mut running, consumer, handler);
    until_consumed(world).await?;
    Ok(running)
}

/// Waits until the queues of a consumer are bound and worked.
pub async fn until_consumed(world: &World) -> Result<()> {
    // What was published before the queue was bound is lost to it, so events of records of their own come until one is
    // applied.
    let mut probes = Vec::new();
    until("the consumer consumes", async || {
        probes.extend(world.write_some(1).await?);
        let ledger = world.ledger().await?;
        Ok(probes.iter().any(|probe| ledger.contains(&probe.id)))
    })
    .await?;
    // No probe is under way when the test counts its own events.
    world.await_applied(&[&probes[probes.len() - 1]]).await
}

pub async fn publish(world: &World, event: &events::Event, bytes: &[u8]) -> Result<()> {
    let key = routing_key(events::Lane::Interactive, events::partition(event.record_id), &event.kind);
    let properties = BasicProperties::default().with_message_id(event.id.to_string().into());
    let exchange = world.amqp.exchange.as_str();
    world
        .channel()
        .basic_publish(exchange.into(), key.into(), BasicPublishOptions::default(), bytes, properties)
        .await?
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_delivered_many_times_is_applied_once_and_in_order() -> Result<()> {
    // [F13]
    const NAME: &str = "events_it.once";
    let world = World::new("globcrm_events_once").await?;
    let running = started(&world, NAME, Ledger).await?;
    let records: Vec<Uuid> = (0..10).map(|_| world.clock.new_uuid()).collect();
    let mut all = Vec::new();
    for version in 1..=20 {
        all.extend(world.write(records.iter().map(|r| world.event(*r, version)).collect()).await?);
    }
    world.await_applied(&all.iter().collect::<Vec<_>>()).await?;
    let mut admin = world.sql().await?;
    let envelopes: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT envelope FROM events_it.outbox ORDER BY event_id DESC")
            .fetch_all(&mut admin)
            .await?;
    for bytes in envelopes.iter().chain(envelopes.iter().rev()) {
        publish(&world, &events::Event::decode(bytes)?, bytes).await?;
    }
    let last = world.write_some(1).await?;
    world.await_applied(&[&last[0]]).await?;
    assert_eq!(world.number("SELECT count(*) - count(DISTINCT event_id) FROM events_it.ledger").await?, 0);
    assert_eq!(world.number(DISORDER).await?, 0);
    running.stop().await?;
    delete_queues(&world, NAME).await
}

/// Fails for events that carry a change of the field named here, in the way it says.
pub struct Picky {
    pub healed: Arc<AtomicBool>,
    pub calls: Arc<AtomicUsize>,
}

impl Handler for Picky {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        // The effect comes first: it must be gone when the failure comes after it.
        note(tx, delivery).await?;
        if self.healed.load(Ordering::SeqCst) {
            return Ok(());
        }
        match delivery.event.changes.first().map(|change| change.field.as_str()) {
            Some("dead") => Err(HandlerError::dead("this can never work")),
            Some("panic") => panic!("a handler's defect"),
            Some("hidden") => {
                // The transaction is aborted and the handler says that all is well.
                let told = sqlx::query("SELECT 1 / 0").execute(tx.conn()).await;
                assert!(told.is_err());
                Ok(())
            }
            Some("retry") => {
                self.calls.fetch_add(1, Ordering::SeqCst);
                Err(HandlerError::retry("not now"))
            }
            _ => Ok(()),
        }
    }
}

pub fn failing(world: &World, record: Uuid, version: i64, how: &str) -> NewEvent {
    let change = Change { field: how.to_owned(), before: None, after: None };
    NewEvent { changes: vec![change], ..world.event(record, version) }
}

async fn dead_count(world: &World) -> Result<usize> {
    let mut tx = world.begin().await?;
    let dead = dead::list(&mut tx, None, 100).await?;
    tx.rollback().await?;
    Ok(dead.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_stops_its_record_and_no_other() -> Result<()> {
    // [F14]
    const NAME: &str = "events_it.poison";
    let world = World::new("globcrm_events_poison").await?;
    let healed = Arc::new(AtomicBool::new(false));
    let handler = Picky { healed: Arc::clone(&healed), calls: Arc::default() };
    let running = started(&world, NAME, handler).await?;
    let (sick, sicker, well) = (world.clock.new_uuid(), world.clock.new_uuid(), world.clock.new_uuid());
    let poison = failing(&world, sick, 1, "dead");
    let replayed = failing(&world, sicker, 1, "dead");
    let all = world
        .write(vec![
            poison.clone(),
            replayed.clone(),
            world.event(sick, 2),
            world.event(sicker, 2),
            world.event(well, 1),
            world.event(sick, 3),
        ])
        .await?;
    world.await_applied(&[&all[4]]).await?;
    until("successors wait", async || {
        Ok(world.number("SELECT count(*) FROM events_it.inbox_retry").await? == 3)
    })
    .await?;
    assert_eq!(dead_count(&world).await?, 2);
    for waiting in [&all[0], &all[1], &all[2], &all[3], &all[5]] {
        assert!(
            !world.ledger().await?.contains(&waiting.id),
            "applied past a dead event, or its effect stayed"
        );
    }

    // A redelivery of a dead event changes nothing.
    let mut admin = world.sql().await?;
    let bytes: Vec<u8> = sqlx::query_scalar("SELECT envelope FROM events_it.outbox WHERE event_id = $1")
        .bind(poison.id)
        .fetch_one(&mut admin)
        .await?;
    publish(&world, &events::Event::decode(&bytes)?, &bytes).await?;

    // Another tenant sees and moves nothing.
    let other = auth::VerifiedTenant::from_claim(ids::TenantId::from(world.clock.new_uuid()));
    let mut tx = TenantTx::begin(&world.db, other).await?;
    assert!(dead::list(&mut tx, None, 100).await?.is_empty());
    assert!(!dead::discard(&mut tx, NAME, poison.id).await?);
    assert!(!dead::replay(&mut tx, NAME, poison.id, world.clock.now()).await?);
    tx.commit().await?;

    let mut tx = world.begin().await?;
    assert!(dead::discard(&mut tx, NAME, poison.id).await?);
    tx.commit().await?;
    world.await_applied(&[&all[2], &all[5]]).await?;

    // Replayed after the cure, it is applied before those that waited for it.
    healed.store(true, Ordering::SeqCst);
    let mut tx = world.begin().await?;
    assert!(dead::replay(&mut tx, NAME, replayed.id, world.clock.now()).await?);
    tx.commit().await?;
    world.await_applied(&[&replayed, &all[3]]).await?;
    let ledger = world.ledger().await?;
    let place = |id: Uuid| ledger.iter().position(|other| *other == id);
    assert!(place(replayed.id) < place(all[3].id));
    assert!(place(all[2].id) < place(all[5].id));
    assert!(!ledger.contains(&poison.id));
    assert_eq!(dead_count(&world).await?, 0);
    running.stop().await?;
    delete_queues(&world, NAME).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_event_is_tried_eight_times_and_then_dead() -> Result<()> {
    // [F14]
    const NAME: &str = "events_it.retry";
    let now = OffsetDateTime::from_unix_timestamp(1_900_000_000)?;
    let (clock, hand) = Clock::fixed(now);
    let world = World::with_clock("globcrm_events_retry", clock).await?;
    let calls = Arc::new(AtomicUsize::new(0));
    let handler = Picky { healed: Arc::default(), calls: Arc::clone(&calls) };
    let running = started(&world, NAME, handler).await?;
    let record = world.clock.new_uuid();
    let panics = failing(&world, world.clock.new_uuid(), 1, "panic");
    let hidden = failing(&world, world.clock.new_uuid(), 1, "hidden");
    let all = world
        .write(vec![failing(&world, record, 1, "retry"), world.event(record, 2), panics, hidden])
        .await?;
    const ATTEMPTS: &str = "SELECT min(attempts)::bigint FROM events_it.inbox_retry WHERE attempts > 0";
    until("all are parked", async || {
        Ok(world.number("SELECT count(*) FROM events_it.inbox_retry").await? == 4)
    })
    .await?;
    assert_eq!(calls.load(Ordering::SeqCst), 4, "one attempt and three in place");
    // Not before its time.
    assert_eq!(world.number(ATTEMPTS).await?, 1);
    for attempts in 2..8 {
        hand.advance(Duration::from_secs(3 * 3_600 * u64::from(attempts == 7) + 2 * 3_600));
        until("the next attempt", async || Ok(world.number(ATTEMPTS).await? == attempts)).await?;
    }
    hand.advance(Duration::from_secs(6 * 3_600));
    until("all are dead", async || Ok(dead_count(&world).await? == 3)).await?;
    assert_eq!(calls.load(Ordering::SeqCst), 11);
    let ledger = world.ledger().await?;
    assert!(all.iter().all(|event| !ledger.contains(&event.id)));
    running.stop().await?;
    delete_queues(&world, NAME).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_event_are_kept_and_hold_up_nobody() -> Result<()> {
    // [F14]
    const NAME: &str = "events_it.unreadable";
    let world = World::new("globcrm_events_unreadable").await?;
    let running = started(&world, NAME, Ledger).await?;
    let exchange = world.amqp.exchange.as_str();
    let properties = BasicProperties::default().with_message_id(world.clock.new_uuid().to_string().into());
    world
        .channel()
        .basic_publish(
            exchange.into(),
            "p00.events_it.thing.updated.v1".into(),
            BasicPublishOptions::default(),
            b"\xff nonsense",
            properties,
        )
        .await?;
    let after = world.write_some(1).await?;
    world.await_applied(&[&after[0]]).await?;
    let kept = "SELECT count(*) FROM events_it.dead_event WHERE type = 'unreadable'
                AND tenant_id = '00000000-0000-0000-0000-000000000000' AND envelope = '\\xff206e6f6e73656e7365'";
    assert_eq!(world.number(kept).await?, 1);
    running.stop().await?;
    delete_queues(&world, NAME).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_whose_queue_is_deleted_comes_back() -> Result<()> {
    // [F9] The broker cancels the consumer; lapin would end its stream and stay silent.
    const NAME: &str = "events_it.cancelled";
    let world = World::new("globcrm_events_cancelled").await?;
    let running = started(&world, NAME, Ledger).await?;
    delete_queues(&world, NAME).await?;
    until_consumed(&world).await?;
    running.stop().await?;
    delete_queues(&world, NAME).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_killed_in_a_handler_applies_once_when_it_is_back() -> Result<()> {
    struct Stuck(Arc<AtomicUsize>);
    impl Handler for Stuck {
        async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
            note(tx, delivery).await?;
            if delivery.event.version == 2 && self.0.fetch_add(1, Ordering::SeqCst) == 0 {
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    }
    const NAME: &str = "events_it.killed";
    let world = World::new("globcrm_events_consumer_killed").await?;
    let calls = Arc::new(AtomicUsize::new(0));
    let running = started(&world, NAME, Stuck(Arc::clone(&calls))).await?;
    let record = world.clock.new_uuid();
    let all = world.write((1..=5).map(|version| world.event(record, version)).collect()).await?;
    until("it is in the handler", async || Ok(calls.load(Ordering::SeqCst) == 1)).await?;
    running.kill().await;
    // The relay died, too; its lease would run out by itself.
    execute(&mut world.sql().await?, "UPDATE events_it.relay_lease SET expires_at = '-infinity'").await?;
    let mut running = Running::new();
    world.relay(&mut running);
    world.consumer(&mut running, NAME, Stuck(calls));
    world.await_applied(&all.iter().collect::<Vec<_>>()).await?;
    // A dropped task is no dead process: lapin still cancels, and a cancelled consumer's messages may come late. The order
    // over restarts is the business of the next test.
    assert_eq!(world.number("SELECT count(*) - count(DISTINCT event_id) FROM events_it.ledger").await?, 0);
    running.stop().await?;
    delete_queues(&world, NAME).await
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_come_and_go_keep_the_order() -> Result<()> {
    // [F15] As in a rolling update: the next instance waits for the queue while the last one has prefetched from it.
    struct Slow;
    impl Handler for Slow {
        async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
            // The work itself, so that messages lie prefetched when the consumer is told to stop.
            tokio::time::sleep(Duration::from_millis(2)).await;
            note(tx, delivery).await
        }
    }
    const NAME: &str = "events_it.rolling";
    let world = World::new("globcrm_events_rolling").await?;
    let mut current = started(&world, NAME, Slow).await?;
    let records: Vec<Uuid> = (0..5).map(|_| world.clock.new_uuid()).collect();
    let mut all = Vec::new();
    for round in 0..6 {
        for version in 1..=20 {
            let version = round * 20 + version;
            all.extend(world.write(records.iter().map(|r| world.event(*r, version)).collect()).await?);
        }
        let mut next = Running::new();
        world.relay(&mut next);
        world.consumer(&mut next, NAME, Slow);
        let applied = world.number("SELECT count(*) FROM events_it.ledger").await?;
        current.stop().await?;
        current = next;
        until("the next consumes", async || {
            Ok(world.number("SELECT count(*) FROM events_it.ledger").await? > applied)
        })
        .await?;
    }
    world.await_applied(&all.iter().collect::<Vec<_>>()).await?;
    assert_eq!(world.number(DISORDER).await?, 0);
    current.stop().await?;
    delete_queues(&world, NAME).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_reaches_every_instance() -> Result<()> {
    let world = World::new("globcrm_events_broadcast").await?;
    let mut running = Running::new();
    world.relay(&mut running);
    let mut inboxes = Vec::new();
    for _ in 0..2 {
        let (sender, receiver) = tokio::sync::mpsc::channel(64);
        let subscription = events::broadcast::subscribe(
            world.amqp.clone(),
            "events_it.caches",
            &["events_it.thing.*.v1"],
            move |notice| sender.try_send(notice).expect("room"),
            running.shutdown.clone(),
        );
        running.spawn(subscription);
        inboxes.push(receiver);
    }
    for inbox in &mut inboxes {
        assert_eq!(inbox.recv().await, Some(Notice::Connected));
    }
    let sent = world.write_some(2).await?;
    for inbox in &mut inboxes {
        for event in &sent {
            let Some(Notice::Event(got)) = inbox.recv().await else { panic!("no event") };
            assert_eq!(got.id, event.id);
        }
    }
    running.stop().await
}
