//! What an operator sees of events that wait or are stuck.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use events::{EXCHANGE, dead, metrics};
use ids::Clock;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder, Registry, TextEncoder};
use testkit::fleet::Role;
use time::OffsetDateTime;

use super::consuming::{Picky, delete_queues, failing, publish, started};
use super::world::{World, until};
use crate::stage::Stage;

/// Where this process's metrics are read, as the admin port would show them. To be called before the instruments are made:
/// those made earlier go nowhere.
fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build().unwrap();
        opentelemetry::global::set_meter_provider(SdkMeterProvider::builder().with_reader(reader).build());
        registry
    })
}

fn page() -> Result<String> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry().gather(), &mut text)?;
    Ok(String::from_utf8(text)?)
}

/// The value of the metric with these labels among others.
fn value(page: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
    let found = page.lines().find(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'))
            && labels.iter().all(|label| line.contains(label))
    })?;
    found.rsplit(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_parked_or_dead_shows_and_goes() -> Result<()> {
    const NAME: &str = "events_it.metrics";
    registry();
    let (clock, hand) = Clock::fixed(OffsetDateTime::from_unix_timestamp(1_900_000_000)?);
    let world = World::with_clock("globcrm_events_metrics", clock).await?;
    let healed = Arc::new(AtomicBool::new(false));
    let handler = Picky { healed: Arc::clone(&healed), calls: Arc::<AtomicUsize>::default() };
    let unsent = |name| value(&page().unwrap(), name, &[("service", "events_it"), ("lane", "interactive")]);
    let stuck = |name| value(&page().unwrap(), name, &[("service", "events_it"), ("consumer", NAME)]);
    let fate = |outcome| {
        let labels = [("consumer", NAME), ("object", "thing"), ("outcome", outcome)];
        value(&page().unwrap(), "globcrm_inbox_events_total", &labels).unwrap_or_default()
    };

    // Nobody sends yet.
    let watch = tokio_util::sync::CancellationToken::new();
    let every = Duration::from_millis(50);
    let watching = tokio::spawn(metrics::watch("events_it", world.worker.clone(), every, watch.clone()));
    world.write_some(3).await?;
    until("three are unsent", async || Ok(unsent("globcrm_outbox_unsent") == Some(3.0))).await?;
    assert!(unsent("globcrm_outbox_unsent_age_seconds").is_some_and(|age| age > 0.0));

    let running = started(&world, NAME, handler).await?;
    until("all are sent", async || {
        Ok(unsent("globcrm_outbox_unsent") == Some(0.0)
            && unsent("globcrm_outbox_unsent_age_seconds") == Some(0.0))
    })
    .await?;
    let taken = [("service", "events_it"), ("lane", "interactive"), ("object", "thing")];
    let published = value(&page()?, "globcrm_outbox_published_total", &taken);
    assert!(published.is_some_and(|events| events >= 4.0), "{published:?}");

    let (sick, sicker) = (world.clock.new_uuid(), world.clock.new_uuid());
    let poison = failing(&world, sicker, 1, "dead");
    let all =
        world.write(vec![failing(&world, sick, 1, "retry"), world.event(sick, 2), poison.clone()]).await?;
    until("two are parked and one is dead", async || {
        Ok(stuck("globcrm_inbox_parked") == Some(2.0) && stuck("globcrm_inbox_dead") == Some(1.0))
    })
    .await?;
    assert_eq!((fate("parked"), fate("waiting"), fate("dead")), (1.0, 1.0, 1.0));
    assert!(fate("applied") >= 1.0 && fate("redelivered") < 1.0);

    healed.store(true, Ordering::SeqCst);
    let mut tx = world.begin().await?;
    assert!(dead::discard(&mut tx, NAME, poison.id).await?);
    tx.commit().await?;
    hand.advance(Duration::from_secs(60));
    world.await_applied(&[&all[0], &all[1]]).await?;
    until("nothing is stuck", async || {
        Ok(stuck("globcrm_inbox_parked") == Some(0.0) && stuck("globcrm_inbox_dead") == Some(0.0))
    })
    .await?;

    let applied = fate("applied");
    let bytes: Vec<u8> = sqlx::query_scalar("SELECT envelope FROM events_it.outbox WHERE event_id = $1")
        .bind(all[1].id)
        .fetch_one(&mut world.sql().await?)
        .await?;
    publish(&world, &events::Event::decode(&bytes)?, &bytes).await?;
    until("the repeat is counted", async || Ok(fate("redelivered") > 0.5)).await?;
    assert!((fate("applied") - applied).abs() < 0.5, "the repeat had an effect");
    let tenant = world.tenant.id().to_string();
    assert!(!page()?.contains(&tenant), "a label names a tenant");

    watch.cancel();
    watching.await?;
    running.stop().await?;
    delete_queues(&world, NAME).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_shows_them_on_its_admin_port() -> Result<()> {
    let stage = Stage::shared().await;
    let http = reqwest::Client::new();
    let page = async |role: Role| -> Result<String> {
        let port = stage.ports.admin.get(&role).context("an admin port")?;
        let answer = http.get(format!("http://127.0.0.1:{port}/metrics")).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    };
    for role in Role::ALL.into_iter().filter(|role| role.member().has_schema) {
        let labels = [("service", role.name()), ("lane", "bulk")];
        until("the outbox is measured", async || {
            Ok(value(&page(role).await?, "globcrm_outbox_unsent", &labels).is_some())
        })
        .await?;
    }

    // Bytes that no consumer can read.
    let connection = Connection::connect(stage.backing.amqp_url(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let id = Clock::system().new_uuid();
    let others = Role::ALL.into_iter().filter(|role| *role != Role::Identity && role.member().has_schema);
    for (role, consumer) in others.map(|role| (role, role.names().permissions)) {
        let labels = [("consumer", consumer), ("object", "unreadable"), ("outcome", "dead")];
        until("the consumer gave it up", async || {
            let key = "p00.identity.permissions.changed.v1";
            let properties = BasicProperties::default().with_message_id(id.to_string().into());
            let options = BasicPublishOptions::default();
            channel.basic_publish(EXCHANGE.into(), key.into(), options, b"\xff", properties).await?.await?;
            Ok(value(&page(role).await?, "globcrm_inbox_events_total", &labels).is_some())
        })
        .await?;
        let labels = [("service", role.name()), ("consumer", consumer)];
        until("a dead event is measured", async || {
            Ok(value(&page(role).await?, "globcrm_inbox_dead", &labels).is_some_and(|dead| dead >= 1.0))
        })
        .await?;
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}
