//! Removes for good what has lain in the trash longer than the retention, with what the change log keeps of it.
//!
//! Replicas may run it at once: they remove the same rows, and the second finds none.

mod store;

use std::collections::BTreeMap;
use std::time::Duration;

use auth::VerifiedTenant;
use db::{Db, DbError, TenantTx, WorkerDb};
use fleet::Role;
use ids::{Clock, TenantId};
use service::Rounds;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::env::named;
use crate::{Object, store as record_store};

/// Records of one round; what is left waits for the next one, which follows at once.
const BATCH: i64 = 500;
/// Rows of the change log removed in one transaction.
const CHANGES: i64 = 5_000;
/// After this long no answer is given again.
const ANSWERS_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// The purge.
#[derive(Clone, Debug)]
pub struct Purge {
    /// The service whose task it is.
    pub role: Role,
    /// Of these objects.
    pub objects: &'static [&'static Object],
    /// The app role's pool.
    pub db: Db,
    /// The worker role's pool.
    pub worker: WorkerDb,
    /// Says what is old.
    pub clock: Clock,
    /// How long the trash keeps.
    pub retention: Duration,
}

impl Rounds for Purge {
    type Error = DbError;

    fn task(&self) -> &'static str {
        self.role.names().purge
    }

    async fn step(&self) -> Result<bool, DbError> {
        Ok(self.round().await? >= BATCH as usize)
    }
}

impl Purge {
    /// Purges one batch; says how many records are gone.
    pub async fn round(&self) -> Result<usize, DbError> {
        let cutoff = self.clock.now_micros() - self.retention;
        let mut tx = self.worker.begin().await?;
        let due = store::due(&mut tx, cutoff, BATCH).await?;
        tx.commit().await?;
        let mut groups: BTreeMap<(Uuid, String), Vec<Uuid>> = BTreeMap::new();
        for (tenant, object, record) in due {
            groups.entry((tenant, object)).or_default().push(record);
        }
        let mut gone = 0;
        for ((tenant, object), records) in groups {
            // One that cannot be purged holds up no other's.
            match self.purge(TenantId::from(tenant), &object, &records, cutoff).await {
                Ok(purged) => gone += purged,
                Err(error) => {
                    tracing::warn!(tenant_id = %tenant, object, %error, "not purged; tried again later");
                }
            }
        }
        Ok(gone)
    }

    async fn purge(
        &self,
        tenant: TenantId,
        object: &str,
        records: &[Uuid],
        cutoff: OffsetDateTime,
    ) -> Result<usize, DbError> {
        let Some(object) = named(self.objects, object) else { return Ok(0) };
        loop {
            let mut tx = TenantTx::begin_job(&self.db, VerifiedTenant::from_claim(tenant)).await?;
            record_store::purge(&mut tx, object, records, cutoff).await?;
            // Those of an earlier try that broke off among their changes, too. Not those restored or deleted anew since:
            // then the list has changed as well.
            let gone = record_store::gone(&mut tx, object, records).await?;
            for side in object.sides {
                record_store::clear_side(&mut tx, side.clear, &gone).await?;
            }
            record_store::clear_uniques(&mut tx, &gone).await?;
            // An answer that is kept for a repeated call holds the record as well. All of them are older than its removal.
            let day_ago = self.clock.now_micros() - ANSWERS_KEPT;
            let answers = record_store::forget_answers(&mut tx, &gone, cutoff, day_ago, CHANGES).await?;
            // What stood in a record stands in its changes as well. A record may have any number of them; while some are
            // left it stays on the list.
            let more = record_store::forget_changes(&mut tx, object, &gone, CHANGES).await? || answers;
            if !more {
                record_store::remove_purge(&mut tx, object, &gone).await?;
            }
            tx.commit().await?;
            if more {
                continue;
            }
            if !gone.is_empty() {
                tracing::info!(tenant_id = %tenant, object = object.name, records = gone.len(), "purged from the trash");
            }
            return Ok(gone.len());
        }
    }
}
