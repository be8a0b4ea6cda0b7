//! Removes operations that were over long ago, with the errors of their rows.
//!
//! Replicas may run it at once: the row of an operation lets one of them at it.

mod store;

use std::time::Duration;

use auth::VerifiedTenant;
use db::{Db, DbError, TenantTx, WorkerDb};
use fleet::Role;
use ids::{Clock, TenantId};
use service::Rounds;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Kept;

/// Operations of one round; what is left waits for the next one, which follows at once.
const BATCH: i64 = 100;
/// Rows of each table removed in one transaction: an operation may have left some for each of a million rows.
const PIECE: i64 = 5_000;

/// The removal of old operations, and of what their service keeps for them.
#[derive(Clone, Debug)]
pub struct Purge<K> {
    /// The service whose task it is.
    pub role: Role,
    /// The app role's pool.
    pub db: Db,
    /// The worker role's pool.
    pub worker: WorkerDb,
    /// Says what is old.
    pub clock: Clock,
    /// How long operations that are over are kept.
    pub retention: Duration,
    /// What the service keeps for its operations.
    pub kept: K,
}

impl<K: Kept> Rounds for Purge<K> {
    type Error = DbError;

    fn task(&self) -> &'static str {
        self.role.names().operations
    }

    async fn step(&self) -> Result<bool, DbError> {
        Ok(self.round().await? as i64 == BATCH)
    }
}

impl<K: Kept> Purge<K> {
    /// Removes one batch; says how many operations are gone. One that cannot be removed holds up no other of its batch.
    pub async fn round(&self) -> Result<usize, DbError> {
        let cutoff = self.clock.now_micros() - self.retention;
        let mut tx = self.worker.begin().await?;
        let due = store::due(&mut tx, cutoff, BATCH).await?;
        tx.commit().await?;
        let mut gone = 0;
        for (tenant, id) in due {
            match self.purge(tenant.into(), id, cutoff).await {
                Ok(removed) => gone += usize::from(removed),
                Err(error) => {
                    tracing::warn!(tenant_id = %tenant, operation_id = %id, %error, "an old operation could not be removed; tried again later");
                }
            }
        }
        Ok(gone)
    }

    /// Removes one operation, its errors first and piece by piece. The first piece hides it, so that nobody takes what is
    /// left of its errors for all of them; the row goes last, so that what broke off is found again.
    async fn purge(&self, tenant: TenantId, id: Uuid, cutoff: OffsetDateTime) -> Result<bool, DbError> {
        loop {
            let mut tx = TenantTx::begin_job(&self.db, VerifiedTenant::from_claim(tenant)).await?;
            if !store::begin_purge(&mut tx, id, cutoff, self.clock.now_micros()).await? {
                return Ok(false);
            }
            let mut more = store::delete_errors(&mut tx, id, PIECE).await?;
            more |= self.kept.forget(&mut tx, id, PIECE).await?;
            if !more {
                store::delete(&mut tx, id).await?;
            }
            tx.commit().await?;
            if !more {
                tracing::info!(tenant_id = %tenant, operation_id = %id, "an old operation was removed");
                return Ok(true);
            }
        }
    }
}
