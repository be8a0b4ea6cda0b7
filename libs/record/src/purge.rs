//! Removes for good the records that have been in the trash for longer than the retention, along with their rows of the change log.
//! Whatever referred to such a record stops doing so by an ordinary change, and an event tells others that the record is gone. Both
//! are made in the name of whoever deleted it.
//!
//! Tenants take turns: in a pass, each has a slice of every object purged, however much is due. Records are purged together; if
//! that fails, they are purged one by one, and one that fails alone is put off for longer and longer.
//!
//! Replicas may run it at once: they remove the same rows, and the second finds none.

mod detach;
pub(crate) mod store;

use std::collections::VecDeque;
use std::time::Duration;

use auth::VerifiedTenant;
use db::{Db, DbError, TenantTx, WorkerDb};
use events::{NewEvent, Wake};
use fleet::Role;
use ids::Clock;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use service::Rounds;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::change::{self, Author};
use crate::env::named;
use crate::{Object, Record, store as record_store};
use detach::{Detaching, Place};

pub use detach::Ties;

/// Lists of work read at once, each of an object of a tenant.
const LISTS: i64 = 200;
/// Records of one list purged in a pass; the rest waits for the next pass, which follows at once.
const SLICE: i64 = 50;
/// Transactions that a list gets in a pass.
const TRANSACTIONS: usize = 100;
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
    /// Wakes the relay.
    pub wake: Wake,
    /// How long records are kept in the trash.
    pub retention: Duration,
}

/// What was done of some lists of work.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    /// Records that are gone.
    gone: usize,
    /// There is more to do at once.
    more: bool,
}

impl Rounds for Purge {
    type Error = DbError;

    fn task(&self) -> &'static str {
        self.role.names().purge
    }

    async fn step(&self) -> Result<bool, DbError> {
        Ok(self.pass().await?.more)
    }
}

impl Purge {
    /// Purges a slice of every list; says how many records are gone.
    pub async fn round(&self) -> Result<usize, DbError> {
        Ok(self.pass().await?.gone)
    }

    async fn pass(&self) -> Result<Done, DbError> {
        let cutoff = self.clock.now_micros() - self.retention;
        let (mut pass, mut after) = (Done::default(), (Uuid::nil(), String::new()));
        loop {
            let mut tx = self.worker.begin().await?;
            let lists = store::lists(&mut tx, &after, cutoff, LISTS).await?;
            tx.commit().await?;
            for list in lists.iter().filter(|list| list.is_due) {
                // A list that fails as a whole holds up no other.
                match self.turn(list, cutoff).await {
                    Ok(done) => pass = Done { gone: pass.gone + done.gone, more: pass.more | done.more },
                    Err(error) => {
                        let (tenant_id, object) = (list.tenant_id, &list.object);
                        tracing::warn!(%tenant_id, object, error = %error::chain(&error), "nothing is purged; tried again later");
                    }
                }
            }
            match lists.last() {
                Some(last) if lists.len() as i64 == LISTS => after = (last.tenant_id, last.object.clone()),
                _ => return Ok(pass),
            }
        }
    }

