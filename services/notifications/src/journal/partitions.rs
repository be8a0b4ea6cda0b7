//! The days of the journal: made ahead, and dropped when nobody may ask for them any more.

use db::{DbError, WorkerDb};
use service::Rounds;

use super::store;

/// The job. Instances may run it at once: what one has made the other finds.
#[derive(Clone, Debug)]
pub struct Partitions {
    /// The worker role's pool.
    pub worker: WorkerDb,
}

impl Rounds for Partitions {
    type Error = DbError;

    fn task(&self) -> &'static str {
        "notifications.partitions"
    }

    async fn step(&self) -> Result<bool, DbError> {
        let changed = self.round().await?;
        if changed > 0 {
            tracing::debug!(partitions = changed, "days of the journal made or dropped");
        }
        Ok(false)
    }
}

impl Partitions {
    /// Makes and drops what is due; gives how many.
    pub async fn round(&self) -> Result<i32, DbError> {
        store::maintain(&self.worker).await
    }
}
