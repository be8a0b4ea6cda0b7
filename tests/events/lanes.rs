//! Lanes beside each other, by the relay's own cycles.

use anyhow::{Result, anyhow};
use events::relay::steps::{Fate, Steps};
use events::{Lane, NewEvent, outbox};
use uuid::Uuid;

use super::world::World;
use crate::database::execute;

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_refused_slows_itself_down_and_not_the_other() -> Result<()> {
    let world = World::new("globcrm_events_braked").await?;
    let bulk: Vec<NewEvent> =
        (0..50).map(|_| NewEvent { lane: Lane::Bulk, ..world.event(world.clock.new_uuid(), 1) }).collect();
    let mut tx = world.begin().await?;
    outbox::append_many(&mut tx, &bulk).await?;
    tx.commit().await?;
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| anyhow!(error);
    let mut relay = Steps::lead(world.worker.clone(), Uuid::from_u128(7)).await.map_err(failed)?;
    let is_bulk = |id: Uuid| bulk.iter().any(|event| event.id == id);

    let mut offered = Vec::new();
    for _ in 0..10 {
        let mut count = 0;
        let refuse = |_| {
            count += 1;
            Fate::Refused
        };
        relay.hurry();
        relay.cycle(refuse).await.map_err(failed)?;
        offered.push(count);
    }
    assert_eq!(offered, [50, 1, 1, 1, 1, 1, 1, 1, 1, 1], "sent again and again to queues that have room");

    // It waits for seconds now; the other lane does not.
    let person = world.write_some(3).await?;
    let mut seen = Vec::new();
    let take = |event| {
        seen.push(event);
        if is_bulk(event) { Fate::Refused } else { Fate::Taken }
    };
    assert_eq!(relay.cycle(take).await.map_err(failed)?, 3);
    assert_eq!(seen, person.iter().map(|event| event.id).collect::<Vec<_>>());

    // Taken again, it is soon as quick as before.
    let mut sent = Vec::new();
    for _ in 0..6 {
        relay.hurry();
        sent.push(relay.cycle(|_| Fate::Taken).await.map_err(failed)?);
    }
    assert_eq!(sent, [1, 2, 4, 8, 16, 19]);
    assert_eq!(relay.reconcile().await.map_err(failed)?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_reconciliation_found_is_sent_once() -> Result<()> {
    let world = World::new("globcrm_events_found_once").await?;
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| anyhow!(error);
    let mut relay = Steps::lead(world.worker.clone(), Uuid::from_u128(7)).await.map_err(failed)?;
    world.write_some(5).await?;
    assert_eq!(relay.cycle(|_| Fate::Taken).await.map_err(failed)?, 5);
    // As if the cursor had passed two of them.
    let passed = "UPDATE events_it.relay_sent SET sent = sent - '{[2,3]}' WHERE lane = 0";
    let mut admin = world.sql().await?;
    sqlx::query(passed).execute(&mut admin).await?;
    assert_eq!(relay.reconcile().await.map_err(failed)?, 2);
    assert_eq!(relay.cycle(|_| Fate::Taken).await.map_err(failed)?, 2, "nothing else is due");
    assert_eq!(relay.reconcile().await.map_err(failed)?, 0, "found again, and sent again for ever");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_written_very_often_holds_up_no_other_and_loses_no_order() -> Result<()> {
    let world = World::new("globcrm_events_hot").await?;
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| anyhow!(error);
    // 1,000 events of one record, and in between each tenth is of another; also in the other lane.
    let (hot, mut all) = (world.clock.new_uuid(), Vec::new());
    for (lane, count) in [(Lane::Interactive, 1_000), (Lane::Bulk, 200)] {
        for n in 1..=count {
            let record = if n % 10 == 0 { world.clock.new_uuid() } else { hot };
            all.push(NewEvent { lane, ..world.event(record, n) });
        }
    }
    let mut tx = world.begin().await?;
    for some in all.chunks(100) {
        outbox::append_many(&mut tx, some).await?;
    }
    tx.commit().await?;
    let others = |lane| all.iter().filter(move |e| e.record_id != hot && e.lane == lane).map(|e| e.id);
    let mut relay = Steps::lead(world.worker.clone(), Uuid::from_u128(7)).await.map_err(failed)?;
    let (mut sent, mut cycles) = (Vec::new(), 0);
    // It dies in the middle: what was deferred is found by the next one.
    for lives in [10, 1_000] {
        for _ in 0..lives {
            let cycle = relay.cycle(|event| {
                sent.push(event);
                Fate::Taken
            });
            if cycle.await.map_err(failed)? == 0 {
                break;
            }
            cycles += 1;
            assert!(relay.waves() <= 4, "{} round trips to the broker in one cycle", relay.waves());
            if cycles == 5 {
                assert!(
                    others(Lane::Interactive).all(|id| sent.contains(&id)),
                    "other records wait for the hot one"
                );
                assert!(others(Lane::Bulk).all(|id| sent.contains(&id)), "the other lane waits");
            }
        }
        relay = Steps::lead(world.worker.clone(), Uuid::from_u128(7)).await.map_err(failed)?;
    }
    for lane in [Lane::Interactive, Lane::Bulk] {
        let of_hot = all.iter().filter(|e| e.record_id == hot && e.lane == lane).map(|e| e.id);
        let arrived =
            sent.iter().filter(|id| all.iter().any(|e| e.id == **id && e.record_id == hot && e.lane == lane));
        assert!(of_hot.eq(arrived.copied()), "out of order, lost or twice");
    }
    assert_eq!(sent.len(), all.len());
    assert_eq!(world.number("SELECT sum(cardinality(holes))::bigint FROM events_it.relay_cursor").await?, 0);
    assert_eq!(relay.reconcile().await.map_err(failed)?, 0);
    Ok(())
}

/// As a relay of before `relay_sent` does: it takes the lease, sends, and saves nothing but the cursor.
const OLD_RELAY: &str = "UPDATE events_it.relay_lease SET holder = gen_random_uuid(), epoch = epoch + 1, expires_at = '-infinity';
    UPDATE events_it.relay_cursor SET high = (SELECT max(seq) FROM events_it.outbox WHERE lane = 0), holes = '{}',
        low_watermark = (SELECT max(seq) FROM events_it.outbox WHERE lane = 0) WHERE lane = 0";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_relay_has_sent_during_an_upgrade_is_not_sent_again() -> Result<()> {
    let world = World::new("globcrm_events_upgrade").await?;
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| anyhow!(error);
    let lead = async || Steps::lead(world.worker.clone(), Uuid::from_u128(7)).await.map_err(failed);
    let mut admin = world.sql().await?;
    // The new one leads, with a hole; then an older one, which sends what is in the hole and more; then the new one.
    let mut relay = lead().await?;
    let mut late = world.begin().await?;
    outbox::append(&mut late, &world.event(world.clock.new_uuid(), 1)).await?;
    world.write_some(3).await?;
    assert_eq!(relay.cycle(|_| Fate::Taken).await.map_err(failed)?, 3);
    late.commit().await?;
    for _ in 0..2 {
        world.write_some(200).await?;
        execute(&mut admin, OLD_RELAY).await?;
        relay = lead().await?;
        assert_eq!(relay.reconcile().await.map_err(failed)?, 0, "the older one's events are told as lost");
        assert_eq!(relay.cycle(|_| Fate::Taken).await.map_err(failed)?, 0);
    }
    // What is passed under the new one is judged, also by the one after it.
    world.write_some(2).await?;
    execute(
        &mut admin,
        "UPDATE events_it.relay_cursor SET high = high + 2, low_watermark = high + 2 WHERE lane = 0",
    )
    .await?;
    relay = lead().await?;
    assert_eq!(relay.reconcile().await.map_err(failed)?, 2);
    assert_eq!(relay.cycle(|_| Fate::Taken).await.map_err(failed)?, 2);
    Ok(())
}
