//! From the outboxes into the journal, over a real broker: each event once, whatever comes again, and whoever is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use auth::VerifiedTenant;
use config::{Env, SecretString};
use db::{Db, TenantTx, WorkerDb};
use events::{
    AmqpConfig, Change, Consumer, Delivery, Event, Handler, HandlerError, Lane, NewEvent, Relay, partition,
    routing_key,
};
use ids::{Clock, TenantId};
use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeleteOptions};
use notifications::journal::{CONSUMER, Listener};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::world::{SCHEMA, numbers};
use crate::database::Database;
use crate::events::world::{Running, until};
use crate::world::{Dice, Ground};

/// A ground with an exchange of its own.
struct Broker {
    ground: Ground,
    worker: WorkerDb,
    amqp: AmqpConfig,
    channel: lapin::Channel,
    _connection: lapin::Connection,
}

impl Broker {
    async fn new(name: &'static str) -> Result<Self> {
        let url = Env::process().get("GLOBCRM_TEST_AMQP_URL").map(str::to_owned).ok_or_else(|| {
            anyhow!("GLOBCRM_TEST_AMQP_URL is not set: this test needs RabbitMQ; run `cargo xtask test`")
        })?;
        let database = Database::fresh(name, &[notifications::MIGRATIONS]).await?;
        let worker = WorkerDb::new(&database.config(SCHEMA), SCHEMA, 6)?;
        let ground = Ground::on(database, SCHEMA, Clock::system())?;
        let exchange = format!("globcrm.test.{}", ground.clock.new_uuid());
        let amqp = AmqpConfig { exchange, ..AmqpConfig::new(SecretString::from(url.as_str())) };
        let connection = lapin::Connection::connect(&url, lapin::ConnectionProperties::default())
            .await
            .context("connecting by GLOBCRM_TEST_AMQP_URL")?;
        let channel = connection.create_channel().await?;
        // What is published is in the queues before the next is.
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { ground, worker, amqp, channel, _connection: connection })
    }

    fn relay(&self, running: &mut Running) {
        let relay = Relay::new(self.worker.clone(), self.amqp.clone(), SCHEMA, self.ground.clock.clone());
        running.spawn(relay.run(running.shutdown.clone()));
    }

    /// An instance of the consumer, with a pool of its own.
    fn instance(&self, consumer: Consumer, handler: impl Handler + 'static) -> Result<Running> {
        let db = Db::new(&self.ground.database.config(SCHEMA), SCHEMA)?;
        let mut running = Running::new();
        running.spawn(consumer.run(
            db,
            self.worker.clone(),
            self.amqp.clone(),
            self.ground.clock.clone(),
            handler,
            running.shutdown.clone(),
        ));
        Ok(running)
    }

    async fn write(&self, tenant: TenantId, event: NewEvent) -> Result<NewEvent> {
        let mut tx = TenantTx::begin(&self.ground.db, VerifiedTenant::from_claim(tenant)).await?;
        events::outbox::append(&mut tx, &event).await?;
        tx.commit().await?;
        Ok(event)
    }

    fn event(&self, record_id: Uuid, version: i64, lane: Lane) -> NewEvent {
        NewEvent {
            id: self.ground.clock.new_uuid(),
            service: "records",
            object: "contact",
            verb: "updated",
            record_id,
            version,
            actor: Uuid::nil(),
            actor_kind: None,
            owner: None,
            team: None,
            changes: vec![Change {
                field: "last_name".to_owned(),
                before: None,
                after: Some("\"Berg\"".to_owned()),
            }],
            lane,
            traceparent: None,
            time: self.ground.clock.now_micros(),
        }
    }

    /// The tenants' events in the journal.
    async fn journal(&self, tenants: &[TenantId]) -> Result<BTreeMap<TenantId, Vec<(i64, Uuid)>>> {
        let mut all = BTreeMap::new();
        for tenant in tenants {
            all.insert(*tenant, numbers(&self.ground, *tenant).await?);
        }
        Ok(all)
    }

    async fn until_written(&self, tenants: &[TenantId], wanted: &BTreeSet<Uuid>) -> Result<()> {
        until("every event is in the journal", async || {
            let journal = self.journal(tenants).await?;
            let there: BTreeSet<Uuid> = journal.values().flatten().map(|(_, event)| *event).collect();
            Ok(wanted.is_subset(&there))
        })
        .await
    }

    /// Waits until the queues of a consumer are bound and worked: what was published before is lost to them.
    async fn until_consumed(&self) -> Result<()> {
        let tenant = self.ground.tenant();
        until("the consumer consumes", async || {
            for lane in [Lane::Interactive, Lane::Bulk] {
                for _ in 0..16 {
                    self.write(tenant, self.event(self.ground.clock.new_uuid(), 1, lane)).await?;
                }
            }
            let partitions: Vec<(i16, i16)> = sqlx::query_as(
                "SELECT DISTINCT o.lane, CASE o.lane WHEN 0 THEN (o.part / 4)::smallint ELSE 0::smallint END
                 FROM notifications.journal AS j JOIN notifications.outbox AS o ON o.event_id = j.event_id
                 WHERE j.tenant_id = $1",
            )
            .bind(tenant.uuid())
            .fetch_all(&mut self.ground.sql().await?)
            .await?;
            // The four queues, and that of the bulk lane.
            Ok(partitions.len() == 5)
        })
        .await
    }

    async fn envelopes(&self, tenants: &[TenantId]) -> Result<Vec<(i16, Vec<u8>)>> {
        let ids: Vec<Uuid> = tenants.iter().map(|tenant| tenant.uuid()).collect();
        let query = sqlx::query_as(
            "SELECT lane, envelope FROM notifications.outbox WHERE tenant_id = ANY($1) ORDER BY lane, seq",
        );
        Ok(query.bind(ids).fetch_all(&mut self.ground.sql().await?).await?)
    }

    async fn publish(&self, bytes: &[u8]) -> Result<()> {
        let event = Event::decode(bytes)?;
        let key = routing_key(Lane::Interactive, partition(event.record_id), &event.kind);
        let properties = BasicProperties::default().with_message_id(event.id.to_string().into());
        let exchange = self.amqp.exchange.as_str();
        self.channel
            .basic_publish(exchange.into(), key.into(), BasicPublishOptions::default(), bytes, properties)
            .await?
            .await?;
        Ok(())
    }

    async fn delete_queues(&self, consumer: &Consumer) -> Result<()> {
        for part in ["p00-p03", "p04-p07", "p08-p11", "p12-p15", "bulk"] {
            let queue = format!("{}.{part}", consumer.name);
            self.channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
        }
        Ok(())
    }
}

