//! One connection's life: take the lease, then cycle until something breaks.

use std::time::Duration;

use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::lanes::{Lanes, Publish};
use super::publish::{self, Outcome};
use super::store::{self, Row};
use super::{Relay, RelayError};
use crate::broker::{self, Backoff};
use crate::{BrokerError, Lane, retention};

/// How long confirms may take before the connection is given up.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);
/// The lease (15 s) is renewed at least this often.
const RENEW: Duration = Duration::from_secs(3);
/// Pauses while there is nothing to do: doubling from the first to the last.
const POLL: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));
const MEASURE: Duration = Duration::from_secs(1);
const RECONCILE: Duration = Duration::from_secs(30);
const MAINTAIN: Duration = Duration::from_secs(3_600);

/// The connection of the relay that leads.
struct Broker<'a> {
    relay: &'a Relay,
    channel: &'a Channel,
    epoch: i64,
    /// The lease, last.
    renewed: Instant,
}

impl Broker<'_> {
    async fn renew(&mut self) -> Result<(), RelayError> {
        if !store::renew(&self.relay.db, self.relay.holder, self.epoch).await? {
            return Err(RelayError::LeaseLost);
        }
        self.renewed = Instant::now();
        Ok(())
    }
}

impl Publish for Broker<'_> {
    /// Renews the lease while the broker takes its time, and between waves.
    async fn publish(&mut self, wave: &[&(Lane, Row)]) -> Result<Outcome, RelayError> {
        let (exchange, service) = (self.relay.amqp.exchange.as_str(), self.relay.service);
        let publish = timeout(CONFIRM_TIMEOUT, publish::window(self.channel, exchange, service, wave));
        tokio::pin!(publish);
        loop {
            if self.renewed.elapsed() > RENEW {
                self.renew().await?;
            }
            tokio::select! {
                outcome = &mut publish => return Ok(outcome.map_err(|_| BrokerError::Timeout)??),
                () = tokio::time::sleep(RENEW) => {}
            }
        }
    }
}

impl Relay {
    /// `Ok` after `shutdown`.
    pub(super) async fn session(
        &self,
        shutdown: &CancellationToken,
        backoff: &mut Backoff,
    ) -> Result<(), RelayError> {
        let connection = broker::connect(&self.amqp, &format!("globcrm-{}-relay", self.service)).await?;
        let channel = broker::timely(async {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            broker::declare(&channel, &self.amqp.exchange).await?;
            Ok(channel)
        })
        .await?;
        self.status.connected(false);
        let Some(epoch) = self.lease(&connection, shutdown).await? else { return Ok(()) };
        self.status.connected(true);
        backoff.reset();
        tracing::info!(role = self.service, epoch, "relay leads");
        let mut lanes = Lanes::load(self.db.clone(), self.holder, epoch).await?;
        let mut broker = Broker { relay: self, channel: &channel, epoch, renewed: Instant::now() };
        let mut pause = POLL.0;
        let (mut measured, mut maintained) = (None::<Instant>, None::<Instant>);
        let mut reconciled = None::<Instant>;
        while !shutdown.is_cancelled() {
            let turnover = lanes.cycle(&mut broker).await?;
            if turnover.saved {
                broker.renewed = Instant::now();
            }
            for (lane, kind) in &turnover.sent {
                self.status.sent(*lane, kind);
            }
            if let Some((refused, error)) = &turnover.refused {
                // The channel is well: the lane goes back to the first refused and tries again, ever more slowly.
                self.status.refused(*refused, &error.to_string());
                tracing::warn!(role = self.service, error = %error::chain(&error), "the broker refuses events");
            } else if !turnover.sent.is_empty() && !lanes.braked() {
                self.status.flowing();
            }
            pause = if turnover.sent.is_empty() { (pause * 2).min(POLL.1) } else { POLL.0 };
            let wait = if turnover.sent.is_empty() { pause } else { Duration::ZERO };
            if !connection.status().connected() {
                return Err(BrokerError::Lost.into());
            }
            if broker.renewed.elapsed() > RENEW {
                broker.renew().await?;
            }
            if measured.is_none_or(|at| at.elapsed() > MEASURE) {
                self.measure().await;
                measured = Some(Instant::now());
            }
            if reconciled.is_none_or(|at| at.elapsed() > RECONCILE) {
                self.reconcile(&mut lanes).await?;
                reconciled = Some(Instant::now());
            }
            if maintained.is_none_or(|at| at.elapsed() > MAINTAIN) {
                maintained = self.maintain().await.then(Instant::now);
            }
            tokio::select! {
                () = self.wake.0.notified() => pause = POLL.0,
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Waits for the lease; `None` after `shutdown`.
    async fn lease(
        &self,
        connection: &Connection,
        shutdown: &CancellationToken,
    ) -> Result<Option<i64>, RelayError> {
        loop {
            if let Some(epoch) = store::acquire(&self.db, self.holder).await? {
                return Ok(Some(epoch));
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = shutdown.cancelled() => return Ok(None),
            }
            if !connection.status().connected() {
                return Err(BrokerError::Lost.into());
            }
            self.measure().await;
        }
    }

    /// Sends what was passed by.
    async fn reconcile(&self, lanes: &mut Lanes) -> Result<(), RelayError> {
        for (lane, events, first) in lanes.reconcile().await? {
            tracing::error!(
                role = self.service,
                lane = lane.name(),
                events,
                first,
                "events were passed without being sent; they are sent now"
            );
            self.status.lost(lane, events);
        }
        Ok(())
    }

    /// Partitions and old rows; `false` when there is more to do soon.
    async fn maintain(&self) -> bool {
        let maintain = async { Ok(store::maintain(&self.db).await? < store::MAINTAINED) };
        match tokio::try_join!(maintain, retention::sweep(&self.db, self.service)) {
            Ok((maintained, swept)) => maintained && swept,
            Err(error) => {
                let error: db::DbError = error;
                tracing::warn!(role = self.service, error = %error::chain(&error), "what is old of outbox and inbox stays for now");
                true
            }
        }
    }
}
