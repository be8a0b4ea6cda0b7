//! Turns for statements that look at many rows: one at a time for each tenant, while callers of other tenants come in numbers.

use std::time::Duration;

use auth::VerifiedTenant;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::shares::Place;
use crate::{Db, DbError};

/// The longest rest after a turn.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// How long a caller waits for its turn when its call has no deadline.
const PATIENCE: Duration = Duration::from_secs(10);
/// Turns of all tenants: more than there can be, as one tenant's turns are nobody else's business.
pub(crate) const TURNS: usize = 1 << 20;

/// A turn. It is given back when as much time has passed without it as with it, so that half of the time is left to others.
#[derive(Debug)]
pub struct LongTurn {
    place: Option<Place>,
    since: Instant,
}

impl Db {
    /// Waits for the tenant's turn, until the call's deadline. `None` while few others come ([`Db::others_come`]):
    /// then there is no need to take turns.
    ///
    /// To be called without a transaction: whoever waits for a turn must not keep a connection from others of the tenant.
    pub async fn long_turn(&self, tenant: VerifiedTenant) -> Result<Option<LongTurn>, DbError> {
        if !self.others_come(tenant) {
            return Ok(None);
        }
        let patience = host::deadline::remaining().unwrap_or(PATIENCE);
        let place = self.long.take(tenant.id().uuid(), patience).await.map_err(|_| DbError::Busy)?;
        Ok(Some(LongTurn { place: Some(place), since: Instant::now() }))
    }
}

impl Drop for LongTurn {
    fn drop(&mut self) {
        let rest = self.since.elapsed().min(LONGEST_REST);
        if let (Some(place), Ok(runtime)) = (self.place.take(), Handle::try_current()) {
            // Bounded by the rest, and holds nothing that others wait for.
            drop(runtime.spawn(async move {
                tokio::time::sleep(rest).await;
                drop(place);
            }));
        }
    }
}
