//! A database and an exchange of a test's own.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::Deref;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use auth::VerifiedTenant;
use config::{Env, SecretString};
use db::{Migration, Migrations, TenantTx, WorkerDb};
use events::{
    AmqpConfig, Consumer, Delivery, Event, Handler, HandlerError, Lane, NewEvent, Relay, RelayStatus,
};
use ids::{Clock, TenantId};
use lapin::options::{BasicAckOptions, BasicGetOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::database::Database;
use crate::waiting;
use crate::world::Ground;

/// The schema of a service that keeps a ledger of what its consumer applied.
const MIGRATIONS: Migrations = Migrations {
    schema: "events_it",
    groups: &[],
    own: &[Migration {
        name: "0100_create_ledger",
        up: "-- phase: expand\n             CREATE TABLE events_it.ledger (tenant_id uuid NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY,
                 event_id uuid NOT NULL, record_id uuid NOT NULL, version bigint NOT NULL, attempt bigint NOT NULL);
             SELECT events_it.protect('ledger', 0);",
        down: "DROP TABLE events_it.ledger;",
    }],
};

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(120);

/// A ground with an exchange. What its tests write is broken on purpose, so its end looks at nothing.
pub struct World {
    ground: Ground,
    pub worker: WorkerDb,
    pub amqp: AmqpConfig,
    pub tenant: VerifiedTenant,
    /// The queue of the tap.
    tap: String,
    channel: lapin::Channel,
    _connection: lapin::Connection,
}

/// Tasks of a test, ended with it.
pub struct Running {
    tasks: JoinSet<()>,
    pub shutdown: CancellationToken,
}