/// Numbers without gaps, each event once, and of each record the versions in the order of its changes.
async fn assert_whole(broker: &Broker, tenants: &[TenantId], wanted: &BTreeSet<Uuid>) -> Result<()> {
    let mut found = BTreeSet::new();
    for (tenant, numbers) in broker.journal(tenants).await? {
        let expected: Vec<i64> = (1..=numbers.len() as i64).collect();
        assert_eq!(numbers.iter().map(|(n, _)| *n).collect::<Vec<_>>(), expected, "gaps in {tenant}");
        for (_, event) in numbers {
            assert!(found.insert(event), "{event} twice");
        }
    }
    assert_eq!(&found, wanted);
    Ok(())
}

/// Steps back in the versions of a record, of the interactive lane.
const DISORDER: &str = "SELECT count(*) FROM (
        SELECT j.version - lag(j.version, 1, 0::bigint) OVER (PARTITION BY j.tenant_id, j.record_id ORDER BY j.number) AS step
        FROM notifications.journal AS j JOIN notifications.outbox AS o ON o.event_id = j.event_id WHERE o.lane = 0) AS s
    WHERE step <= 0";

/// Writes events, and stops for good between the insert and the commit at every seventh of them, as long as it has permits.
struct Stopping {
    listener: Listener,
    seen: AtomicUsize,
    stopped: Arc<Semaphore>,
}

