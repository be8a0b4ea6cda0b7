//! The consumer loop: at-least-once delivery made exactly-once effect.
//!
//! Every queue has one active consumer in the fleet and is worked in order. A message is acknowledged when its effect, or
//! its place in `inbox_retry` or `dead_event`, is committed, and never put back into its queue: requeueing loses the order
//! and turns a bad event into a loop. Should the database be away, the message is held, unacknowledged, until it is back.

mod process;
mod retry;
mod store;

use std::future::Future;
use std::time::Duration;

use db::{Db, DbError, TenantTx, WorkerDb};
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use ids::Clock;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::broker::{self, Backoff, PARTITIONS, bind, table};
use crate::metrics::Fates;
use crate::{AmqpConfig, BrokerError, Event};

/// A consumer group: every instance runs it, each event is applied by one.
#[derive(Clone, Copy, Debug)]
pub struct Consumer {
    /// `<service>.<what it does>`, e.g. `records.fields`. Names queues and inbox rows: never rename it.
    pub name: &'static str,
    /// Event types it wants, as topic patterns without the partition: `fields.field.*.v1`, `records.#`.
    pub patterns: &'static [&'static str],
    /// Queues for the interactive lane: 1, 2, 4, 8 or 16. More of them are worked at once.
    pub queues: u8,
    /// Unacknowledged messages per queue.
    pub prefetch: u16,
}

/// What a handler is given.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The event.
    pub event: Event,
    /// 1 for the first attempt.
    pub attempt: u32,
}

/// Applies events. The effect must be in `tx`, and only there: it is rolled back with the inbox row when anything fails.
pub trait Handler: Send + Sync {
    /// Applies one event; may be called again for it until it returns `Ok` and the transaction commits.
    fn handle(
        &self,
        tx: &mut TenantTx,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Called when the effect of one event is committed, for what must not be told before: a job that is woken before the
    /// commit finds nothing to do. May be left out when the process ends in between, so it can only make things sooner.
    fn committed(&self, _delivery: &Delivery) {}
}

/// Why an event was not applied.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// May work later: tried again in place, then parked.
    #[error(transparent)]
    Retry(Box<dyn std::error::Error + Send + Sync>),
    /// Will never work: a dead event at once.
    #[error(transparent)]
    Dead(Box<dyn std::error::Error + Send + Sync>),
    /// The handler took longer than 30 s. Parked at once: trying in place would hold up the queue.
    #[error("the handler took too long")]
    TimedOut,
    /// The handler panicked.
    #[error("the handler panicked")]
    Panicked,
}

impl HandlerError {
    /// May work later.
    pub fn retry(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Retry(why.into())
    }

    /// Will never work.
    pub fn dead(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Dead(why.into())
    }
}

impl From<DbError> for HandlerError {
    fn from(error: DbError) -> Self {
        Self::retry(error)
    }
}

impl From<error::Error> for HandlerError {
    fn from(error: error::Error) -> Self {
        Self::retry(error)
    }
}

/// How long the farewell to the broker may take at shutdown.
const FAREWELL: Duration = Duration::from_secs(2);

/// A queue with what must outlive the work on it (see `Runner::session`).
struct Queue {
    channel: Channel,
    name: String,
    deliveries: Option<lapin::Consumer>,
}

/// A running consumer's parts.
struct Runner<H> {
    consumer: Consumer,
    db: Db,
    worker: WorkerDb,
    amqp: AmqpConfig,
    clock: Clock,
    handler: H,
    shutdown: CancellationToken,
    /// Something was parked.
    parked: Notify,
    fates: Fates,
}

impl Consumer {
    /// A consumer with one queue per lane.
    pub const fn new(name: &'static str, patterns: &'static [&'static str]) -> Self {
        Self { name, patterns, queues: 1, prefetch: 64 }
    }

    /// Runs until `shutdown`; reconnects for ever. `db` and `worker` are those of the consuming service's schema, which has
    /// the inbox. Uses a connection of its own: a broker that blocks publishers must not block acknowledgements.
    pub async fn run<H: Handler>(
        self,
        db: Db,
        worker: WorkerDb,
        amqp: AmqpConfig,
        clock: Clock,
        handler: H,
        shutdown: CancellationToken,
    ) {
        let (parked, fates) = (Notify::new(), Fates::new(self.name));
        let runner = Runner { consumer: self, db, worker, amqp, clock, handler, shutdown, parked, fates };
        tokio::join!(runner.supervise(), runner.retry_parked());
    }

    /// Queues of the interactive lane with the partitions each takes.
    fn queues(&self) -> Vec<(String, std::ops::RangeInclusive<u8>)> {
        let count = self.queues.clamp(1, PARTITIONS).next_power_of_two();
        let width = PARTITIONS / count;
        (0..count)
            .map(|n| {
                let (first, last) = (n * width, (n + 1) * width - 1);
                (format!("{}.p{first:02}-p{last:02}", self.name), first..=last)
            })
            .collect()
    }
}

impl<H: Handler> Runner<H> {
    /// Sessions until shutdown. lapin does not bring back a channel that an exception closed, nor a consumer that the broker
    /// cancelled: whatever ends, everything is built again.
    async fn supervise(&self) {
        let name = self.consumer.name;
        let mut backoff = Backoff::default();
        while !self.shutdown.is_cancelled() {
            let Err(error) = self.session(&mut backoff).await else { break };
            let pause = backoff.next();
            tracing::warn!(consumer = name, error = %error::chain(&error), ?pause, "consumer interrupted");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shutdown.cancelled() => {}
            }
        }
    }

