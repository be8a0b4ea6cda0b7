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

/// Operations asked for at once.
const BATCH: i64 = 100;
/// Rows of each table removed in one transaction: an operation may have left some for each of a million rows.
const PIECE: i64 = 5_000;
/// Transactions that an operation gets in a pass; the rest waits for the next pass, which follows at once.
const PIECES: usize = 20;

/// What a pass has done.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    /// Operations that are gone.
    gone: usize,
    /// Some are being removed.
    more: bool,
}

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
        Ok(self.pass().await?.more)
    }
}

impl<K: Kept> Purge<K> {
    /// Removes a piece of every operation that is old enough; says how many operations are gone.
    pub async fn round(&self) -> Result<usize, DbError> {
        Ok(self.pass().await?.gone)
    }

    /// Looks at every operation that is old enough, a batch at a time. One that cannot be removed is left to a later pass and holds
    /// up no other, however many of them there are.
    async fn pass(&self) -> Result<Done, DbError> {
        let cutoff = self.clock.now_micros() - self.retention;
        let (mut pass, mut after) = (Done::default(), (OffsetDateTime::UNIX_EPOCH, Uuid::nil(), Uuid::nil()));
        loop {
            let mut tx = self.worker.begin().await?;
            let due = store::due(&mut tx, cutoff, after, BATCH).await?;
            tx.commit().await?;
            for (_, tenant, id) in &due {
                match self.purge((*tenant).into(), *id, cutoff).await {
                    Ok(Some(removed)) => pass.gone += usize::from(removed),
                    Ok(None) => pass.more = true,
                    Err(error) => {
                        tracing::warn!(tenant_id = %tenant, operation_id = %id, error = %error::chain(&error), "an old operation could not be removed; tried again later");
                    }
                }
            }
            match due.last() {
                Some(last) if due.len() as i64 == BATCH => after = *last,
                _ => return Ok(pass),
            }
        }
    }

    /// Removes one operation, its errors first and piece by piece. The first piece hides it, so that nobody takes what is
    /// left of its errors for all of them; the row goes last, so that what broke off is found again. Says whether it was there to be
    /// removed; `None` when a part of it is left.
    async fn purge(
        &self,
        tenant: TenantId,
        id: Uuid,
        cutoff: OffsetDateTime,
    ) -> Result<Option<bool>, DbError> {
        for _ in 0..PIECES {
            let mut tx = TenantTx::begin_job(&self.db, VerifiedTenant::from_claim(tenant)).await?;
            if !store::begin_purge(&mut tx, id, cutoff, self.clock.now_micros()).await? {
                return Ok(Some(false));
            }
            let mut more = store::delete_errors(&mut tx, id, PIECE).await?;
            more |= self.kept.forget(&mut tx, id, PIECE).await?;
            if !more {
                store::delete(&mut tx, id).await?;
            }
            tx.commit().await?;
            if !more {
                tracing::info!(tenant_id = %tenant, operation_id = %id, "an old operation was removed");
                return Ok(Some(true));
            }
        }
        Ok(None)
    }
}