impl Handler for Stopping {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        self.listener.handle(tx, delivery).await?;
        if self.seen.fetch_add(1, Ordering::SeqCst) % 7 == 6 {
            self.stopped.add_permits(1);
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_written_once_though_instances_are_killed_between_insert_and_commit() -> Result<()> {
    const NAME: &str = "notifications_it.killed";
    let consumer = Consumer { name: NAME, ..CONSUMER };
    let broker = Broker::new("globcrm_journal_killed").await?;
    let mut relaying = Running::new();
    broker.relay(&mut relaying);
    let healthy = broker.instance(consumer, Listener::default())?;
    broker.until_consumed().await?;
    healthy.stop().await?;

    let tenants: Vec<TenantId> = (0..3).map(|_| broker.ground.tenant()).collect();
    let records: Vec<Uuid> = (0..12).map(|_| broker.ground.clock.new_uuid()).collect();
    let mut wanted = BTreeSet::new();
    for round in 0..3 {
        for version in 5 * round + 1..=5 * round + 5 {
            for (n, record) in records.iter().enumerate() {
                let lane = if n % 4 == 3 { Lane::Bulk } else { Lane::Interactive };
                let event = broker.write(tenants[n % 3], broker.event(*record, version, lane)).await?;
                wanted.insert(event.id);
            }
        }
        let stopped = Arc::new(Semaphore::new(0));
        let handler =
            Stopping { listener: Listener::default(), seen: AtomicUsize::new(0), stopped: stopped.clone() };
        let instance = broker.instance(consumer, handler)?;
        // It has written an event and not committed it.
        tokio::time::timeout(Duration::from_secs(60), stopped.acquire()).await??.forget();
        instance.kill().await;
    }
    // Two instances share what is left.
    let instances =
        [broker.instance(consumer, Listener::default())?, broker.instance(consumer, Listener::default())?];
    broker.until_written(&tenants, &wanted).await?;
    assert_whole(&broker, &tenants, &wanted).await?;
    for instance in instances {
        instance.stop().await?;
    }
    relaying.stop().await?;
    broker.delete_queues(&consumer).await
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_late_events_change_nothing() -> Result<()> {
    const NAME: &str = "notifications_it.repeated";
    let consumer = Consumer { name: NAME, ..CONSUMER };
    let broker = Broker::new("globcrm_journal_repeated").await?;
    let mut relaying = Running::new();
    broker.relay(&mut relaying);
    let instance = broker.instance(consumer, Listener::default())?;
    broker.until_consumed().await?;
    let tenants = [broker.ground.tenant(), broker.ground.tenant()];
    // Two in each queue.
    let mut records: Vec<Uuid> = Vec::new();
    while records.len() < 8 {
        let record = broker.ground.clock.new_uuid();
        let queue = |record: &Uuid| partition(*record) / 4;
        if records.iter().filter(|other| queue(other) == queue(&record)).count() < 2 {
            records.push(record);
        }
    }
    let mut wanted = BTreeSet::new();
    for version in 1..=6 {
        for (n, record) in records.iter().enumerate() {
            let event =
                broker.write(tenants[n % 2], broker.event(*record, version, Lane::Interactive)).await?;
            wanted.insert(event.id);
        }
    }
    broker.until_written(&tenants, &wanted).await?;
    let before = broker.journal(&tenants).await?;
    let mut again: Vec<Vec<u8>> =
        broker.envelopes(&tenants).await?.into_iter().map(|(_, bytes)| bytes).collect();
    let mut dice = Dice(21);
    for _ in 0..2 {
        for n in (1..again.len()).rev() {
            again.swap(n, dice.below(n + 1));
        }
        for bytes in &again {
            broker.publish(bytes).await?;
        }
    }
    // The last ones of each queue come after all that was repeated.
    for record in &records {
        let event = broker.write(tenants[0], broker.event(*record, 100, Lane::Interactive)).await?;
        wanted.insert(event.id);
    }
    broker.until_written(&tenants, &wanted).await?;
    assert_whole(&broker, &tenants, &wanted).await?;
    let after = broker.journal(&tenants).await?;
    for (tenant, numbers) in &before {
        assert_eq!(&after[tenant][..numbers.len()], numbers, "what was told stays told");
    }
    let disorder: i64 = sqlx::query_scalar(DISORDER).fetch_one(&mut broker.ground.sql().await?).await?;
    assert_eq!(disorder, 0);
    instance.stop().await?;
    relaying.stop().await?;
    broker.delete_queues(&consumer).await
}
