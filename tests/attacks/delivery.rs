//! Events that commit late, are refused, fail or grow old.

mod held;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use auth::VerifiedTenant;
use db::TenantTx;
use events::relay::steps::{Fate, Steps};
use events::{Delivery, Event, Handler, HandlerError, NewEvent, dead, outbox};
use ids::{Clock, TenantId};
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::database::execute;
use crate::events::consuming::{Picky, delete_queues, failing, started};
use crate::events::world::{Ledger, Running, World, note, until};

const PARKED: &str = "SELECT count(*) FROM events_it.inbox_retry";
const KEPT: &str = "SELECT count(*) FROM events_it.outbox";
/// What a dead relay holds for up to 15 s.
const FREE: &str = "UPDATE events_it.relay_lease SET expires_at = '-infinity'";

/// Takes a transaction id, as any write before the event does.
async fn take_id(tx: &mut TenantTx) -> Result<()> {
    sqlx::query("SELECT pg_current_xact_id()").execute(tx.conn()).await?;
    Ok(())
}

/// C2. N takes its id after M and draws its number before M; M commits, the relay looks again and again, N commits.
async fn number_of_a_younger_id(name: &'static str, subtransaction: bool, killed: bool) -> Result<()> {
    let world = World::new(name).await?;
    let mut running = Running::new();
    world.relay(&mut running);
    let event = || world.event(world.clock.new_uuid(), 1);
    let (first, second) = (event(), event());
    let mut m = world.begin().await?;
    take_id(&mut m).await?;
    let mut n = world.begin().await?;
    if subtransaction {
        sqlx::query("SAVEPOINT inner_one").execute(n.conn()).await?;
    }
    outbox::append(&mut n, &first).await?;
    outbox::append(&mut m, &second).await?;
    m.commit().await?;
    world.await_tapped(std::slice::from_ref(&second)).await?;
    if killed {
        until("the cursor is saved", async || {
            Ok(world.number("SELECT high FROM events_it.relay_cursor WHERE lane = 0").await? == 2)
        })
        .await?;
        running.kill().await;
        execute(&mut world.sql().await?, FREE).await?;
        running = Running::new();
        world.relay(&mut running);
    }
    for _ in 0..3 {
        let others = world.write_some(1).await?;
        let seen = world.await_tapped(&others).await?;
        assert!(!seen.contains_key(&first.id), "sent before it was committed");
    }
    n.commit().await?;
    world.await_tapped(std::slice::from_ref(&first)).await?;
    until("no hole stays", async || {
        Ok(world.number("SELECT sum(cardinality(holes))::bigint FROM events_it.relay_cursor").await? == 0)
    })
    .await?;
    running.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_number_of_a_younger_transaction_is_sent() -> Result<()> {
    number_of_a_younger_id("globcrm_attacks_hole", false, false).await?;
    number_of_a_younger_id("globcrm_attacks_hole_sub", true, false).await?;
    number_of_a_younger_id("globcrm_attacks_hole_killed", false, true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cursor_passed_without_sending_it_is_found_and_sent() -> Result<()> {
    let world = World::new("globcrm_attacks_passed").await?;
    let mut running = Running::new();
    world.relay(&mut running);
    let sent = world.write_some(3).await?;
    world.await_tapped(&sent).await?;
    // A gap that no event fills: it is no loss.
    let mut undone = world.begin().await?;
    outbox::append(&mut undone, &world.event(world.clock.new_uuid(), 1)).await?;
    undone.rollback().await?;
    running.stop().await?;
    let passed = world.write_some(2).await?;
    execute(
        &mut world.sql().await?,
        "UPDATE events_it.relay_cursor SET low_watermark = 6, high = 6, holes = '{}' WHERE lane = 0",
    )
    .await?;
    let mut running = Running::new();
    world.relay(&mut running);
    let seen = world.await_tapped(&passed).await?;
    assert_eq!(seen.len(), 2, "what had been sent was sent again: {seen:?}");
    // Somebody moves it while it runs.
    execute(
        &mut world.sql().await?,
        "UPDATE events_it.relay_cursor SET low_watermark = 9, high = 9, holes = '{}' WHERE lane = 0",
    )
    .await?;
    let mut written = world.write_some(3).await?;
    written.extend(world.write_some(1).await?);
    world.await_tapped(&written).await?;
    running.stop().await
}

/// A queue that refuses more than `most`.
async fn refusing(world: &World, most: i32) -> Result<String> {
    let queue = format!("{}.refusing", world.amqp.exchange);
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(most));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    world.channel().queue_declare(queue.as_str().into(), exclusive, arguments).await?;
    world.bind(&queue).await?;
    Ok(queue)
}

/// The first delivery of each event is the next version of its record. Gives the newest ones.
fn no_gap(got: impl IntoIterator<Item = (Uuid, i64)>) -> BTreeMap<Uuid, i64> {
    let mut versions: BTreeMap<Uuid, i64> = BTreeMap::new();
    for (record, version) in got {
        let before = versions.entry(record).or_default();
        assert!(version <= *before + 1, "out of order: version {version} after {before}");
        *before = version.max(*before);
    }
    versions
}

/// As [`no_gap`], and nothing is missing at the end.
fn in_order(got: &[Event], expected: &[NewEvent]) {
    let versions = no_gap(got.iter().map(|event| (event.record_id, event.version)));
    for event in expected {
        assert!(versions.get(&event.record_id) >= Some(&event.version), "lost: {event:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_events_keep_the_order_of_their_records() -> Result<()> {
    for (name, most, records) in [("globcrm_attacks_refused_one", 1, 2), ("globcrm_attacks_refused", 3, 7)] {
        let world = World::new(name).await?;
        let queue = refusing(&world, most).await?;
        let records: Vec<Uuid> = (0..records).map(|_| world.clock.new_uuid()).collect();
        let mut events = Vec::new();
        for version in 1..=12 {
            let of_all: Vec<_> = records.iter().map(|record| world.event(*record, version)).collect();
            let mut tx = world.begin().await?;
            outbox::append_many(&mut tx, &of_all).await?;
            tx.commit().await?;
            events.extend(of_all);
        }
        let mut running = Running::new();
        world.relay(&mut running);
        let mut got = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        until("all went through", async || {
            for event in world.drain(&queue).await? {
                seen.insert(event.id);
                got.push(event);
            }
            // As soon as it shows: the rest may take long.
            no_gap(got.iter().map(|event| (event.record_id, event.version)));
            Ok(seen.len() == events.len())
        })
        .await?;
        in_order(&got, &events);
        running.stop().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_late_event_is_not_overtaken_by_later_ones_of_its_record() -> Result<()> {
    let world = World::new("globcrm_attacks_refused_late").await?;
    let mut running = Running::new();
    world.relay(&mut running);
    let record = world.clock.new_uuid();
    let late: Vec<_> = (1..=20).map(|version| world.event(record, version)).collect();
    let mut slow = world.begin().await?;
    outbox::append_many(&mut slow, &late).await?;
    let other = world.write_some(1).await?;
    world.await_tapped(&other).await?;
    running.stop().await?;
    let queue = refusing(&world, 1).await?;
    slow.commit().await?;
    let fresh = world.write((21..=40).map(|version| world.event(record, version)).collect()).await?;
    let mut running = Running::new();
    world.relay(&mut running);
    let all = [late, fresh].concat();
    let mut got = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    until("all went through", async || {
        for event in world.drain(&queue).await? {
            seen.insert(event.id);
            got.push(event);
        }
        no_gap(got.iter().map(|event| (event.record_id, event.version)));
        Ok(all.iter().all(|event| seen.contains(&event.id)))
    })
    .await?;
    in_order(&got, &all);
    running.stop().await
}

/// M13. Whatever is refused, in whichever try: nothing of its record overtakes it, be it fresh or late.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_event_is_overtaken_by_none_of_its_record() -> Result<()> {
    let world = World::new("globcrm_attacks_overtaken").await?;
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| anyhow::anyhow!(error);
    let mut relay = Steps::lead(world.worker.clone(), Uuid::from_u128(7)).await.map_err(failed)?;
    for (round, late) in [(1_u32, false), (2, true), (3, false), (4, true)] {
        let records: Vec<Uuid> = (0..3).map(|_| world.clock.new_uuid()).collect();
        let version = |version| records.iter().map(move |record| (*record, version));
        let all: Vec<NewEvent> =
            (1..=5).flat_map(version).map(|(record, v)| world.event(record, v)).collect();
        let mut tx = world.begin().await?;
        outbox::append_many(&mut tx, &all).await?;
        if late {
            // Passed by one that commits first.
            world.write_some(1).await?;
            relay.cycle(|_| Fate::Taken).await.map_err(failed)?;
        }
        tx.commit().await?;
        // Of the offers each so many-th is refused: another event in each try.
        let (mut offers, mut got) = (round, Vec::new());
        for _ in 0..200 {
            relay.hurry();
            let cycle = relay.cycle(|id| {
                offers += 1;
                if offers % (round + 1) == 0 {
                    return Fate::Refused;
                }
                let of = all.iter().find(|event| event.id == id);
                got.extend(of.map(|event| (event.record_id, event.version)));
                Fate::Taken
            });
            cycle.await.map_err(failed)?;
            no_gap(got.iter().copied());
        }
        let versions = no_gap(got);
        assert!(records.iter().all(|record| versions.get(record) == Some(&5)), "lost: {versions:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_leave_the_outbox_when_sent_and_only_then() -> Result<()> {
    let world = World::new("globcrm_attacks_old").await?;
    let mut admin = world.sql().await?;
    let mut running = Running::new();
    world.relay(&mut running);
    let mut open = world.begin().await?;
    outbox::append(&mut open, &world.event(world.clock.new_uuid(), 1)).await?;
    let sent = world.write_some(3).await?;
    world.await_tapped(&sent).await?;
    until("the cursor is saved", async || {
        Ok(world.number("SELECT high FROM events_it.relay_cursor WHERE lane = 0").await? == 4)
    })
    .await?;
    running.stop().await?;
    let unsent = world.write_some(2).await?;
    open.commit().await?;
    // A small installation: one partition, and far from full.
    execute(&mut admin, "SELECT events_it.outbox_maintain('7 days')").await?;
    assert_eq!(world.number(KEPT).await?, 6, "young ones stay");
    execute(&mut admin, "UPDATE events_it.outbox SET recorded_at = now() - interval '8 days'").await?;
    execute(&mut admin, "SELECT events_it.outbox_maintain('7 days')").await?;
    assert_eq!(world.number(KEPT).await?, 3, "two that are unsent and one that committed late");
    let mut running = Running::new();
    world.relay(&mut running);
    world.await_tapped(&unsent).await?;
    until("all are sent", async || {
        Ok(world.number("SELECT low_watermark FROM events_it.relay_cursor WHERE lane = 0").await? == 6)
    })
    .await?;
    running.stop().await?;
    execute(&mut admin, "SELECT events_it.outbox_maintain('7 days')").await?;
    assert_eq!(world.number(KEPT).await?, 0);
    let mut running = Running::new();
    world.relay(&mut running);
    let more = world.write_some(1).await?;
    assert_eq!(world.await_tapped(&more).await?.len(), 1);
    running.stop().await?;
    // What it remembers of them has gone with them: a sequence that is set back hides nothing.
    execute(&mut admin, "SELECT setval('events_it.outbox_seq_0', 1, false)").await?;
    let again = world.write_some(3).await?;
    let mut running = Running::new();
    world.relay(&mut running);
    world.await_tapped(&again).await?;
    running.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn given_up_and_parked_events_and_kept_answers_go_by_age() -> Result<()> {
    const NAME: &str = "events_it.aged";
    let world = World::new("globcrm_attacks_aged").await?;
    let mut admin = world.sql().await?;
    let picky = || Picky { healed: Arc::default(), calls: Arc::default() };
    let running = started(&world, NAME, picky()).await?;
    let (old, young) = (world.clock.new_uuid(), world.clock.new_uuid());
    let all = world
        .write(vec![failing(&world, old, 1, "dead"), world.event(old, 2), failing(&world, young, 1, "dead")])
        .await?;
    until("two are dead and one waits", async || {
        Ok(world.number("SELECT count(*) FROM events_it.dead_event").await? == 2
            && world.number(PARKED).await? == 1)
    })
    .await?;
    running.stop().await?;
    let record = old.to_string();
    execute(
        &mut admin,
        format!(
            "UPDATE events_it.dead_event SET died_at = now() - interval '31 days' WHERE record_id = '{record}';
             INSERT INTO events_it.inbox_retry
             SELECT tenant_id, 'events_it.no_more', gen_random_uuid(), gen_random_uuid(), position + 1000, type, envelope, 0,
                    now() - interval '46 days', now(), 'waits' FROM events_it.dead_event;
             INSERT INTO events_it.idempotency
             SELECT gen_random_uuid(), gen_random_uuid(), 'r', 'k' || n, '', 'a name', now() - n * interval '13 hours'
             FROM generate_series(0, 4) AS n"
        ),
    )
    .await?;
    let running = started(&world, NAME, picky()).await?;
    until("what is old is gone", async || {
        Ok(world.number("SELECT count(*) FROM events_it.dead_event").await? == 1
            && world.number(PARKED).await? == 0
            && world.number("SELECT count(*) FROM events_it.idempotency").await? == 2)
    })
    .await?;
    // What waited behind it was applied, not thrown away.
    world.await_applied(&[&all[1]]).await?;
    running.stop().await?;
    delete_queues(&world, NAME).await
}

/// Hangs in the events of one tenant while they are tried again, fails them the first time.
struct Hanging {
    tenant: TenantId,
    again: Arc<AtomicBool>,
    caught: Arc<AtomicUsize>,
}

impl Handler for Hanging {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        if delivery.event.changes.is_empty() {
            return note(tx, delivery).await;
        }
        if !self.again.load(Ordering::SeqCst) {
            return Err(HandlerError::retry("not now"));
        }
        if delivery.event.tenant == self.tenant {
            self.caught.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        note(tx, delivery).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_many_failing_events_does_not_hold_up_another() -> Result<()> {
    const NAME: &str = "events_it.turns";
    let (clock, hand) = Clock::fixed(OffsetDateTime::from_unix_timestamp(1_900_000_000)?);
    let world = World::with_clock("globcrm_attacks_turns", clock).await?;
    let (again, hanging) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let handler =
        Hanging { tenant: world.tenant.id(), again: Arc::clone(&again), caught: Arc::clone(&hanging) };
    let running = started(&world, NAME, handler).await?;
    let many: Vec<_> = (0..8).map(|_| failing(&world, world.clock.new_uuid(), 1, "retry")).collect();
    world.write(many).await?;
    let other = VerifiedTenant::from_claim(TenantId::from(world.clock.new_uuid()));
    let one = failing(&world, world.clock.new_uuid(), 1, "retry");
    let mut tx = TenantTx::begin(&world.db, other).await?;
    outbox::append(&mut tx, &one).await?;
    tx.commit().await?;
    until("all are parked", async || Ok(world.number(PARKED).await? == 9)).await?;
    again.store(true, Ordering::SeqCst);
    hand.advance(Duration::from_secs(10));
    until("the many hang", async || Ok(hanging.load(Ordering::SeqCst) > 0)).await?;
    world.await_applied(&[&one]).await?;
    assert!(hanging.load(Ordering::SeqCst) < 8, "it waited until they had given up");
    running.kill().await;
    delete_queues(&world, NAME).await
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_behind_another_event_is_no_attempt() -> Result<()> {
    const NAME: &str = "events_it.waited";
    let (clock, hand) = Clock::fixed(OffsetDateTime::from_unix_timestamp(1_900_000_000)?);
    let world = World::with_clock("globcrm_attacks_waited", clock).await?;
    let handler = Picky { healed: Arc::default(), calls: Arc::default() };
    let running = started(&world, NAME, handler).await?;
    let record = world.clock.new_uuid();
    let all =
        world.write(vec![failing(&world, record, 1, "dead"), failing(&world, record, 2, "retry")]).await?;
    until("the second waits", async || Ok(world.number(PARKED).await? == 1)).await?;
    hand.advance(Duration::from_secs(3 * 24 * 3_600));
    let mut tx = world.begin().await?;
    assert!(dead::discard(&mut tx, NAME, all[0].id).await?);
    tx.commit().await?;
    let attempts = "SELECT coalesce(sum(attempts), 9)::bigint FROM events_it.inbox_retry";
    until("it was tried once", async || Ok(world.number(attempts).await? > 0)).await?;
    assert_eq!(world.number(attempts).await?, 1, "dead at its first failure");
    // A day after its own first failure it is given up.
    hand.advance(Duration::from_secs(25 * 3_600));
    until("it is dead", async || Ok(world.number("SELECT count(*) FROM events_it.dead_event").await? == 1))
        .await?;
    running.stop().await?;
    delete_queues(&world, NAME).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_of_a_slow_consumer_is_whole_and_in_order_behind_a_refusing_queue() -> Result<()> {
    const NAME: &str = "events_it.whole";
    let world = World::new("globcrm_attacks_whole").await?;
    let running = started(&world, NAME, Ledger).await?;
    let queue = refusing(&world, 2).await?;
    let records: Vec<Uuid> = (0..3).map(|_| world.clock.new_uuid()).collect();
    let mut all = Vec::new();
    for version in 1..=10 {
        all.extend(world.write(records.iter().map(|record| world.event(*record, version)).collect()).await?);
    }
    let mut got = Vec::new();
    until("every event is applied", async || {
        got.extend(world.drain(&queue).await?);
        no_gap(got.iter().map(|event| (event.record_id, event.version)));
        let ledger = world.ledger().await?;
        Ok(all.iter().all(|event| ledger.contains(&event.id) && got.iter().any(|g| g.id == event.id)))
    })
    .await?;
    in_order(&got, &all);
    assert_eq!(world.number(crate::events::consuming::DISORDER).await?, 0);
    running.stop().await?;
    delete_queues(&world, NAME).await
}
