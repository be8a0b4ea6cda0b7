//! A lease on an operation: claimed -> held -> checkpoint, and again until it is over.
//!
//! A claim holds for [`CLAIM`] unless it is renewed. Its number fences: whoever works on after another has claimed the operation
//! can neither hold nor end it.

mod store;

use auth::VerifiedTenant;
use db::{DbError, TenantTx};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{Env, Failure, Kept, RowError, Stop};

/// How long a claim holds without being renewed.
pub(crate) const CLAIM: Duration = Duration::seconds(5);
/// How often a claim is renewed while something else than a batch takes its time.
const RENEW: std::time::Duration = std::time::Duration::from_millis(1_500);
/// Claims without a batch done after which an operation is given up: so often it was taken up again, every few seconds.
const MAX_CLAIMS: i64 = 2_000;
/// Rows of what a kind keeps that are removed in one transaction.
const FORGOTTEN: i64 = 5_000;
/// Pieces of them that are removed at the end of an operation: others wait for their turn.
const PIECES: usize = 4;

/// A claimed operation.
#[derive(Clone, Debug)]
pub struct Claim {
    tenant_id: Uuid,
    /// The operation.
    pub id: Uuid,
    /// Which work it is.
    pub kind: String,
    /// Whose it is, and on whose permissions it runs.
    pub principal_id: Uuid,
    /// What was asked for, as it was queued.
    pub request: Vec<u8>,
    number: i64,
    /// Claims since the last batch that was done, this one with them.
    attempts: i64,
    /// Who has claimed it.
    worker: Uuid,
    /// Records made so far.
    pub created: i64,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// Rows that are done and need not be read again.
    pub done: i64,
}

impl FromRow<'_, PgRow> for Claim {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            tenant_id: row.try_get("tenant_id")?,
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            principal_id: row.try_get("principal_id")?,
            request: row.try_get("request")?,
            number: row.try_get("claim_number")?,
            attempts: row.try_get("attempts")?,
            worker: Uuid::nil(),
            created: row.try_get("created")?,
            created_at: row.try_get("created_at")?,
            done: row.try_get("done")?,
        })
    }
}

/// What a batch adds to its operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that need not be read again.
    pub done: i64,
    /// Records that were made.
    pub created: i64,
    /// Records that were changed.
    pub updated: i64,
    /// Rows that asked for nothing.
    pub skipped: i64,
    /// Rows that were refused.
    pub failed: i64,
    /// Errors of rows that are kept, their bytes, and those that are not.
    pub errors_kept: i64,
    /// Bytes of the errors that are kept.
    pub error_bytes: i64,
    /// Errors that are not kept.
    pub errors_omitted: i64,
}

/// A claimed operation under its lock, until the transaction ends.
#[derive(Clone, Copy, Debug)]
pub struct Held<'c> {
    claim: &'c Claim,
    /// Its owner wants it to stop.
    pub cancelled: bool,
    /// Errors of rows that it has kept, and their bytes.
    pub errors: (i64, i64),
}

impl Claim {
    /// Claims an operation of these kinds that nobody works on, of the tenant that has waited longest; of its own the oldest.
    pub(crate) async fn next(env: &Env, worker: Uuid, kinds: &[&str]) -> Result<Option<Self>, DbError> {
        let mut tx = env.worker.begin().await?;
        let claim = store::claim(&mut tx, worker, kinds, env.clock.now_micros()).await?;
        tx.commit().await?;
        Ok(claim)
    }

    /// Open operations of kinds that the service does not have, by kind, counted up to `most`.
    pub(crate) async fn strangers(env: &Env, most: i64) -> Result<Vec<(String, i64)>, DbError> {
        let mut tx = env.worker.begin().await?;
        let strangers = store::strangers(&mut tx, env.kinds, most).await?;
        tx.commit().await?;
        Ok(strangers)
    }

