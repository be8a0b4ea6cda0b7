//! The hole rule against a real server: writers take ids and draw numbers in every order, the relay's own cycles run in
//! between, its broker refuses, and it dies and starts again.
//!
//! Other tests end transactions on the same server, and each raises the horizon above whatever id a writer has here: then a
//! bound that is too low happens to be high enough. So each case has rounds of writers whose ids, numbers and ends are close
//! together and cross, many more than others can disturb.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, ensure};
use db::TenantTx;
use events::outbox;
use events::relay::steps::{Fate, Steps};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use uuid::Uuid;

use super::world::{World, until};

/// Each seed is a run of its own; a failure names its seed and its smallest steps.
const SEEDS: [u8; 4] = [1, 7, 42, 99];
const CASES: u32 = 40;
const WRITERS: usize = 5;
const HOLES: &str = "SELECT sum(cardinality(holes))::bigint FROM events_it.relay_cursor";

#[derive(Clone, Copy, Debug)]
enum Do {
    TakeId,
    Draw(usize),
    /// In a subtransaction, which is then released or rolled back.
    DrawWithin(bool),
    /// For the hot record; nothing when another open transaction has it.
    DrawHot(usize),
    Commit,
    Rollback,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A writer goes on; one that has ended begins again.
    Go(usize, Do),
    /// A cycle; the broker refuses the event at this place, if there is one.
    Cycle(Option<usize>),
    /// A cycle whose events arrive, and the relay dies before it saves.
    Die,
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    let what = prop_oneof![
        2 => Just(Do::TakeId),
        4 => (1..4_usize).prop_map(Do::Draw),
        1 => any::<bool>().prop_map(Do::DrawWithin),
        2 => (1..12_usize).prop_map(Do::DrawHot),
        4 => Just(Do::Commit),
        1 => Just(Do::Rollback),
    ];
    prop_oneof![
        8 => (0..WRITERS, what).prop_map(|(writer, what)| Step::Go(writer, what)),
        4 => Just(Step::Cycle(None)),
        1 => (0..4_usize).prop_map(|at| Step::Cycle(Some(at))),
        1 => Just(Step::Die),
        1 => Just(Step::Restart),
    ]
}

