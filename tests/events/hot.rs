//! A record with very many unsent events, by the relay's own cycles: they are counted, not timed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, ensure};
use auth::VerifiedTenant;
use db::TenantTx;
use events::relay::steps::{Fate, Steps};
use events::{NewEvent, outbox};
use ids::TenantId;
use uuid::Uuid;

use super::world::World;

const HOLES: &str = "SELECT coalesce(max(cardinality(holes)) / 3, 0)::bigint FROM events_it.relay_cursor";

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> anyhow::Error {
    anyhow!(error)
}

async fn lead(world: &World) -> Result<Steps> {
    Steps::lead(world.worker.clone(), Uuid::from_u128(7)).await.map_err(failed)
}

/// `versions` of one record.
async fn write_hot(
    world: &World,
    record: Uuid,
    versions: std::ops::RangeInclusive<i64>,
) -> Result<Vec<Uuid>> {
    let events: Vec<NewEvent> = versions.map(|version| world.event(record, version)).collect();
    let mut tx = world.begin().await?;
    outbox::append_many(&mut tx, &events).await?;
    tx.commit().await?;
    Ok(events.iter().map(|event| event.id).collect())
}

/// An event of each of `count` records, each of a tenant of its own.
async fn write_others(world: &World, count: usize) -> Result<Vec<Uuid>> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let tenant = VerifiedTenant::from_claim(TenantId::from(world.clock.new_uuid()));
        let event = world.event(world.clock.new_uuid(), 1);
        let mut tx = TenantTx::begin(&world.db, tenant).await?;
        outbox::append(&mut tx, &event).await?;
        tx.commit().await?;
        ids.push(event.id);
    }
    Ok(ids)
}

/// What arrived first of all, in its order; repeats are left out.
#[derive(Default)]
struct Arrived(Vec<Uuid>, BTreeSet<Uuid>);

impl Arrived {
    fn take(&mut self, event: Uuid) -> Fate {
        if self.1.insert(event) {
            self.0.push(event);
        }
        Fate::Taken
    }

    fn has(&self, events: &[Uuid]) -> bool {
        events.iter().all(|event| self.1.contains(event))
    }

    /// How many of `events`.
    fn count(&self, events: &[Uuid]) -> usize {
        events.iter().filter(|event| self.1.contains(event)).count()
    }

    /// All of `events`, each behind the one before it; an error says which place is another's.
    fn in_order(&self, events: &[Uuid]) -> Result<()> {
        let places: BTreeMap<&Uuid, usize> = events.iter().zip(0..).collect();
        let arrived: Vec<usize> = self.0.iter().filter_map(|event| places.get(event).copied()).collect();
        let wrong = arrived.iter().zip(0..).find(|(got, place)| **got != *place);
        ensure!(wrong.is_none(), "overtaken: {wrong:?} of {}", events.len());
        ensure!(
            arrived.len() == events.len(),
            "{} of {} are lost",
            events.len() - arrived.len(),
            events.len()
        );
        Ok(())
    }
}

