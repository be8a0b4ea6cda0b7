//! The relay's cycle by hand: for tests that decide when it looks, what the broker takes and when it dies.

use db::WorkerDb;
use uuid::Uuid;

use super::RelayError;
use super::lanes::{Lanes, Publish};
use super::publish::Outcome;
use super::store::{self, Row};
use crate::{BrokerError, Lane};

/// Holds the lease of a schema.
pub struct Steps {
    lanes: Lanes,
    waves: usize,
}

impl std::fmt::Debug for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Steps")
    }
}

/// What happens to an event that is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Confirmed.
    Taken,
    /// A queue was full.
    Refused,
    /// It arrived, and the relay dies before it hears of it.
    Died,
}

/// Decides by event, and counts the waves.
struct Broker<F>(F, usize);

impl<F: FnMut(Uuid) -> Fate + Send> Publish for Broker<F> {
    async fn publish(&mut self, wave: &[&(Lane, Row)]) -> Result<Outcome, RelayError> {
        self.1 += 1;
        let fates: Vec<Fate> = wave.iter().map(|(_, row)| (self.0)(row.event_id)).collect();
        if fates.contains(&Fate::Died) {
            return Err(BrokerError::Lost.into());
        }
        Ok(Outcome { taken: fates.iter().map(|fate| *fate == Fate::Taken).collect(), why: "full" })
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Steps {
    /// Takes the lease and reads the saved cursors, as a relay does that starts.
    pub async fn lead(db: WorkerDb, holder: Uuid) -> Result<Self, Failure> {
        let epoch = store::acquire(&db, holder).await?.ok_or("another relay has the lease")?;
        Ok(Self { lanes: Lanes::load(db, holder, epoch).await?, waves: 0 })
    }

    /// One cycle; gives how many events were taken. After an error the relay must be built again.
    pub async fn cycle(&mut self, broker: impl FnMut(Uuid) -> Fate + Send) -> Result<usize, Failure> {
        let mut broker = Broker(broker, 0);
        let turnover = self.lanes.cycle(&mut broker).await;
        self.waves = broker.1;
        Ok(turnover?.sent.len())
    }

    /// How often the last cycle has waited for confirms.
    pub fn waves(&self) -> usize {
        self.waves
    }

    /// Looks for events that were passed without being sent; gives how many.
    pub async fn reconcile(&mut self) -> Result<usize, Failure> {
        Ok(self.lanes.reconcile().await?.iter().map(|(_, events, _)| events).sum())
    }

    /// Ends every pause after a refusal.
    pub fn hurry(&mut self) {
        self.lanes.hurry();
    }
}
