//! A broker of the test's own, killed and paused under load.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ids::Clock;
use testkit::backing::{Backing, Control, Service, Source};
use testkit::{Progress, Purpose};

use super::consuming::{DISORDER, started};
use super::world::{Ledger, World, until};
use crate::faults::backing::apart;
use crate::sockets::connected;

/// What has not come by then does not come.
const NEVER: Duration = Duration::from_secs(60);

/// Runs a fault, which blocks, beside the writer.
async fn fault(backing: &Arc<Backing>, act: fn(&Control<'_>) -> Result<()>) -> Result<()> {
    let backing = Arc::clone(backing);
    tokio::task::spawn_blocking(move || act(&backing.rabbitmq())).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_and_paused_under_load_loses_nothing_and_repeats_no_effect() -> Result<()> {
    // [F5, F7]
    let (workspace, root) = apart("events")?;
    let start = {
        let workspace = workspace.clone();
        move || Backing::start(&workspace, Purpose::Test, &Progress::silent())
    };
    let backing = Arc::new(tokio::task::spawn_blocking(start).await??);
    if backing.source(Service::Rabbitmq) == Some(Source::Environment) {
        bail!("this test kills its broker and must not kill the one that the environment names");
    }
    let mut world = World::on("globcrm_events_broker", Clock::system(), backing.amqp_url()).await?;
    // Silence is noticed after two of them.
    world.amqp.heartbeat = 2;
    let broker: u16 = backing.amqp_url().rsplit([':', '/']).nth(1).context("a port")?.parse()?;
    let taps = connected(broker)?;
    let running = started(&world, "events_it.broker", Ledger).await?;

    let stop = tokio_util::sync::CancellationToken::new();
    let writer = async {
        let mut all = Vec::new();
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let records: Vec<_> = (0..20).map(|_| world.clock.new_uuid()).collect();
        for version in 1.. {
            for record in &records {
                all.extend(world.write(vec![world.event(*record, version)]).await?);
            }
            if stop.is_cancelled() {
                break;
            }
            pace.tick().await;
        }
        anyhow::Ok(all)
    };
    let applied = async || world.number("SELECT count(*) FROM events_it.ledger").await;
    let written = async || world.number("SELECT count(*) FROM events_it.outbox").await;
    // More than a round of the writer: no write waits for the broker.
    let writes_go_on = async || {
        let before = written().await?;
        until("writes go on without the broker", async || Ok(written().await? > before + 20)).await
    };
    let faults = async {
        fault(&backing, |broker| broker.kill9()).await?;
        writes_go_on().await?;
        fault(&backing, |broker| broker.start_again()).await?;
        let before = applied().await?;
        until("events flow after kill -9", async || Ok(applied().await? > before)).await?;
        let half_open = &connected(broker)? - &taps;
        assert!(half_open.len() >= 2, "the relay and the consumer have a connection each: {half_open:?}");
        fault(&backing, |broker| broker.pause()).await?;
        writes_go_on().await?;
        until("the half-open connections are given up", async || {
            Ok(connected(broker)?.is_disjoint(&half_open))
        })
        .await?;
        fault(&backing, |broker| broker.resume()).await?;
        let before = applied().await?;
        until("events flow after the pause", async || Ok(applied().await? > before)).await?;
        stop.cancel();
        anyhow::Ok(())
    };
    let (all, ()) = tokio::try_join!(writer, faults)?;

    world.await_applied(&all.iter().collect::<Vec<_>>()).await?;
    assert_eq!(world.number("SELECT count(*) - count(DISTINCT event_id) FROM events_it.ledger").await?, 0);
    assert_eq!(world.number(DISORDER).await?, 0);
    tokio::time::timeout(NEVER, running.stop()).await.context("it does not stop")??;
    drop(world);
    let backing = Arc::into_inner(backing).context("still in use")?;
    tokio::task::spawn_blocking(move || {
        backing.stop_started()?;
        Backing::wipe(&workspace, Purpose::Test, &Progress::silent())?;
        anyhow::Ok(std::fs::remove_dir_all(root)?)
    })
    .await?
}
