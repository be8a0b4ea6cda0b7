//! What a relay does in a cycle: read what is due, publish it, record what was taken, save.

use std::future::Future;
use std::time::Duration;

use db::WorkerDb;
use tokio::time::Instant;
use uuid::Uuid;

use super::RelayError;
use super::cursor::Cursor;
use super::publish::Outcome;
use super::store::{self, Row};
use super::waves::{self, Fate};
use crate::broker::Backoff;
use crate::{BrokerError, Lane};

/// Messages published and not yet confirmed, at most.
pub(super) const WINDOW: usize = 500;
/// Of these, what the bulk lane gets while the interactive one has more than enough.
const BULK_SHARE: usize = WINDOW / 5;
/// Bytes per lane and window.
const WINDOW_BYTES: i64 = 1 << 20;
/// Most events from holes looked at in a cycle; when there are that many, the lane reads nothing new. Most of them wait for earlier
/// events of their record.
const MAX_LATE: usize = 2 * WINDOW;
/// Holes remembered per lane; beyond, the lane reads nothing new until some close.
pub(super) const MAX_HOLES: usize = 10_000;

/// What takes events: the broker.
pub(super) trait Publish {
    /// Publishes events that may overtake each other, and waits for all their confirms.
    fn publish(&mut self, wave: &[&(Lane, Row)]) -> impl Future<Output = Result<Outcome, RelayError>> + Send;
}

/// Both lanes as the holder of the lease sees them.
pub(super) struct Lanes {
    pub(super) db: WorkerDb,
    pub(super) holder: Uuid,
    pub(super) epoch: i64,
    pub(super) parts: Vec<Part>,
}

/// One lane.
pub(super) struct Part {
    pub(super) lane: Lane,
    pub(super) cursor: Cursor,
    /// The cursor in the database.
    saved: Cursor,
    /// Late events out of holes.
    late: Vec<Row>,
    /// Events above the cursor.
    fresh: Vec<Row>,
    /// Numbers taken in this cycle.
    taken: Vec<i64>,
    brake: Brake,
    /// The bucket that the reconciliation looks at next; none: the oldest.
    pub(super) round: Option<i64>,
}

/// What a cycle came to.
#[derive(Debug, Default)]
pub(super) struct Turnover {
    /// Taken by the broker: lane and type of each.
    pub(super) sent: Vec<(Lane, String)>,
    /// What the broker refused.
    pub(super) refused: Option<(usize, BrokerError)>,
    /// The cursors were saved, and the lease extended with them.
    pub(super) saved: bool,
}

/// Slows a lane down that is refused: one event in ever longer intervals until the broker takes it, then two, four, … For
/// what follows a refused event was sent to queues that take it, and is sent again.
#[derive(Debug)]
struct Brake {
    backoff: Backoff,
    until: Option<Instant>,
    window: usize,
}

impl Default for Brake {
    fn default() -> Self {
        Self { backoff: Backoff::default(), until: None, window: WINDOW }
    }
}

impl Brake {
    fn holds(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    fn refused(&mut self) -> Duration {
        let pause = self.backoff.next();
        self.until = Some(Instant::now() + pause);
        self.window = 1;
        pause
    }

    fn flowing(&mut self) {
        self.backoff.reset();
        self.until = None;
        self.window = (self.window * 2).min(WINDOW);
    }
}

impl Lanes {
    /// The saved cursors, for the holder of the lease.
    pub(super) async fn load(db: WorkerDb, holder: Uuid, epoch: i64) -> Result<Self, RelayError> {
        let mut parts = Vec::with_capacity(Lane::ALL.len());
        for lane in Lane::ALL {
            let cursor = store::load(&db, lane).await?.ok_or(RelayError::Cursor(lane.number()))?;
            parts.push(Part::new(lane, cursor));
        }
        Ok(Self { db, holder, epoch, parts })
    }

    /// A lane was refused and has not been taken since.
    pub(super) fn braked(&self) -> bool {
        self.parts.iter().any(|part| part.brake.until.is_some())
    }

    /// Ends the pauses of refused lanes, for tests.
    pub(super) fn hurry(&mut self) {
        for part in self.parts.iter_mut().filter(|part| part.brake.holds()) {
            part.brake.until = Some(Instant::now());
        }
    }

    /// Reads, publishes, saves.
    pub(super) async fn cycle(&mut self, broker: &mut impl Publish) -> Result<Turnover, RelayError> {
        self.read().await?;
        share(&mut self.parts);
        // Late ones first: they are the oldest.
        let mut window: Vec<(Lane, Row)> = Vec::new();
        for part in &mut self.parts {
            window.extend(part.late.drain(..).chain(part.fresh.drain(..)).map(|row| (part.lane, row)));
        }
        let (fates, why) = waves::publish(&window, broker).await?;
        for part in &mut self.parts {
            let of_lane = window.iter().zip(&fates).filter(|((lane, _), _)| *lane == part.lane);
            let of_lane: Vec<(i64, Fate)> = of_lane.map(|((_, row), fate)| (row.seq, *fate)).collect();
            part.record(&of_lane);
        }
        let saved = self.save().await?;
        let refused = fates.iter().filter(|fate| **fate == Fate::Refused).count();
        let sent: Vec<(Lane, String)> = window
            .into_iter()
            .zip(&fates)
            .filter(|(_, fate)| **fate == Fate::Taken)
            .map(|((lane, row), _)| (lane, row.kind))
            .collect();
        let offered = sent.len() + refused;
        let error = (refused > 0).then_some((refused, BrokerError::Refused { refused, sent: offered, why }));
        Ok(Turnover { sent, refused: error, saved })
    }

