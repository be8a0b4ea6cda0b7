//! Removes for good what has lain in the trash longer than the retention, with what the change log keeps of it. What named it names it
//! no longer, by a change like any other, and others learn of it by an event. Both are in the name of whoever put it into the trash.
//!
//! Replicas may run it at once: they remove the same rows, and the second finds none.

pub(crate) mod store;

use std::collections::BTreeMap;
use std::time::Duration;

use auth::VerifiedTenant;
use db::{Db, DbError, TenantTx, WorkerDb};
use events::{NewEvent, Wake};
use fleet::Role;
use ids::{Clock, TenantId};
use service::Rounds;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::change::{self, Author};
use crate::env::named;
use crate::follow::{Named, follow};
use crate::peer_records::State;
use crate::{Object, Record, store as record_store};

/// Records of one round; what is left waits for the next one, which follows at once.
const BATCH: i64 = 500;
/// Rows of the change log removed in one transaction.
const CHANGES: i64 = 5_000;
/// Records that name purged ones, changed in one transaction.
const SLICE: usize = 500;
/// After this long no answer is given again.
const ANSWERS_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// What holds to an object's records and is in no field of any record.
#[tonic::async_trait]
pub trait Ties: std::fmt::Debug + Send + Sync {
    /// Takes away at most `limit` pieces of what holds to records that are about to be purged, as a change of whatever held to them. Says
    /// whether there may be more.
    async fn untie(
        &self,
        tx: &mut TenantTx,
        author: &Author,
        ids: &[Uuid],
        limit: usize,
    ) -> Result<bool, DbError>;
}

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
    /// Wakes the relay.
    pub wake: Wake,
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
            let doomed = store::doomed(&mut tx, object, records, cutoff).await?;
            let ids: Vec<Uuid> = doomed.iter().map(|(id, _)| *id).collect();
            if self.let_go(&mut tx, object, &doomed).await? {
                // Whoever brought one back now would get it without a part of what named it.
                store::begin(&mut tx, object, &ids).await?;
                tx.commit().await?;
                self.wake.notify();
                continue;
            }
            let purged = store::purge(&mut tx, object, &ids).await?;
            // The event says that the record is gone, and nothing of what stood in it.
            let event = |(record, deleted_by): &(Record, Uuid)| {
                let author = Author::of_job(self.role, &self.clock, *deleted_by);
                change::event(&author, object, "purged", record, &[])
            };
            let events: Vec<NewEvent> = purged.iter().map(event).collect();
            events::outbox::append_many(&mut tx, &events).await?;
            // Those of an earlier try that broke off among their changes, too. Not those restored or deleted anew since:
            // then the list has changed as well.
            let gone = store::gone(&mut tx, object, records).await?;
            for side in object.sides {
                record_store::clear_side(&mut tx, side.clear, &gone).await?;
            }
            record_store::clear_uniques(&mut tx, &gone).await?;
            // An answer that is kept for a repeated call holds the record as well. All of them are older than its removal.
            let day_ago = self.clock.now_micros() - ANSWERS_KEPT;
            let answers = store::forget_answers(&mut tx, &gone, cutoff, day_ago, CHANGES).await?;
            // What stood in a record stands in its changes as well. A record may have any number of them; while some are
            // left it stays on the list.
            let more = store::forget_changes(&mut tx, object, &gone, CHANGES).await? || answers;
            if !more {
                record_store::remove_purge(&mut tx, object, &gone).await?;
            }
            tx.commit().await?;
            self.wake.notify();
            if more {
                continue;
            }
            if !gone.is_empty() {
                tracing::info!(tenant_id = %tenant, object = object.name, records = gone.len(), "purged from the trash");
            }
            return Ok(gone.len());
        }
    }

    /// Takes away a slice of what names records that are about to be purged; says whether there may be more.
    async fn let_go(
        &self,
        tx: &mut TenantTx,
        object: &'static Object,
        doomed: &[(Uuid, Uuid)],
    ) -> Result<bool, DbError> {
        let mut by_actor: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        for (id, deleted_by) in doomed {
            by_actor.entry(*deleted_by).or_default().push(*id);
        }
        for (actor, ids) in by_actor {
            let author = Author::of_job(self.role, &self.clock, actor);
            let named = Named { object: object.name, ids: &ids, state: State::Purged };
            for holder in self.objects {
                let mut after = Some(Uuid::nil());
                while let Some(id) = after {
                    let slice = follow(tx, &author, holder, named, (id, SLICE)).await?;
                    if slice.changed > 0 && slice.more.is_some() {
                        return Ok(true);
                    }
                    after = slice.more;
                }
            }
            if let Some(ties) = object.ties
                && ties.untie(tx, &author, &ids, SLICE).await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
