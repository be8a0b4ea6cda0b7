//! The broker: connection, names and what is declared on it.

mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use ::config::ExposeSecret;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use rand::seq::SliceRandom;
use tokio::net::lookup_host;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::{AmqpConfig, Lane};

/// The topic exchange of all events.
pub const EXCHANGE: &str = "globcrm.events";
/// Takes events that no queue is bound for, so that they do not hold up the relay.
const UNROUTED: &str = "globcrm.unrouted";
/// Where they are kept for a day. A quorum queue: a classic one is on one node of a cluster, and while that is down, nobody can declare
/// it, so that nobody who comes could publish or consume.
const UNROUTED_KEPT: &str = "globcrm.unrouted.kept";
/// Dead letters of the broker itself (a queue's policy names it).
const DLX: &str = "globcrm.dlx";
const PARKING: &str = "globcrm.parking";

/// Partitions of the key space; a queue takes one or more.
pub(crate) const PARTITIONS: u8 = 16;

/// Largest frame, in bytes; a longer message takes several. lapin holds 64 frames' worth of buffers per connection: 8 MiB
/// with the broker's default of 128 KiB, 1 MiB with this.
const FRAME_MAX: u32 = 16 * 1024;

/// How long a connection attempt, or another exchange with the broker, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The broker cannot be used; its address and credentials are not in the text.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The URL is none.
    #[error("AMQP_URL is no AMQP URL")]
    Url,
    /// The CA file cannot be read, or a thing in it is no certificate.
    #[error("AMQP_CA_FILE holds no certificates (PEM) that can be read")]
    Certificates,
    /// No answer in time.
    #[error("the broker does not answer")]
    Timeout,
    /// AMQP failed.
    #[error("amqp: {0}")]
    Amqp(#[from] lapin::Error),
    /// The broker did not take a message.
    #[error("the broker refused {refused} of {sent} messages: {why}")]
    Refused {
        /// How many.
        refused: usize,
        /// Of how many.
        sent: usize,
        /// Nack (a full queue) or return (no queue and no alternate exchange).
        why: &'static str,
    },
    /// The connection ended.
    #[error("the connection to the broker was lost")]
    Lost,
    /// The broker ended the consumer: its queue was deleted or its node left.
    #[error("the broker cancelled the consumer")]
    Cancelled,
    /// An acknowledgement came too late for its channel.
    #[error("a stale acknowledgement")]
    Stale,
    /// Publisher confirms are off: nothing could be promised.
    #[error("publisher confirms are not on")]
    NoConfirms,
}

/// The partition of a record's events, 0 to 15. Stable: a consumer's order hangs on it.
pub fn partition(record: Uuid) -> u8 {
    (xxh3_64(record.as_bytes()) % u64::from(PARTITIONS)) as u8
}

/// `p07.records.contact.created.v1`, in the bulk lane `bulk.p07.records.contact.created.v1`.
pub fn routing_key(lane: Lane, part: u8, kind: &str) -> String {
    match lane {
        Lane::Interactive => format!("p{part:02}.{kind}"),
        Lane::Bulk => format!("bulk.p{part:02}.{kind}"),
    }
}

/// An exchange with the broker that must not take long: half-open connections and lost wake-ups end here.
pub(crate) async fn timely<T>(work: impl Future<Output = Result<T, BrokerError>>) -> Result<T, BrokerError> {
    tokio::time::timeout(CONNECT_TIMEOUT, work).await.unwrap_or(Err(BrokerError::Timeout))
}

/// A new connection to any of the addresses that the URL's host has, such as those of the nodes of a cluster. Recovery is the caller's
/// loop, not lapin's: lapin recovers a dropped connection but never a channel that an exception closed, and one way to recover is
/// easier to be sure of than two.
pub(crate) async fn connect(config: &AmqpConfig, name: &str) -> Result<Connection, BrokerError> {
    let mut uri: AMQPUri = config.url.expose_secret().parse().map_err(|_| BrokerError::Url)?;
    uri.query.heartbeat = Some(config.heartbeat);
    uri.query.frame_max = Some(uri.query.frame_max.unwrap_or(FRAME_MAX));
    uri.query.connection_timeout = Some(CONNECT_TIMEOUT.as_millis() as u64);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let (host, port) = (uri.authority.host.clone(), uri.authority.port);
    let at = |address: SocketAddr| {
        let (mut uri, host, properties) = (uri.clone(), host.clone(), properties.clone());
        let ca_file = config.ca_file.clone();
        uri.authority.host = address.ip().to_string();
        async move {
            match (&uri.scheme, ca_file) {
                (AMQPScheme::AMQP, _) => Ok(Connection::connect_uri(uri, properties).await?),
                (AMQPScheme::AMQPS, Some(ca_file)) => tls::connect(uri, host, properties, &ca_file).await,
                // Without TLS built in, lapin would speak plain text to it.
                (AMQPScheme::AMQPS, None) => Err(BrokerError::Certificates),
            }
        }
    };
    timely(async {
        let addresses = lookup_host((host.as_str(), port)).await.map_err(lapin::Error::from)?;
        any(addresses.collect(), at).await
    })
    .await
}

/// The first of these addresses that takes a connection, in an order of chance, so that the connections of a fleet spread over the nodes.
/// None has more time than its share: one that is silent must not use up the time of those that are well.
async fn any<T, F>(
    mut addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, BrokerError>
where
    F: Future<Output = Result<T, BrokerError>>,
{
    addresses.shuffle(&mut rand::rng());
    let share = CONNECT_TIMEOUT / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = BrokerError::Timeout;
    for address in addresses {
        match tokio::time::timeout(share, connect(address)).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => last = error,
            Err(_) => last = BrokerError::Timeout,
        }
    }
    Err(last)
}

