//! What a relay does in a cycle: read what is due, publish it, record what was taken, save.

use std::future::Future;

use db::WorkerDb;
use uuid::Uuid;

use super::RelayError;
use super::part::Part;
use super::publish::Outcome;
use super::store::{self, Row};
use super::waves::{self, Fate};
use crate::{BrokerError, Lane};

/// Messages published and not yet confirmed, at most.
pub(super) const WINDOW: usize = 500;
/// Of these, what the bulk lane gets while the interactive one has more than enough.
const BULK_SHARE: usize = WINDOW / 5;
/// Bytes per lane and window, for late events and for fresh ones each.
pub(super) const WINDOW_BYTES: usize = 1 << 20;
/// Holes remembered per lane, and runs of what waits in them; beyond, the lane reads nothing new until some close.
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
        self.parts.iter().any(|part| part.brake.is_on())
    }

    /// Ends the pauses of refused lanes, for tests.
    pub(super) fn hurry(&mut self) {
        for part in &mut self.parts {
            part.brake.hurry();
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
        let (mut outbox, snapshot) = store::look(&self.db).await?;
        let saved = |part: &Part| (part.saved.high(), part.saved.low_watermark());
        if !self.parts.iter().map(saved).eq(snapshot.cursors.iter().copied()) {
            return Err(RelayError::Moved);
        }
        for part in self.parts.iter_mut().filter(|part| !part.brake.holds()) {
            part.read(&mut outbox, snapshot.xmin).await?;
        }
        outbox.end().await?;
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

/// Cuts both lanes to one window, 4:1 while both have enough. Late events and fresh ones count alike.
fn share(parts: &mut [Part]) {
    let [interactive, bulk] = parts else { return };
    let for_bulk = bulk.len().min(BULK_SHARE.max(WINDOW.saturating_sub(interactive.len())));
    bulk.cut(for_bulk);
    interactive.cut(WINDOW - for_bulk);
}

#[cfg(test)]
mod tests;
