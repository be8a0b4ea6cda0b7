//! One connection's life: take the lease, then cycle until something breaks.

use std::time::Duration;

use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::cursor::Cursor;
use super::publish::{self, Outcome};
use super::store::{self, Row, Snapshot};
use super::{Relay, RelayError};
use crate::broker::{self, Backoff};
use crate::{BrokerError, Lane};

/// Messages published and not yet confirmed, at most.
const WINDOW: usize = 500;
/// Of these, what the bulk lane gets while the interactive one has more than enough.
const BULK_SHARE: usize = WINDOW / 5;
/// Bytes per lane and window.
const WINDOW_BYTES: i64 = 1 << 20;
/// Holes remembered per lane; beyond, the lane reads nothing new until some close.
const MAX_HOLES: usize = 10_000;
/// How long confirms may take before the connection is given up.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);
/// The lease (15 s) is renewed at least this often.
const RENEW: Duration = Duration::from_secs(3);
/// Pauses while there is nothing to do: doubling from the first to the last.
const POLL: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));
const MEASURE: Duration = Duration::from_secs(1);
const MAINTAIN: Duration = Duration::from_secs(3_600);

/// One lane's part of a cycle.
struct Part {
    lane: Lane,
    cursor: Cursor,
    /// Late events out of holes.
    late: Vec<Row>,
    /// Events above the cursor.
    fresh: Vec<Row>,
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
        tracing::info!(service = self.service, epoch, "relay leads");
        let mut parts = Vec::with_capacity(2);
        for lane in Lane::ALL {
            let cursor = store::load(&self.db, lane).await?.ok_or(RelayError::Cursor(lane.number()))?;
            parts.push(Part { lane, cursor, late: Vec::new(), fresh: Vec::new() });
        }
        let mut refused = Backoff::default();
        let mut pause = POLL.0;
        let mut renewed = Instant::now();
        let (mut measured, mut maintained) = (None::<Instant>, None::<Instant>);
        while !shutdown.is_cancelled() {
            let wait = match self.cycle(&channel, epoch, &mut parts).await {
                Ok(0) => {
                    pause = (pause * 2).min(POLL.1);
                    pause
                }
                Ok(_) => {
                    // A full cycle saved the cursors, which renewed the lease.
                    renewed = Instant::now();
                    self.status.flowing();
                    refused.reset();
                    pause = POLL.0;
                    Duration::ZERO
                }
                // The channel is well: go back to the first refused and try again, ever more slowly.
                Err(RelayError::Broker(error @ BrokerError::Refused { refused: count, .. })) => {
                    self.status.refused(count, &error.to_string());
                    let wait = refused.next();
                    tracing::warn!(service = self.service, %error, ?wait, "the broker refuses events");
                    wait
                }
                Err(other) => return Err(other),
            };
            if !connection.status().connected() {
                return Err(BrokerError::Lost.into());
            }
            if renewed.elapsed() > RENEW {
                self.renew(epoch).await?;
                renewed = Instant::now();
            }
            if measured.is_none_or(|at| at.elapsed() > MEASURE) {
                self.measure().await;
                measured = Some(Instant::now());
            }
            if maintained.is_none_or(|at| at.elapsed() > MAINTAIN) {
                if let Err(error) = store::maintain(&self.db).await {
                    tracing::warn!(service = self.service, %error, "partitions of the outbox not maintained");
                }
                maintained = Some(Instant::now());
            }
            tokio::select! {
                // A refused window is not tried earlier because more was written.
                () = self.wake.0.notified(), if wait <= POLL.1 => pause = POLL.0,
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

    async fn renew(&self, epoch: i64) -> Result<(), RelayError> {
        if store::renew(&self.db, self.holder, epoch).await? { Ok(()) } else { Err(RelayError::LeaseLost) }
    }

    /// Reads, publishes, saves. Gives how many events were sent.
    async fn cycle(&self, channel: &Channel, epoch: i64, parts: &mut [Part]) -> Result<usize, RelayError> {
        let before: Vec<Cursor> = parts.iter().map(|part| part.cursor.clone()).collect();
        let snapshot = self.read(parts).await?;
        share(parts);
        // Late ones first: they are the oldest.
        let mut window: Vec<(Lane, Row)> = Vec::new();
        for part in parts.iter_mut() {
            window.extend(part.late.drain(..).chain(part.fresh.drain(..)).map(|row| (part.lane, row)));
        }
        let outcome = if window.is_empty() {
            Outcome { taken: Vec::new(), why: "" }
        } else {
            self.publish(channel, epoch, &window).await?
        };
        for part in parts.iter_mut() {
            let of_lane = window.iter().zip(&outcome.taken).filter(|((lane, _), _)| *lane == part.lane);
            let of_lane: Vec<(i64, bool)> = of_lane.map(|((_, row), taken)| (row.seq, *taken)).collect();
            record(&mut part.cursor, &of_lane, snapshot);
        }
        let changed: Vec<(Lane, &Cursor)> = parts
            .iter()
            .zip(&before)
            .filter(|(part, before)| part.cursor != **before)
            .map(|(part, _)| (part.lane, &part.cursor))
            .collect();
        if !changed.is_empty() && !store::save(&self.db, self.holder, epoch, &changed).await? {
            return Err(RelayError::LeaseLost);
        }
        let mut sent = 0;
        for ((lane, row), _) in window.iter().zip(&outcome.taken).filter(|(_, taken)| **taken) {
            self.status.sent(*lane, &row.kind);
            sent += 1;
        }
        if sent < window.len() {
            let refused =
                BrokerError::Refused { refused: window.len() - sent, sent: window.len(), why: outcome.why };
            return Err(refused.into());
        }
        Ok(sent)
    }

    /// Looks at both lanes under one snapshot.
    async fn read(&self, parts: &mut [Part]) -> Result<Snapshot, RelayError> {
        let (mut tx, snapshot) = store::look(&self.db).await?;
        for part in parts {
            part.late.clear();
            part.fresh.clear();
            if !part.cursor.holes().is_empty() {
                let found = store::probe(&mut tx, part.lane, part.cursor.holes(), WINDOW as i64).await?;
                let probed = if found.len() < WINDOW { i64::MAX } else { found.last().copied().unwrap_or(0) };
                part.cursor.settle(snapshot.xmin, &found, probed);
                if !found.is_empty() {
                    part.late = store::rows(&mut tx, part.lane, &found, WINDOW_BYTES).await?;
                }
            }
            if part.cursor.holes().len() < MAX_HOLES {
                let high = part.cursor.high();
                part.fresh = store::next(&mut tx, part.lane, high, WINDOW as i64, WINDOW_BYTES).await?;
            } else {
                tracing::warn!(
                    service = self.service,
                    lane = part.lane.number(),
                    "too many open holes: a lane waits"
                );
            }
        }
        tx.commit().await?;
        Ok(snapshot)
    }

    /// Publishes, renewing the lease while the broker takes its time.
    async fn publish(
        &self,
        channel: &Channel,
        epoch: i64,
        window: &[(Lane, Row)],
    ) -> Result<Outcome, RelayError> {
        let publish =
            timeout(CONFIRM_TIMEOUT, publish::window(channel, &self.amqp.exchange, self.service, window));
        tokio::pin!(publish);
        loop {
            tokio::select! {
                outcome = &mut publish => return Ok(outcome.map_err(|_| BrokerError::Timeout)??),
                () = tokio::time::sleep(RENEW) => self.renew(epoch).await?,
            }
        }
    }
}

/// Cuts both lanes to one window, 4:1 while both have enough. Late events and fresh ones count alike.
fn share(parts: &mut [Part]) {
    let size = |part: &Part| part.late.len() + part.fresh.len();
    let [interactive, bulk] = parts else { return };
    let for_bulk = size(bulk).min(BULK_SHARE.max(WINDOW.saturating_sub(size(interactive))));
    cut(bulk, for_bulk);
    cut(interactive, WINDOW - for_bulk);
}

fn cut(part: &mut Part, to: usize) {
    part.late.truncate(to);
    part.fresh.truncate(to - part.late.len());
}

/// Writes into the cursor what was confirmed; `rows` are a lane's part of the window, late ones first.
fn record(cursor: &mut Cursor, rows: &[(i64, bool)], snapshot: Snapshot) {
    let high = cursor.high();
    let mut advanced = Vec::with_capacity(rows.len());
    let mut unbroken = true;
    for (seq, taken) in rows {
        if *seq <= high {
            if *taken {
                cursor.sent(*seq);
            }
        } else {
            // Go-back-N: behind the first that was not taken everything is read again, in order.
            unbroken &= *taken;
            if unbroken {
                advanced.push(*seq);
            }
        }
    }
    cursor.advance(&advanced, snapshot.xmax);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(lane: Lane, late: usize, fresh: usize) -> Part {
        let row = |seq| Row {
            seq,
            part: 0,
            event_id: uuid::Uuid::nil(),
            kind: String::new(),
            envelope: Vec::new(),
            traceparent: None,
            recorded_at: time::OffsetDateTime::UNIX_EPOCH,
        };
        let rows = |n: usize| (1..=n as i64).map(row).collect();
        Part { lane, cursor: Cursor::default(), late: rows(late), fresh: rows(fresh) }
    }

    #[test]
    fn lanes_share_the_window_four_to_one_and_lend_what_they_do_not_need() {
        for ((interactive, bulk), expected) in [
            ((500, 500), (400, 100)),
            ((450, 500), (400, 100)),
            ((10, 500), (10, 490)),
            ((500, 0), (500, 0)),
            ((500, 30), (470, 30)),
            ((0, 500), (0, 500)),
            ((0, 0), (0, 0)),
        ] {
            let mut parts = [part(Lane::Interactive, 0, interactive), part(Lane::Bulk, 0, bulk)];
            share(&mut parts);
            assert_eq!((parts[0].fresh.len(), parts[1].fresh.len()), expected, "{interactive}:{bulk}");
        }
        let mut parts = [part(Lane::Interactive, 450, 300), part(Lane::Bulk, 0, 500)];
        share(&mut parts);
        assert_eq!((parts[0].late.len(), parts[0].fresh.len(), parts[1].fresh.len()), (400, 0, 100));
    }

    #[test]
    fn the_cursor_stops_at_the_first_refused_and_keeps_a_refused_late_event() {
        let mut cursor = Cursor::default();
        let snapshot = Snapshot { xmin: 5, xmax: 9 };
        record(&mut cursor, &[(3, true)], snapshot);
        assert_eq!(cursor.flat(), [1, 2, 9]);
        record(&mut cursor, &[(1, false), (2, true), (4, true), (6, false), (7, true)], snapshot);
        assert_eq!((cursor.high(), cursor.flat()), (4, vec![1, 1, 9]));
    }
}