/// Some writers take their ids in one order and draw their numbers in another; some of them commit, the others stay open, and
/// the relay looks.
fn crossing() -> impl Strategy<Value = Vec<Step>> {
    let order = || Just((0..WRITERS).collect::<Vec<_>>()).prop_shuffle();
    (order(), order(), 2..=3_usize, prop::collection::vec(any::<bool>(), WRITERS), 1..=3_usize).prop_map(
        |(ids, draws, count, ends, cycles)| {
            let ids = &ids[..count];
            let in_draws = || draws.iter().filter(|writer| ids.contains(writer));
            let go = |what| move |writer: &usize| Step::Go(*writer, what);
            let begin = ids.iter().map(go(Do::Commit));
            let take = ids.iter().map(go(Do::TakeId));
            let draw = in_draws().map(go(Do::Draw(1)));
            let end = in_draws().filter(|writer| ends[**writer]).map(go(Do::Commit));
            let look = std::iter::repeat_n(Step::Cycle(None), cycles);
            begin.chain(take).chain(draw).chain(end).chain(look).collect()
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = prop_oneof![4 => any_step().prop_map(|step| vec![step]), 1 => crossing()];
    prop::collection::vec(some, 5..30).prop_map(|some| some.concat())
}

/// What the broker has.
#[derive(Debug, Default)]
struct Sent {
    all: BTreeSet<Uuid>,
    /// In the order of their first deliveries.
    first: Vec<Uuid>,
}

impl Sent {
    fn take(&mut self, event: Uuid) {
        if self.all.insert(event) {
            self.first.push(event);
        }
    }
}

/// What the broker has, and what was committed or undone.
#[derive(Debug, Default)]
struct Known {
    sent: Sent,
    committed: BTreeSet<Uuid>,
    undone: BTreeSet<Uuid>,
    /// The record that is written again and again, and its events in the order of their commits.
    hot: Uuid,
    hot_events: Vec<Uuid>,
}

/// An open transaction with its events, and whether it has the lock of the hot record.
struct Writer {
    tx: TenantTx,
    drawn: Vec<Uuid>,
    drawn_hot: Vec<Uuid>,
}

async fn go(
    world: &World,
    writers: &mut [Option<Writer>],
    writer: usize,
    what: Do,
    known: &mut Known,
) -> Result<()> {
    let Writer { mut tx, mut drawn, mut drawn_hot } = match writers[writer].take() {
        Some(open) => open,
        None => Writer {
            // All writers at once, which is more than a tenant's share.
            tx: TenantTx::begin_job(&world.db, world.tenant).await?,
            drawn: Vec::new(),
            drawn_hot: Vec::new(),
        },
    };
    match what {
        Do::TakeId => {
            sqlx::query("SELECT pg_current_xact_id()").execute(tx.conn()).await?;
        }
        Do::Draw(count) => {
            let events: Vec<_> = (0..count).map(|_| world.event(world.clock.new_uuid(), 1)).collect();
            outbox::append_many(&mut tx, &events).await?;
            drawn.extend(events.iter().map(|event| event.id));
        }
        Do::DrawWithin(kept) => {
            sqlx::query("SAVEPOINT within").execute(tx.conn()).await?;
            let event = world.event(world.clock.new_uuid(), 1);
            outbox::append(&mut tx, &event).await?;
            if kept {
                sqlx::query("RELEASE SAVEPOINT within").execute(tx.conn()).await?;
                drawn.push(event.id);
            } else {
                sqlx::query("ROLLBACK TO SAVEPOINT within").execute(tx.conn()).await?;
                known.undone.insert(event.id);
            }
        }
        // The lock of a record's row goes with its transaction; another writer would wait for it.
        Do::DrawHot(_) if writers.iter().flatten().any(|other| !other.drawn_hot.is_empty()) => {}
        Do::DrawHot(count) => {
            let events: Vec<_> = (0..count).map(|_| world.event(known.hot, 1)).collect();
            outbox::append_many(&mut tx, &events).await?;
            drawn_hot.extend(events.iter().map(|event| event.id));
        }
        Do::Commit => {
            tx.commit().await?;
            known.committed.extend(drawn.into_iter().chain(drawn_hot.iter().copied()));
            known.hot_events.extend(drawn_hot);
            return Ok(());
        }
        Do::Rollback => {
            tx.rollback().await?;
            known.undone.extend(drawn.into_iter().chain(drawn_hot));
            return Ok(());
        }
    }
    writers[writer] = Some(Writer { tx, drawn, drawn_hot });
    Ok(())
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> anyhow::Error {
    anyhow!(error)
}

/// A relay of the case's own; the one before it is dead.
async fn lead(world: &World) -> Result<Steps> {
    Steps::lead(world.worker.clone(), Uuid::from_u128(7)).await.map_err(failed)
}

/// Cycles until nothing is left to send and no hole is open.
async fn drain(world: &World, relay: &mut Steps, sent: &mut Sent) -> Result<()> {
    let mut quiet = 0;
    // Whoever else writes on this server, in whatever database, may hold up the end of a hole and nothing more.
    until("nothing is left to send, and no hole stays", async || {
        relay.hurry();
        let broker = |event| {
            sent.take(event);
            Fate::Taken
        };
        let cycle = relay.cycle(broker).await.map_err(failed)?;
        quiet = if cycle == 0 { quiet + 1 } else { 0 };
        Ok(quiet > 2 && world.number(HOLES).await? == 0)
    })
    .await
}

async fn case(world: &World, steps: &[Step]) -> Result<()> {
    let mut known = Known { hot: world.clock.new_uuid(), ..Known::default() };
    let mut writers: Vec<Option<Writer>> = (0..WRITERS).map(|_| None).collect();
    let mut relay = lead(world).await?;
    // What a case before this one has lost is not found by this one again.
    relay.reconcile().await.map_err(failed)?;
    drain(world, &mut relay, &mut Sent::default()).await?;
    for step in steps {
        match *step {
            Step::Go(writer, what) => go(world, &mut writers, writer, what, &mut known).await?,
            Step::Cycle(refused) => {
                let (mut at, sent) = (0, &mut known.sent);
                relay.hurry();
                let broker = |event| {
                    at += 1;
                    if refused == Some(at - 1) {
                        return Fate::Refused;
                    }
                    sent.take(event);
                    Fate::Taken
                };
                relay.cycle(broker).await.map_err(failed)?;
            }
            Step::Die => {
                let sent = &mut known.sent;
                relay.hurry();
                let broker = |event| {
                    sent.take(event);
                    Fate::Died
                };
                // An error when there was anything to send, and then it is gone for good.
                drop(relay.cycle(broker).await);
                relay = lead(world).await?;
            }
            Step::Restart => relay = lead(world).await?,
        }
        let early = known.sent.all.difference(&known.committed).count();
        ensure!(early == 0, "{early} were sent that were not committed");
    }
    for writer in 0..WRITERS {
        go(world, &mut writers, writer, Do::Commit, &mut known).await?;
    }
    drain(world, &mut relay, &mut known.sent).await?;
    let lost = known.committed.difference(&known.sent.all).count();
    ensure!(lost == 0, "{lost} of {} were lost", known.committed.len());
    ensure!(known.sent.all.is_disjoint(&known.undone), "sent, and never committed");
    let hot = known.sent.first.iter().filter(|event| known.hot_events.contains(event));
    ensure!(hot.eq(&known.hot_events), "an event of the hot record was overtaken");
    // Not the reconciliation's doing: it has nothing to find.
    ensure!(relay.reconcile().await.map_err(failed)? == 0, "the reconciliation found something");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_committed_number_is_sent_whatever_the_order_of_ids_numbers_and_ends() -> Result<()> {
    let world = World::new("globcrm_events_holes").await?;
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        for seed in SEEDS {
            let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
            let one = |steps: Vec<Step>| {
                let told = runtime.block_on(case(&world, &steps));
                told.map_err(|error| TestCaseError::fail(format!("seed {seed}: {error:#}")))
            };
            TestRunner::new_with_rng(config, rng).run(&steps(), one).map_err(|error| anyhow!("{error}"))?;
        }
        anyhow::Ok(())
    })
    .await?
}