    /// One connection's life. `Ok` after shutdown.
    ///
    /// However it ends, the connection is closed before the consumers are dropped: lapin cancels a dropped consumer, and a
    /// cancelled one keeps its unacknowledged messages while the broker gives the next ones to the next consumer, which
    /// turns the order of a record's events round. A closed connection gives them all back first.
    async fn session(&self, backoff: &mut Backoff) -> Result<(), BrokerError> {
        let name = format!("globcrm-{}", self.consumer.name);
        let connection = tokio::select! {
            connection = broker::connect(&self.amqp, &name) => connection?,
            () = self.shutdown.cancelled() => return Ok(()),
        };
        let mut queues = Vec::new();
        let ended = self.consume(&connection, &mut queues, backoff).await;
        match tokio::time::timeout(FAREWELL, connection.close(200, "done".into())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(error = %error::chain(&error), "the connection had ended by itself");
            }
            Err(_) => tracing::debug!("the connection was not closed in time"),
        }
        drop(queues);
        ended
    }

    async fn consume(
        &self,
        connection: &Connection,
        queues: &mut Vec<Queue>,
        backoff: &mut Backoff,
    ) -> Result<(), BrokerError> {
        tokio::select! {
            ready = broker::timely(self.set_up(connection)) => *queues = ready?,
            () = self.shutdown.cancelled() => return Ok(()),
        }
        tracing::info!(consumer = self.consumer.name, queues = queues.len(), "consuming");
        backoff.reset();
        try_join_all(queues.iter_mut().map(|queue| self.work(queue))).await?;
        Ok(())
    }

    /// Declares the queues, each on a channel of its own.
    async fn set_up(&self, connection: &Connection) -> Result<Vec<Queue>, BrokerError> {
        let mut queues = Vec::new();
        for (name, partitions) in self.consumer.queues() {
            let keys =
                |pattern: &str| partitions.clone().map(|p| format!("p{p:02}.{pattern}")).collect::<Vec<_>>();
            let channel = self.open(connection).await?;
            self.declare(&channel, &name, keys).await?;
            queues.push(Queue { channel, name, deliveries: None });
        }
        let channel = self.open(connection).await?;
        let name = format!("{}.bulk", self.consumer.name);
        self.declare(&channel, &name, |pattern| vec![format!("bulk.*.{pattern}")]).await?;
        queues.push(Queue { channel, name, deliveries: None });
        Ok(queues)
    }

    async fn open(&self, connection: &Connection) -> Result<Channel, BrokerError> {
        let channel = connection.create_channel().await?;
        channel.basic_qos(self.consumer.prefetch.max(1), BasicQosOptions::default()).await?;
        Ok(channel)
    }

    async fn declare(
        &self,
        channel: &Channel,
        queue: &str,
        keys: impl Fn(&str) -> Vec<String>,
    ) -> Result<(), BrokerError> {
        broker::declare(channel, &self.amqp.exchange).await?;
        // Everything else is policy, so that it can change without a new queue.
        let arguments = table([
            ("x-queue-type", AMQPValue::LongString("quorum".into())),
            ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ]);
        broker::declare_queue(channel, queue, arguments).await?;
        for key in self.consumer.patterns.iter().flat_map(|pattern| keys(pattern)) {
            bind(channel, queue, &self.amqp.exchange, &key).await?;
        }
        Ok(())
    }

    /// Works one queue in its order. `Ok` after shutdown.
    async fn work(&self, queue: &mut Queue) -> Result<(), BrokerError> {
        let options = BasicConsumeOptions::default();
        // Not bounded: after a broker's crash one queue may be without a leader for a minute, and the others go on
        // meanwhile. A lost connection ends it.
        let consume = queue.channel.basic_consume(
            queue.name.as_str().into(),
            "".into(),
            options,
            FieldTable::default(),
        );
        let deliveries = tokio::select! {
            deliveries = consume => queue.deliveries.insert(deliveries?),
            () = self.shutdown.cancelled() => return Ok(()),
        };
        loop {
            let delivery = tokio::select! {
                delivery = deliveries.next() => delivery.ok_or(BrokerError::Cancelled)??,
                () = self.shutdown.cancelled() => return Ok(()),
            };
            let id = delivery.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
            let mut backoff = Backoff::default();
            while let Err(error) = self.process(&delivery.data, id).await {
                let pause: Duration = backoff.next();
                tracing::warn!(consumer = self.consumer.name, error = %error::chain(&error), ?pause, "the database is away; an event is held");
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.shutdown.cancelled() => return Ok(()),
                }
                if !delivery.acker.usable() {
                    return Err(BrokerError::Stale);
                }
            }
            let ack = async { Ok(delivery.acker.ack(BasicAckOptions::default()).await?) };
            if !broker::timely(ack).await? {
                return Err(BrokerError::Stale);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_cover_every_partition_once_and_are_named_by_them() {
        for count in [1, 2, 4, 8, 16] {
            let queues = Consumer { queues: count, ..Consumer::new("a.b", &[]) }.queues();
            assert_eq!(queues.len(), usize::from(count));
            let partitions: Vec<u8> = queues.iter().flat_map(|(_, range)| range.clone()).collect();
            assert_eq!(partitions, (0..16).collect::<Vec<u8>>());
        }
        assert_eq!(Consumer::new("a.b", &[]).queues()[0].0, "a.b.p00-p15");
        // Others would leave partitions without a queue.
        assert_eq!(Consumer { queues: 3, ..Consumer::new("a.b", &[]) }.queues().len(), 4);
        assert_eq!(Consumer { queues: 200, ..Consumer::new("a.b", &[]) }.queues().len(), 16);
    }
}