/// Declares what publishers and consumers need. The alternate exchange is an argument, not a policy: that an event without
/// a subscriber never stops the relay must not depend on a definitions file.
pub(crate) async fn declare(channel: &Channel, exchange: &str) -> Result<(), BrokerError> {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    for fanout in [UNROUTED, DLX] {
        channel.exchange_declare(fanout.into(), ExchangeKind::Fanout, durable, FieldTable::default()).await?;
    }
    let arguments = table([("alternate-exchange", AMQPValue::LongString(UNROUTED.into()))]);
    channel.exchange_declare(exchange.into(), ExchangeKind::Topic, durable, arguments).await?;
    for (queue, of, arguments) in kept() {
        declare_queue(channel, queue, arguments).await?;
        bind(channel, queue, of, "").await?;
    }
    Ok(())
}

/// What is kept of events without a consumer and of dead letters: queue, exchange, arguments.
fn kept() -> [(&'static str, &'static str, FieldTable); 2] {
    let quorum = || ("x-queue-type", AMQPValue::LongString("quorum".into()));
    // Bounded by arguments, so also without the definitions file; the oldest goes, the outbox keeps them all.
    let unrouted = table([
        quorum(),
        ("x-max-length", AMQPValue::LongInt(10_000)),
        ("x-message-ttl", AMQPValue::LongInt(86_400_000)),
        ("x-overflow", AMQPValue::LongString("drop-head".into())),
    ]);
    [(UNROUTED_KEPT, UNROUTED, unrouted), (PARKING, DLX, table([quorum()]))]
}

pub(crate) async fn declare_queue(
    channel: &Channel,
    name: &str,
    arguments: FieldTable,
) -> Result<(), BrokerError> {
    channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await?;
    Ok(())
}

pub(crate) async fn bind(
    channel: &Channel,
    queue: &str,
    exchange: &str,
    key: &str,
) -> Result<(), BrokerError> {
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await?;
    Ok(())
}

pub(crate) fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(ShortString::from(name), value);
    }
    table
}

/// Pauses between attempts: 100 ms doubling to 10 s, each cut by up to a half so that a fleet does not return in step.
#[derive(Debug, Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    pub(crate) fn next(&mut self) -> Duration {
        let full = Duration::from_millis(100 << self.0.min(7)).min(Duration::from_secs(10));
        self.0 = self.0.saturating_add(1);
        full.mul_f64(rand::random_range(0.5..=1.0))
    }

    pub(crate) fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_silent_or_refuses_is_passed_by() {
        let nodes = [1, 2, 3].map(|n| SocketAddr::from(([127, 0, 0, n], 5672)));
        let [silent, refusing, well] = nodes;
        for _ in 0..20 {
            let begun = tokio::time::Instant::now();
            let at = any(nodes.to_vec(), |address| async move {
                match address {
                    _ if address == silent => std::future::pending().await,
                    _ if address == refusing => Err(BrokerError::Lost),
                    _ => Ok(address),
                }
            });
            assert_eq!(timely(at).await.unwrap(), well);
            assert!(begun.elapsed() < CONNECT_TIMEOUT);
        }
        let away = async |_| Err::<(), _>(BrokerError::Lost);
        assert!(matches!(any(nodes.to_vec(), away).await, Err(BrokerError::Lost)));
        assert!(matches!(any(Vec::new(), away).await, Err(BrokerError::Timeout)));
    }

    #[tokio::test]
    async fn every_node_is_asked_first_by_some() {
        let nodes = [1, 2, 3].map(|n| SocketAddr::from(([127, 0, 0, n], 5672)));
        let mut first = std::collections::BTreeSet::new();
        for _ in 0..200 {
            first.insert(any(nodes.to_vec(), async |address| Ok(address)).await.unwrap());
        }
        assert_eq!(first.len(), nodes.len());
    }

    #[test]
    fn what_everybody_declares_outlives_a_node() {
        for (queue, _, arguments) in kept() {
            let kind = arguments.inner().get("x-queue-type");
            assert_eq!(kind, Some(&AMQPValue::LongString("quorum".into())), "{queue}");
        }
    }

    #[test]
    fn a_records_partition_never_changes() {
        // Values that were in queues before an upgrade: another hash would break the order of a record's events.
        let ids = ["01890a5d-ac96-774b-bcce-b302099a8057", "00000000-0000-0000-0000-000000000000"];
        let parts: Vec<u8> = ids.iter().map(|id| partition(id.parse().unwrap())).collect();
        assert_eq!(parts, [9, 8]);
    }

    #[test]
    fn the_bulk_lane_has_its_own_first_word() {
        assert_eq!(
            routing_key(Lane::Interactive, 7, "records.contact.created.v1"),
            "p07.records.contact.created.v1"
        );
        assert_eq!(routing_key(Lane::Bulk, 0, "a.b.c.v1"), "bulk.p00.a.b.c.v1");
    }

    #[test]
    fn backoff_grows_to_ten_seconds_and_starts_again_after_success() {
        let mut backoff = Backoff::default();
        let pauses: Vec<Duration> = (0..40).map(|_| backoff.next()).collect();
        assert!(pauses[0] <= Duration::from_millis(100));
        assert!(pauses[39] >= Duration::from_secs(5) && pauses.iter().all(|p| *p <= Duration::from_secs(10)));
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(100));
    }
}