    /// Open operations of these kinds by kind and state: how many, counted up to `most`, and when the oldest was asked for.
    pub(crate) async fn open(
        env: &Env,
        kinds: &[&str],
        most: i64,
    ) -> Result<Vec<(String, String, i64, OffsetDateTime)>, DbError> {
        let mut tx = env.worker.begin().await?;
        let open = store::open(&mut tx, kinds, most).await?;
        tx.commit().await?;
        Ok(open)
    }

    /// The tenant whose operation it is.
    pub fn tenant(&self) -> VerifiedTenant {
        VerifiedTenant::from_claim(self.tenant_id.into())
    }

    /// Whether it has been taken up too often without coming any further.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.attempts > MAX_CLAIMS
    }

    /// Locks the operation; `None`: the claim was lost. No statement of the transaction waits or works for longer than `longest`
    /// milliseconds.
    pub async fn hold(&self, tx: &mut TenantTx, longest: i32) -> Result<Option<Held<'_>>, DbError> {
        store::hold(tx, self, longest).await
    }

    /// Notes how many rows there are.
    pub async fn set_total(&self, tx: &mut TenantTx, total: i64) -> Result<(), DbError> {
        store::set_total(tx, self, total).await
    }

    /// Does `work` with the claim renewed meanwhile: else what takes longer than a claim holds would go from worker to worker and
    /// never come to its first batch.
    pub async fn renewed<T>(&self, env: &Env, work: impl Future<Output = T>) -> Result<T, Stop> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                () = tokio::time::sleep(RENEW) => {}
            }
            let mut tx = TenantTx::begin_job(&env.db, self.tenant()).await?;
            let ours = store::renew(&mut tx, self, env.clock.now_micros()).await?;
            tx.commit().await?;
            if !ours {
                return Err(Stop::Over);
            }
        }
    }

    /// Ends the operation, if it is still claimed. What it failed for, and the line at which it failed, are its errors.
    pub(crate) async fn finish(&self, env: &Env, ended: Result<(), Failure>) -> Result<(), DbError> {
        let mut tx = TenantTx::begin_job(&env.db, self.tenant()).await?;
        let now = env.clock.now_micros();
        match ended {
            Ok(()) => {
                store::finish(&mut tx, self, "succeeded", None, now).await?;
            }
            Err(failure) => {
                let word = failure.reason.as_str();
                let finished = store::finish(&mut tx, self, "failed", Some(word), now).await?;
                let errors = failure.row_errors();
                if finished && !errors.is_empty() {
                    store::add_errors(&mut tx, self.id, &errors).await?;
                    store::count_errors(&mut tx, self.id, errors.len() as i64).await?;
                }
            }
        }
        tx.commit().await
    }

    /// Removes the first pieces of what the kind keeps, if the operation is over. What stays goes with the operation.
    pub(crate) async fn forget(&self, env: &Env, kept: &impl Kept) -> Result<(), DbError> {
        for _ in 0..PIECES {
            let mut tx = TenantTx::begin_job(&env.db, self.tenant()).await?;
            let more =
                store::is_over(&mut tx, self.id).await? && kept.forget(&mut tx, self.id, FORGOTTEN).await?;
            tx.commit().await?;
            if !more {
                break;
            }
        }
        Ok(())
    }
}

impl Held<'_> {
    /// Adds what a batch did and gives the turn back: for a while to the same worker, then to anybody.
    pub async fn checkpoint(
        &self,
        tx: &mut TenantTx,
        tally: Tally,
        now: OffsetDateTime,
    ) -> Result<(), DbError> {
        store::checkpoint(tx, self.claim, tally, now).await
    }

    /// Adds errors of rows.
    pub async fn add_errors(&self, tx: &mut TenantTx, errors: &[RowError]) -> Result<(), DbError> {
        store::add_errors(tx, self.claim.id, errors).await
    }

    /// Ends the operation, as its owner wants.
    pub async fn cancel(&self, tx: &mut TenantTx, now: OffsetDateTime) -> Result<(), DbError> {
        store::finish(tx, self.claim, "cancelled", None, now).await.map(drop)
    }
}
