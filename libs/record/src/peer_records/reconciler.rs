//! Applies the states of other services' records to the records here that name them.

use std::sync::Arc;
use std::time::Duration;

use auth::VerifiedTenant;
use db::{Db, DbError, TenantTx, WorkerDb};
use events::Wake;
use fleet::Role;
use ids::Clock;
use service::Rounds;
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use super::State;
use super::store::{self, Batch, Progress};
use crate::Object;
use crate::change::Author;
use crate::follow::{Named, follow};

/// Tenants listed by one statement.
const TENANTS: i32 = 200;
/// Records of other services in one batch.
const BATCH: i64 = 500;
/// Records here that are changed in one transaction.
const SLICE: usize = 200;
/// Such transactions in one turn of a tenant.
const SLICES: usize = 5;
/// After a failure.
const PAUSE: Duration = Duration::from_secs(60);
/// Rows that are forgotten in one round.
const FORGOTTEN: i64 = 1_000;
/// How often the job looks when nothing wakes it: another instance may have heard.
const EVERY: Duration = Duration::from_secs(10);

/// The job that applies what the [`super::Listener`] has stored.
#[derive(Clone, Debug)]
pub struct Reconciler {
    /// The service whose task it is.
    pub role: Role,
    /// The objects whose records name those of other services.
    pub objects: &'static [&'static Object],
    /// The app role's pool.
    pub db: Db,
    /// The worker role's pool.
    pub worker: WorkerDb,
    /// Decides what is due.
    pub clock: Clock,
    /// Wakes the relay.
    pub wake: Wake,
    /// Notified by the listener.
    pub heard: Arc<Notify>,
}

impl Rounds for Reconciler {
    type Error = DbError;

    fn task(&self) -> &'static str {
        self.role.names().reconcile
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

impl Reconciler {
    /// Gives every tenant that has due work one turn; returns the number of batches processed.
    pub async fn round(&self) -> Result<usize, DbError> {
        let now = self.clock.now_micros();
        let (mut processed, mut after) = (0, Some(Uuid::nil()));
        while let Some(last) = after {
            let mut tx = self.worker.begin().await?;
            let tenants = store::tenants(&mut tx, now, last, TENANTS).await?;
            tx.commit().await?;
            for tenant in tenants.due {
                let tenant = VerifiedTenant::from_claim(tenant.into());
                // A tenant that cannot be served holds up no other.
                processed += self.turn(tenant, now).await.unwrap_or_else(|error| {
                    tracing::warn!(tenant_id = %tenant.id(), error = %error::chain(&error), "references are not reconciled; tried again later");
                    0
                });
            }
            after = tenants.more;
        }
        let mut tx = self.worker.begin().await?;
        store::forget(&mut tx, FORGOTTEN).await?;
        tx.commit().await?;
        Ok(processed)
    }

    /// Processes some batches of a tenant, each in a transaction of its own.
    async fn turn(&self, tenant: VerifiedTenant, now: OffsetDateTime) -> Result<usize, DbError> {
        for processed in 0..SLICES {
            let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
            let Some(batch) = store::claim(&mut tx, now, BATCH).await? else {
                tx.commit().await?;
                return Ok(processed);
            };
            let applied = match self.apply(&mut tx, &batch).await {
                Ok(()) => tx.commit().await,
                Err(error) => {
                    drop(tx);
                    Err(error)
                }
            };
            match applied {
                Ok(()) => self.wake.notify(),
                Err(error) => self.postpone(tenant, &batch, now, &error).await?,
            }
        }
        Ok(SLICES)
    }

    /// Applies a batch to the next slice of the records that name one of its records.
    async fn apply(&self, tx: &mut TenantTx, batch: &Batch) -> Result<(), DbError> {
        let Progress { holder, after } = batch.progress;
        let number = usize::try_from(holder).ok();
        let mut next = None;
        if let Some(object) = number.and_then(|number| self.objects.get(number)) {
            let named = Named { object: &batch.object, ids: &batch.ids, state: batch.state };
            // In the name of whoever changed the state.
            let author = Author::of_job(self.role, &self.clock, batch.actor);
            let slice = follow(tx, &author, object, named, (after, SLICE)).await?;
            if batch.state == State::Deleted && !slice.named.is_empty() {
                store::mark_named(tx, batch, &Vec::from_iter(slice.named)).await?;
            }
            next = Some(match slice.more {
                Some(after) => Progress { holder, after },
                None => Progress { holder: holder + 1, after: Uuid::nil() },
            });
        }
        let is_left = |next: &Progress| usize::try_from(next.holder).is_ok_and(|n| n < self.objects.len());
        match next.filter(is_left) {
            Some(next) => store::advance(tx, batch, next).await,
            None if !batch.is_last => store::schedule_last(tx, batch, super::SETTLED).await,
            None => {
                store::complete(tx, batch).await?;
                // See the module: no older event can do harm to what nothing names.
                match batch.state {
                    State::Live => Ok(()),
                    State::Deleted => store::remove(tx, batch, true).await,
                    State::Purged => store::remove(tx, batch, false).await,
                }
            }
        }
    }

    /// Puts off a batch that failed. From then on each of its records is processed by itself, so that one of them holds up no
    /// other.
    async fn postpone(
        &self,
        tenant: VerifiedTenant,
        batch: &Batch,
        now: OffsetDateTime,
        error: &DbError,
    ) -> Result<(), DbError> {
        let (records, first) = (batch.ids.len(), batch.ids.first());
        tracing::warn!(tenant_id = %tenant.id(), object = batch.object, records, ?first, error = %error::chain(&error),
            "the state of records is not applied to those that name them; tried again later");
        let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
        store::postpone(&mut tx, batch, now + PAUSE).await?;
        tx.commit().await
    }
}