    /// Purges a slice of a list.
    async fn turn(&self, list: &store::List, cutoff: OffsetDateTime) -> Result<Done, DbError> {
        let tenant = VerifiedTenant::from_claim(list.tenant_id.into());
        let Some(object) = named(self.objects, &list.object) else {
            let (tenant_id, object) = (tenant.id(), &list.object);
            tracing::warn!(%tenant_id, object, "records of an unknown object wait for a version that knows it");
            return Ok(Done::default());
        };
        let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
        let due = store::due(&mut tx, object, cutoff, SLICE).await?;
        tx.commit().await?;
        let mut done = Done { gone: 0, more: due.len() as i64 == SLICE };
        let (failed, fresh): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, attempts)| *attempts > 0);
        let ids = |due: Vec<(Uuid, i32)>| due.into_iter().map(|(id, _)| id);
        let mut tries: VecDeque<Vec<Uuid>> = ids(failed).map(|id| vec![id]).collect();
        if !fresh.is_empty() {
            tries.push_front(ids(fresh).collect());
        }
        let mut transactions = TRANSACTIONS;
        while let Some(records) = tries.pop_front() {
            match self.purge(tenant, object, &records, cutoff, &mut transactions).await {
                Ok(Some(gone)) => done.gone += gone,
                Ok(None) => {
                    done.more = true;
                    break;
                }
                Err(error) => {
                    self.failed(tenant, object, &records, cutoff, error).await?;
                    if records.len() > 1 {
                        tries.extend(records.into_iter().map(|id| vec![id]));
                    }
                }
            }
        }
        Ok(done)
    }

    /// Notes that a purge has failed: several records are tried one by one, a single one is put off.
    async fn failed(
        &self,
        tenant: VerifiedTenant,
        object: &Object,
        records: &[Uuid],
        cutoff: OffsetDateTime,
        error: DbError,
    ) -> Result<(), DbError> {
        let tenant_id = tenant.id();
        let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
        if let [record_id] = records {
            store::put_off(&mut tx, object, records, cutoff).await?;
            tracing::warn!(%tenant_id, object = object.name, %record_id, error = %error::chain(&error), "a record cannot be purged; put off");
            counter().add(1, &[KeyValue::new("object", object.name)]);
        } else {
            store::count_attempt(&mut tx, object, records).await?;
            let records = records.len();
            tracing::warn!(%tenant_id, object = object.name, records, error = %error::chain(&error), "not purged together; tried one by one");
        }
        tx.commit().await
    }

    /// Purges records of one object; says how many are gone, `None` when the transactions did not suffice.
    async fn purge(
        &self,
        tenant: VerifiedTenant,
        object: &'static Object,
        records: &[Uuid],
        cutoff: OffsetDateTime,
        transactions: &mut usize,
    ) -> Result<Option<usize>, DbError> {
        let mut place = Place::default();
        while *transactions > 0 {
            *transactions -= 1;
            let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
            let doomed = store::doomed(&mut tx, object, records, cutoff).await?;
            let ids: Vec<Uuid> = doomed.iter().map(|(id, _)| *id).collect();
            let detaching = Detaching { purge: self, object, doomed: &doomed };
            if detaching.step(&mut tx, &mut place).await? {
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
            let gone = self.forget(&mut tx, object, records, cutoff).await?;
            tx.commit().await?;
            self.wake.notify();
            if let Some(gone) = gone {
                tracing::info!(tenant_id = %tenant.id(), object = object.name, records = gone, "purged from the trash");
                return Ok(Some(gone));
            }
        }
        Ok(None)
    }

    /// Removes a piece of what is kept of those of the records that are gone, and takes them off the list with the last piece. Says
    /// how many there are then.
    async fn forget(
        &self,
        tx: &mut TenantTx,
        object: &Object,
        records: &[Uuid],
        cutoff: OffsetDateTime,
    ) -> Result<Option<usize>, DbError> {
        // Those of an earlier try that broke off among their changes, too.
        let gone = store::gone(tx, object, records).await?;
        for side in object.sides {
            record_store::clear_side(tx, side.clear, &gone).await?;
        }
        record_store::clear_uniques(tx, &gone).await?;
        // An answer that is kept for a repeated call holds the record as well. All of them are older than its removal.
        let day_ago = self.clock.now_micros() - ANSWERS_KEPT;
        let answers = store::forget_answers(tx, &gone, cutoff, day_ago, CHANGES).await?;
        // What stood in a record stands in its changes as well. A record may have any number of them; while some are left it
        // stays on the list.
        if store::forget_changes(tx, object, &gone, CHANGES).await? || answers {
            return Ok(None);
        }
        record_store::remove_purge(tx, object, &gone).await?;
        // A record restored or deleted anew since has left the list, or counts from later. Any other one is on it by mistake, and
        // would stay at its head.
        let left: Vec<Uuid> = records.iter().copied().filter(|id| !gone.contains(id)).collect();
        if store::put_off(tx, object, &left, cutoff).await? > 0 {
            tracing::warn!(tenant_id = %tx.tenant_id(), object = object.name, "records due for the purge were not deleted so long ago");
        }
        Ok(Some(gone.len()))
    }
}

fn counter() -> Counter<u64> {
    opentelemetry::global::meter("globcrm.records")
        .u64_counter("globcrm.records.purge_put_off")
        .with_unit("{record}")
        .with_description("Records that could not be purged and were put off")
        .build()
}
