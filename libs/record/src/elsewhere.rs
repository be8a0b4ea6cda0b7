//! What becomes of records of other services that records here name: deleted, they are named as such; restored, they are live
//! again; purged, they are named no longer.
//!
//! A consumer notes what it hears, a job brings the records here up to it, slice by slice. A record that is written meanwhile may
//! name what has just gone, for it was asked for before its transaction; so the job looks twice, at once and when no transaction of
//! that time is left.

mod store;

use std::sync::Arc;
use std::time::Duration;

use auth::VerifiedTenant;
use db::{Db, DbError, TenantTx, WorkerDb};
use events::{Delivery, Handler, HandlerError, Wake};
use fleet::Role;
use ids::Clock;
use service::Rounds;
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use super::Object;
use super::change::Author;
use super::follow::{Named, follow};
use store::{Heard, Place};

/// Changes of other records taken up in one round.
const BATCH: i64 = 50;
/// Records here brought up in one transaction.
const SLICE: usize = 200;
/// Slices of one change in a round: then the others have their turn.
const SLICES: usize = 5;
/// Longer than any transaction takes that was open when a change was heard of.
const SETTLED: Duration = Duration::from_secs(300);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(60);
/// How often the job looks when nothing wakes it: another instance may have heard.
const EVERY: Duration = Duration::from_secs(10);

/// What has become of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is out of the trash.
    Live,
    /// It is in the trash.
    Deleted,
    /// It is gone for good.
    Purged,
}

impl State {
    const ALL: [Self; 3] = [Self::Live, Self::Deleted, Self::Purged];

    /// What an event of this verb says; `None` of one that moves nothing.
    fn after(verb: &str) -> Option<Self> {
        match verb {
            "restored" => Some(Self::Live),
            "deleted" => Some(Self::Deleted),
            "purged" => Some(Self::Purged),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Deleted => "deleted",
            Self::Purged => "purged",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Notes what it hears, and wakes the job.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Says when it was heard.
    pub clock: Clock,
    /// The job's.
    pub heard: Arc<Notify>,
}

impl Handler for Listener {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        let event = &delivery.event;
        let Some(state) = State::after(event.verb()) else { return Ok(()) };
        let heard = Heard {
            object: event.object.clone(),
            record_id: event.record_id,
            version: event.version,
            state,
            actor: event.actor,
            at: self.clock.now_micros(),
            place: Place::default(),
        };
        store::note(tx, &heard).await?;
        // Before the commit; the job looks every few seconds by itself.
        self.heard.notify_one();
        Ok(())
    }
}

/// Brings records up to what was heard of those that they name.
#[derive(Clone, Debug)]
pub struct Follower {
    /// The service whose task it is.
    pub role: Role,
    /// Records of these objects.
    pub objects: &'static [&'static Object],
    /// The app role's pool.
    pub db: Db,
    /// The worker role's pool.
    pub worker: WorkerDb,
    /// Says what is due.
    pub clock: Clock,
    /// Wakes the relay.
    pub wake: Wake,
    /// The listener's.
    pub heard: Arc<Notify>,
}

impl Rounds for Follower {
    type Error = DbError;

    fn task(&self) -> &'static str {
        self.role.names().following
    }

    async fn step(&self) -> Result<bool, DbError> {
        Ok(self.round().await? > 0)
    }

    async fn rest(&self) {
        tokio::select! {
            () = self.heard.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

impl Follower {
    /// Takes up what is due, of every tenant in turn; says how many changes of other records that were.
    pub async fn round(&self) -> Result<usize, DbError> {
        let now = self.clock.now_micros();
        let mut tx = self.worker.begin().await?;
        let due = store::due(&mut tx, now, BATCH).await?;
        tx.commit().await?;
        for (tenant, heard) in &due {
            let tenant = VerifiedTenant::from_claim((*tenant).into());
            // One that cannot be taken up holds up no other.
            if let Err(error) = self.take_up(tenant, heard).await {
                tracing::warn!(tenant_id = %tenant.id(), object = heard.object, record_id = %heard.record_id, %error,
                    "records that name a record are not brought up to what became of it; tried again later");
                if let Err(error) = self.put_off(tenant, heard, now + PAUSE).await {
                    tracing::warn!(tenant_id = %tenant.id(), %error, "it stays due");
                }
            }
        }
        Ok(due.len())
    }

    async fn put_off(
        &self,
        tenant: VerifiedTenant,
        heard: &Heard,
        at: OffsetDateTime,
    ) -> Result<(), DbError> {
        let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
        store::put_off(&mut tx, heard, at, heard.place).await?;
        tx.commit().await
    }

    /// Brings up some slices of the records that name the record, each in a transaction of its own.
    async fn take_up(&self, tenant: VerifiedTenant, heard: &Heard) -> Result<(), DbError> {
        let mut place = heard.place;
        for _ in 0..SLICES {
            let holder = usize::try_from(place.holder).ok().and_then(|number| self.objects.get(number));
            let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
            // What was heard since begins anew.
            if !store::is_current(&mut tx, heard).await? {
                return tx.commit().await;
            }
            let Some(holder) = holder else {
                self.settle(&mut tx, heard).await?;
                return tx.commit().await;
            };
            let ids = [heard.record_id];
            let named = Named { object: &heard.object, ids: &ids, state: heard.state };
            // In the name of whoever moved the record that is named.
            let author = Author::of_job(self.role, &self.clock, heard.actor);
            let slice = follow(&mut tx, &author, holder, named, (place.after, SLICE)).await?;
            place = match slice.more {
                Some(after) => Place { after, ..place },
                None => Place { holder: place.holder + 1, after: Uuid::nil() },
            };
            store::advance(&mut tx, heard, place).await?;
            tx.commit().await?;
            self.wake.notify();
        }
        Ok(())
    }

    /// All have been brought up: once more when what was written meanwhile is committed, and then no more.
    async fn settle(&self, tx: &mut TenantTx, heard: &Heard) -> Result<(), DbError> {
        let settled = heard.at + SETTLED;
        if settled <= self.clock.now_micros() {
            return store::remove(tx, heard).await;
        }
        store::put_off(tx, heard, settled, Place::default()).await
    }
}
