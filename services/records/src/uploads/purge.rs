//! Removes uploads that nobody imports any more, their content when no other upload has it, and what broken uploads left.
//!
//! Replicas may run it at once: each takes the uploads that the others do not hold.

mod store;

use std::time::{Duration, SystemTime};

use auth::VerifiedTenant;
use blobs::{BlobError, Blobs};
use db::{Db, DbError, TenantTx, WorkerDb};
use ids::{Clock, TenantId};
use service::Rounds;
use time::OffsetDateTime;
use uuid::Uuid;

use super::store as upload_store;

/// Uploads asked for at once.
const BATCH: i64 = 200;
/// Leftovers removed in one round.
const LEFTOVERS: usize = 1_000;
/// An upload that nobody has written to for so long was broken off: none may take longer than a minute.
const LEFT_AFTER: Duration = Duration::from_secs(86_400);
/// The removal of an object holds a transaction open, so it may not take longer.
const DELETE_DEADLINE: Duration = Duration::from_secs(10);

/// The removal of old uploads.
#[derive(Clone, Debug)]
pub struct UploadPurge {
    /// The app role's pool.
    pub db: Db,
    /// The worker role's pool.
    pub worker: WorkerDb,
    /// Says what is old.
    pub clock: Clock,
    /// Where the bytes are.
    pub blobs: Blobs,
    /// How long uploads are kept.
    pub retention: Duration,
}

/// Why an upload stays for now.
#[derive(Debug, thiserror::Error)]
enum Kept {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("the object store did not remove it in time")]
    Slow,
}

impl Rounds for UploadPurge {
    type Error = DbError;

    fn task(&self) -> &'static str {
        "records.uploads"
    }

    async fn step(&self) -> Result<bool, DbError> {
        self.round().await?;
        self.sweep().await;
        Ok(false)
    }
}

impl UploadPurge {
    /// Looks at every upload that is old enough, a batch at a time; says how many are gone. One that cannot be removed is left
    /// to a later round and holds up no other.
    pub async fn round(&self) -> Result<usize, DbError> {
        let cutoff = self.clock.now_micros() - self.retention;
        let (mut after, mut gone) = (store::Place::default(), 0);
        loop {
            let mut tx = self.worker.begin().await?;
            let due = store::due(&mut tx, cutoff, after, BATCH).await?;
            tx.commit().await?;
            for place in &due {
                match self.purge(place.tenant_id.into(), place.id, cutoff).await {
                    Ok(removed) => gone += usize::from(removed),
                    Err(error) => {
                        let tenant = place.tenant_id;
                        tracing::warn!(tenant_id = %tenant, upload_id = %place.id, error = %error::chain(&error), "an upload is still there");
                    }
                }
            }
            match due.last() {
                Some(last) if due.len() as i64 == BATCH => after = *last,
                _ => return Ok(gone),
            }
        }
    }

    /// Removes one upload that is not in use. The object goes first and the row last, in the transaction that holds the
    /// content's lock: whenever it breaks off, the row is still there to be found again, and the second removal of the
    /// object is none. The other way round the object would stay for ever.
    async fn purge(&self, tenant: TenantId, id: Uuid, cutoff: OffsetDateTime) -> Result<bool, Kept> {
        let mut tx = TenantTx::begin_job(&self.db, VerifiedTenant::from_claim(tenant)).await?;
        let Some(sha256) = upload_store::to_remove(&mut tx, id, cutoff).await? else { return Ok(false) };
        if upload_store::is_in_use(&mut tx, id).await? {
            return Ok(false);
        }
        upload_store::lock_content(&mut tx, &sha256).await?;
        if !upload_store::is_shared(&mut tx, id, &sha256).await? {
            let removed = tokio::time::timeout(DELETE_DEADLINE, self.blobs.delete(tenant, &sha256)).await;
            removed.map_err(|_| Kept::Slow)??;
        }
        upload_store::delete(&mut tx, id).await?;
        tx.commit().await?;
        tracing::info!(tenant_id = %tenant, upload_id = %id, "an old upload was removed");
        Ok(true)
    }

    /// Removes what uploads left that were broken off by the end of their process; says how many objects are gone.
    pub async fn sweep(&self) -> usize {
        let before = SystemTime::from(self.clock.now() - LEFT_AFTER);
        match self.blobs.sweep(before, LEFTOVERS).await {
            Ok(0) => 0,
            Ok(gone) => {
                tracing::info!(objects = gone, "leftovers of broken uploads were removed");
                gone
            }
            Err(error) => {
                tracing::warn!(error = %error::chain(&error), "leftovers of broken uploads are still there");
                0
            }
        }
    }
}