impl Running {
    pub fn new() -> Self {
        Self { tasks: JoinSet::new(), shutdown: CancellationToken::new() }
    }

    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Ends them as a process does that is told to stop.
    pub async fn stop(mut self) -> Result<()> {
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended?;
        }
        Ok(())
    }

    /// Drops them wherever they are, as a kill does.
    pub async fn kill(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Deref for World {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

impl World {
    /// `name` is the test's own.
    pub async fn new(name: &'static str) -> Result<Self> {
        Self::with_clock(name, Clock::system()).await
    }

    pub async fn with_clock(name: &'static str, clock: Clock) -> Result<Self> {
        let url = Env::process().get("GLOBCRM_TEST_AMQP_URL").map(str::to_owned).ok_or_else(|| {
            anyhow!("GLOBCRM_TEST_AMQP_URL is not set: this test needs RabbitMQ; run `cargo xtask test`")
        })?;
        Self::on(name, clock, &url).await
    }

    /// On the broker at `url`.
    pub async fn on(name: &'static str, clock: Clock, url: &str) -> Result<Self> {
        let database = Database::fresh(name, &[MIGRATIONS]).await?;
        let config = database.config(MIGRATIONS.schema);
        let ground = Ground::on(database, MIGRATIONS.schema, clock)?;
        let exchange = format!("globcrm.test.{}", ground.clock.new_uuid());
        let amqp = AmqpConfig { exchange: exchange.clone(), ..AmqpConfig::new(SecretString::from(url)) };
        let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default())
            .await
            .context("connecting by GLOBCRM_TEST_AMQP_URL")?;
        let channel = connection.create_channel().await?;
        let tenant = VerifiedTenant::from_claim(TenantId::from(ground.clock.new_uuid()));
        let world = Self {
            ground,
            worker: WorkerDb::new(&config, MIGRATIONS.schema, 4)?,
            amqp,
            tenant,
            tap: format!("{exchange}.tap"),
            channel,
            _connection: connection,
        };
        // The relay declares the exchange; a queue can be bound only afterwards.
        let mut first = Running::new();
        let status = world.relay(&mut first);
        until("the relay leads", async || Ok(status.snapshot().leader)).await?;
        first.stop().await?;
        let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        world.channel.queue_declare(world.tap.as_str().into(), exclusive, FieldTable::default()).await?;
        world.bind(&world.tap).await?;
        Ok(world)
    }

    pub fn channel(&self) -> &lapin::Channel {
        &self.channel
    }

    /// Binds a queue to everything.
    pub async fn bind(&self, queue: &str) -> Result<()> {
        let exchange = self.amqp.exchange.as_str();
        let options = QueueBindOptions::default();
        Ok(self
            .channel
            .queue_bind(queue.into(), exchange.into(), "#".into(), options, FieldTable::default())
            .await?)
    }

    pub fn relay(&self, running: &mut Running) -> RelayStatus {
        let relay = Relay::new(self.worker.clone(), self.amqp.clone(), MIGRATIONS.schema, self.clock.clone());
        let status = relay.status();
        running.spawn(relay.run(running.shutdown.clone()));
        status
    }

    pub fn consumer(&self, running: &mut Running, name: &'static str, handler: impl Handler + 'static) {
        let consumer = Consumer::new(name, &["events_it.#"]);
        running.spawn(consumer.run(
            self.db.clone(),
            self.worker.clone(),
            self.amqp.clone(),
            self.clock.clone(),
            handler,
            running.shutdown.clone(),
        ));
    }

    pub async fn begin(&self) -> Result<TenantTx> {
        Ok(TenantTx::begin(&self.db, self.tenant).await?)
    }

    pub fn event(&self, record_id: Uuid, version: i64) -> NewEvent {
        NewEvent {
            id: self.clock.new_uuid(),
            service: MIGRATIONS.schema,
            object: "thing",
            verb: "updated",
            record_id,
            version,
            actor: Uuid::nil(),
            actor_kind: None,
            owner: None,
            team: None,
            changes: Vec::new(),
            lane: Lane::Interactive,
            traceparent: None,
            time: self.clock.now_micros(),
        }
    }

    /// Commits events in a transaction each; gives them back.
    pub async fn write(&self, events: Vec<NewEvent>) -> Result<Vec<NewEvent>> {
        for event in &events {
            let mut tx = self.begin().await?;
            events::outbox::append(&mut tx, event).await?;
            tx.commit().await?;
        }
        Ok(events)
    }

    /// `count` events of as many records.
    pub async fn write_some(&self, count: usize) -> Result<Vec<NewEvent>> {
        self.write((0..count).map(|_| self.event(self.clock.new_uuid(), 1)).collect()).await
    }

    /// Takes what reached the tap.
    pub async fn tapped(&self) -> Result<Vec<Event>> {
        self.drain(&self.tap).await
    }

    pub async fn drain(&self, queue: &str) -> Result<Vec<Event>> {
        let mut got = Vec::new();
        while let Some(message) = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await? {
            message.acker.ack(BasicAckOptions::default()).await?;
            got.push(Event::decode(&message.data)?);
        }
        Ok(got)
    }

    /// Waits until every one of `events` reached the tap; gives how often each event did, others included.
    pub async fn await_tapped(&self, events: &[NewEvent]) -> Result<BTreeMap<Uuid, usize>> {
        let mut seen = BTreeMap::new();
        until("every event is published", async || {
            for event in self.tapped().await? {
                *seen.entry(event.id).or_default() += 1;
            }
            Ok(events.iter().all(|event| seen.contains_key(&event.id)))
        })
        .await?;
        Ok(seen)
    }

    /// Rows of a statement that gives one number.
    pub async fn number(&self, text: &'static str) -> Result<i64> {
        let mut sql = self.sql().await?;
        Ok(sqlx::query_scalar(text).fetch_one(&mut sql).await?)
    }

    /// Event ids in the ledger, in the order of their commits' inserts.
    pub async fn ledger(&self) -> Result<Vec<Uuid>> {
        let mut sql = self.sql().await?;
        Ok(sqlx::query_scalar("SELECT event_id FROM events_it.ledger ORDER BY n").fetch_all(&mut sql).await?)
    }

    pub async fn await_applied(&self, events: &[&NewEvent]) -> Result<()> {
        until("every event is applied", async || {
            let ledger: BTreeSet<Uuid> = self.ledger().await?.into_iter().collect();
            Ok(events.iter().all(|event| ledger.contains(&event.id)))
        })
        .await
    }
}

/// Waits for a condition; an error while asking ends it at once.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    waiting::outcome(PATIENCE, what, async || match condition().await {
        Ok(true) => Ok(Ok(())),
        Ok(false) => Err("not yet"),
        Err(error) => Ok(Err(error)),
    })
    .await
}

/// Writes the delivery into the ledger.
pub async fn note(tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
    sqlx::query(
        "INSERT INTO ledger (tenant_id, event_id, record_id, version, attempt) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(tx.tenant_id())
    .bind(delivery.event.id)
    .bind(delivery.event.record_id)
    .bind(delivery.event.version)
    .bind(i64::from(delivery.attempt))
    .execute(tx.conn())
    .await
    .map_err(db::DbError::from)?;
    Ok(())
}

/// Applies everything.
pub struct Ledger;

impl Handler for Ledger {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        note(tx, delivery).await
    }
}