    /// Looks at both lanes under one snapshot.
    async fn read(&mut self) -> Result<(), RelayError> {
        let (mut tx, snapshot) = store::look(&self.db).await?;
        let saved = |part: &Part| (part.saved.high(), part.saved.low_watermark());
        if !self.parts.iter().map(saved).eq(snapshot.cursors.iter().copied()) {
            return Err(RelayError::Moved);
        }
        for part in self.parts.iter_mut().filter(|part| !part.brake.holds()) {
            let mut overfull = false;
            if !part.cursor.holes().is_empty() {
                let found = store::probe(&mut tx, part.lane, part.cursor.holes(), MAX_LATE as i64).await?;
                let all = found.len() < MAX_LATE;
                let seqs: Vec<i64> = found.iter().map(|(seq, _)| *seq).collect();
                let probed = if all { i64::MAX } else { seqs.last().copied().unwrap_or(0) };
                part.cursor.settle(snapshot.xmin, &seqs, probed);
                let late = waves::first_of_each(&found, WINDOW);
                if !late.is_empty() {
                    part.late = store::rows(&mut tx, part.lane, &late, WINDOW_BYTES).await?;
                }
                // A fresh event may follow a late one of its record, which must be in the window then, or have as many before
                // it as a cycle can send.
                overfull = !all || part.late.len() < late.len() || late.len() == WINDOW;
            }
            if part.cursor.holes().len() >= MAX_HOLES {
                tracing::warn!(lane = part.lane.number(), "too many open holes: a lane waits");
            } else if !overfull {
                let (high, most) = (part.cursor.high(), part.brake.window as i64);
                part.fresh = store::next(&mut tx, part.lane, high, most, WINDOW_BYTES).await?;
            }
            part.cut(part.brake.window);
        }
        tx.commit().await?;
        Ok(())
    }

    /// Saves what changed; holes that have no bound get the id of the transaction that saves them.
    async fn save(&mut self) -> Result<bool, RelayError> {
        // A number that was passed and then found is sent without a change of the cursor.
        let changed =
            |part: &Part| part.cursor != part.saved || part.cursor.is_unbound() || !part.taken.is_empty();
        if !self.parts.iter().any(changed) {
            return Ok(false);
        }
        let save = store::begin_save(&self.db, self.holder, self.epoch).await?;
        let (mut tx, id) = save.ok_or(RelayError::LeaseLost)?;
        for part in self.parts.iter_mut().filter(|part| changed(part)) {
            part.cursor.bind(id);
            if !store::save(&mut tx, part.lane, &part.saved, &part.cursor, &part.taken).await? {
                return Err(RelayError::Moved);
            }
        }
        tx.commit().await?;
        for part in &mut self.parts {
            part.saved.clone_from(&part.cursor);
        }
        Ok(true)
    }
}

impl Part {
    fn new(lane: Lane, cursor: Cursor) -> Self {
        Self {
            lane,
            saved: cursor.clone(),
            cursor,
            late: Vec::new(),
            fresh: Vec::new(),
            taken: Vec::new(),
            brake: Brake::default(),
            round: None,
        }
    }

    fn len(&self) -> usize {
        self.late.len() + self.fresh.len()
    }

    fn cut(&mut self, to: usize) {
        self.late.truncate(to);
        self.fresh.truncate(to - self.late.len());
    }

    /// Writes into the cursor what was confirmed; `rows` are the lane's part of the window, late ones first.
    fn record(&mut self, rows: &[(i64, Fate)]) {
        let high = self.cursor.high();
        let mut advanced = Vec::with_capacity(rows.len());
        let mut unbroken = true;
        for (seq, fate) in rows {
            let taken = *fate == Fate::Taken;
            if *seq <= high {
                if taken {
                    self.cursor.sent(*seq);
                }
            } else if *fate != Fate::Deferred {
                // Go-back-N: behind the first that was refused everything is read again, in order. What was deferred becomes a
                // hole when a later one is passed.
                unbroken &= taken;
                if unbroken {
                    advanced.push(*seq);
                }
            }
        }
        self.cursor.advance(&advanced);
        self.taken = rows.iter().filter(|(_, fate)| *fate == Fate::Taken).map(|(seq, _)| *seq).collect();
        if rows.iter().any(|(_, fate)| *fate == Fate::Refused) {
            let pause = self.brake.refused();
            tracing::warn!(lane = self.lane.number(), ?pause, "the broker refuses events of a lane");
        } else if !rows.is_empty() {
            self.brake.flowing();
        }
    }
}

/// Cuts both lanes to one window, 4:1 while both have enough. Late events and fresh ones count alike.
fn share(parts: &mut [Part]) {
    let [interactive, bulk] = parts else { return };
    let for_bulk = bulk.len().min(BULK_SHARE.max(WINDOW.saturating_sub(interactive.len())));
    bulk.cut(for_bulk);
    interactive.cut(WINDOW - for_bulk);
}

#[cfg(test)]
mod tests;
