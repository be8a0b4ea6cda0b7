//! Events for every instance, for dropping what it has cached. At most once: what happens while the connection is away is
//! not told later, so a cache must drop everything at [`Notice::Connected`], and should live by a lease besides.

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer};
use tokio_util::sync::CancellationToken;

use crate::broker::{self, Backoff, bind, table};
use crate::{AmqpConfig, BrokerError, Event};

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Connected, or connected again: events may have been missed.
    Connected,
    /// Something happened.
    Event(Box<Event>),
}

/// Unacknowledged notices: bounds the memory of a slow subscriber.
const PREFETCH: u16 = 256;
/// Notices that wait on the broker for one instance; beyond, the oldest go.
const WAITING: i32 = 10_000;

/// Calls `callback` for every event whose type fits one of `patterns` (`identity.role.*.v1`), in a queue of this process
/// alone, until `shutdown`. Reconnects for ever. `callback` must not block.
pub async fn subscribe(
    amqp: AmqpConfig,
    name: &'static str,
    patterns: &'static [&'static str],
    mut callback: impl FnMut(Notice) + Send,
    shutdown: CancellationToken,
) {
    let mut backoff = Backoff::default();
    while !shutdown.is_cancelled() {
        let ended = tokio::select! {
            ended = session(&amqp, name, patterns, &mut callback, &mut backoff) => ended,
            () = shutdown.cancelled() => return,
        };
        let pause = backoff.next();
        if let Err(error) = ended {
            tracing::warn!(subscriber = name, error = %error::chain(&error), ?pause, "broadcast interrupted");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

async fn session(
    amqp: &AmqpConfig,
    name: &str,
    patterns: &[&str],
    callback: &mut (impl FnMut(Notice) + Send),
    backoff: &mut Backoff,
) -> Result<(), BrokerError> {
    let connection = broker::connect(amqp, &format!("globcrm-{name}-broadcast")).await?;
    let (_channel, mut deliveries) = broker::timely(open(&connection, &amqp.exchange, patterns)).await?;
    backoff.reset();
    callback(Notice::Connected);
    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery?;
        match Event::decode(&delivery.data) {
            Ok(event) => callback(Notice::Event(Box::new(event))),
            // A durable consumer of the same event parks it; here nothing can be done with it.
            Err(error) => {
                tracing::warn!(subscriber = name, error = %error::chain(&error), "unreadable event");
            }
        }
        delivery.acker.ack(BasicAckOptions::default()).await?;
    }
    Err(BrokerError::Cancelled)
}

/// A queue of this connection alone, bound to `patterns` in both lanes.
async fn open(
    connection: &Connection,
    exchange: &str,
    patterns: &[&str],
) -> Result<(Channel, Consumer), BrokerError> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    broker::declare(&channel, exchange).await?;
    let options =
        QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    // The broker names it: one of its own for each process, gone with its connection.
    let arguments = table([
        ("x-max-length", AMQPValue::LongInt(WAITING)),
        ("x-overflow", AMQPValue::LongString("drop-head".into())),
    ]);
    let queue = channel.queue_declare("".into(), options, arguments).await?;
    let queue = queue.name().as_str().to_owned();
    for pattern in patterns {
        bind(&channel, &queue, exchange, &format!("*.{pattern}")).await?;
        bind(&channel, &queue, exchange, &format!("bulk.*.{pattern}")).await?;
    }
    let deliveries = channel
        .basic_consume(
            queue.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    Ok((channel, deliveries))
}