/// Cycles until all of `events` have arrived, at most `most`.
async fn cycles_until(
    relay: &mut Steps,
    arrived: &mut Arrived,
    events: &[Uuid],
    most: usize,
) -> Result<usize> {
    for cycles in 0..=most {
        if arrived.has(events) {
            return Ok(cycles);
        }
        relay.cycle(|event| arrived.take(event)).await.map_err(failed)?;
        ensure!(relay.waves() <= 4, "{} round trips to the broker in one cycle", relay.waves());
    }
    Err(anyhow!("{} of {} have arrived after {most} cycles", arrived.count(events), events.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_with_thousands_of_unsent_events_holds_up_nobody() -> Result<()> {
    let world = World::new("globcrm_events_hot_thousands").await?;
    let (hot, mut of_hot) = (world.clock.new_uuid(), Vec::new());
    for n in 0..10 {
        of_hot.extend(write_hot(&world, hot, n * 500 + 1..=n * 500 + 500).await?);
    }
    let (mut relay, mut arrived) = (lead(&world).await?, Arrived::default());
    let others = write_others(&world, 50).await?;
    // One cycle looks at 5,000 numbers.
    let cycles = cycles_until(&mut relay, &mut arrived, &others, 10).await?;
    assert!(cycles <= 2, "{cycles} cycles");
    assert!(arrived.count(&of_hot) < 20, "all of the hot record were sent first");
    assert!(world.number(HOLES).await? <= 2, "what waits is a range, however long");
    // Nor does what waits from before hold up what comes now, also for a relay that has just started.
    for restart in [false, true] {
        if restart {
            relay = lead(&world).await?;
        }
        let others = write_others(&world, 50).await?;
        // Its own events go on, and do not overtake those that wait.
        let last = of_hot.len() as i64;
        of_hot.extend(write_hot(&world, hot, last + 1..=last + 10).await?);
        let cycles = cycles_until(&mut relay, &mut arrived, &others, 10).await?;
        assert!(cycles <= 2, "{cycles} cycles, after a restart: {restart}");
    }
    let cycles = cycles_until(&mut relay, &mut arrived, &of_hot, 2_000).await?;
    assert!(cycles <= of_hot.len() / 4, "{cycles} cycles");
    arrived.in_order(&of_hot)?;
    relay.cycle(|event| arrived.take(event)).await.map_err(failed)?;
    assert_eq!(world.number(HOLES).await?, 0);
    assert_eq!(relay.reconcile().await.map_err(failed)?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_deaths_among_thousands_of_events_of_a_record_lose_none_and_let_none_overtake()
-> Result<()> {
    let world = World::new("globcrm_events_hot_refused").await?;
    let (hot, warm) = (world.clock.new_uuid(), world.clock.new_uuid());
    let (mut of_hot, mut of_warm, mut others) = (Vec::new(), Vec::new(), Vec::new());
    // Others lie before, between and behind: what is refused is now of this record and now of that one.
    for n in 0..6 {
        of_hot.extend(write_hot(&world, hot, n * 250 + 1..=n * 250 + 250).await?);
        of_warm.extend(write_hot(&world, warm, n * 6 + 1..=n * 6 + 6).await?);
        others.extend(write_others(&world, 5).await?);
    }
    // A late one: its numbers are passed before it commits.
    let late: Vec<NewEvent> = (0..30).map(|n| world.event(Uuid::from_u128(1 + n / 10), 1)).collect();
    let mut slow = world.begin().await?;
    outbox::append_many(&mut slow, &late).await?;
    others.extend(write_others(&world, 5).await?);
    let late_ids: Vec<Uuid> = late.iter().map(|event| event.id).collect();

    let (mut relay, mut arrived, mut offers) = (lead(&world).await?, Arrived::default(), 0);
    let mut slow = Some(slow);
    let (mut refused, mut died) = (0, 0);
    let ended = |arrived: &Arrived, all: [&[Uuid]; 4]| all.iter().all(|events| arrived.has(events));
    for cycle in 1..3_000 {
        if ended(&arrived, [&of_hot, &of_warm, &others, &late_ids]) {
            break;
        }
        if cycle == 100
            && let Some(slow) = slow.take()
        {
            slow.commit().await?;
        }
        // Written on while the earlier ones wait.
        if cycle % 25 == 0 && cycle <= 500 {
            let last = of_hot.len() as i64;
            of_hot.extend(write_hot(&world, hot, last + 1..=last + 5).await?);
            others.extend(write_others(&world, 2).await?);
        }
        relay.hurry();
        let (before, deaths) = (offers, died);
        let cycled = relay.cycle(|event| {
            offers += 1;
            // Each 61st offer is refused; in each 97th cycle the second arrives, and the relay dies.
            if cycle % 97 == 0 && offers == before + 2 {
                arrived.take(event);
                died += 1;
                return Fate::Died;
            }
            if offers % 61 != 0 {
                return arrived.take(event);
            }
            refused += 1;
            Fate::Refused
        });
        if let Err(error) = cycled.await {
            ensure!(died > deaths, "cycle {cycle}: {error}");
            relay = lead(&world).await?;
        }
    }
    assert!(ended(&arrived, [&of_hot, &of_warm, &others, &late_ids]), "lost");
    arrived.in_order(&of_hot)?;
    arrived.in_order(&of_warm)?;
    for of_record in late_ids.chunks(10) {
        arrived.in_order(of_record)?;
    }
    assert!(refused > 0 && died > 0, "{refused} refusals, {died} deaths");
    relay.hurry();
    relay.cycle(|event| arrived.take(event)).await.map_err(failed)?;
    assert_eq!(world.number(HOLES).await?, 0);
    assert_eq!(relay.reconcile().await.map_err(failed)?, 0);
    Ok(())
}
