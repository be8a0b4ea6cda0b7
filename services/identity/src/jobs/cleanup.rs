//! Removes what has expired: sessions, refresh tokens, invitations, password resets, kept answers, throttle entries.
//!
//! It goes from tenant to tenant and needs no right across tenants. A minute's work is a slice: all throttle entries that are
//! forgotten, and so many tenants that all have had their turn in a day. The instances share one cursor, so each tenant has one
//! turn; two at one tenant do no harm, for each skips the rows that the other holds.

use std::sync::Arc;
use std::time::Duration;

use auth::VerifiedTenant;
use db::{Db, DbError, TenantTx};
use service::Rounds;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::store;
use crate::app::App;
use crate::directory;

/// Rows are kept this long after their end, so that late questions still get their right answer, and kept answers this long
/// after they were given.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Between two slices.
const PAUSE: Duration = Duration::from_secs(60);
/// Slices in which all tenants have their turn: a day.
const SLICES: i64 = 24 * 60;
/// Fewest tenants of a slice.
const FEWEST: i64 = 20;
/// Rows per statement.
const BATCH: i64 = 500;
/// Batches per tenant and statement in one turn: a tenant with a large backlog must not keep the others waiting.
const BATCHES: usize = 20;
/// Tenants per page of a whole run.
const TENANTS: i64 = 500;

/// The clean-up as a job: a slice, and a rest of a minute.
pub(crate) struct Cleanup(pub(crate) Arc<App>);

impl Rounds for Cleanup {
    type Error = DbError;

    fn task(&self) -> &'static str {
        "identity.cleanup"
    }

    async fn step(&self) -> Result<bool, DbError> {
        // A stop drops the round, which leaves what has been committed.
        let removed = slice(&self.0.db, self.0.clock.now(), &CancellationToken::new()).await?;
        tracing::debug!(removed, "clean-up done");
        Ok(false)
    }

    async fn rest(&self) {
        tokio::time::sleep(PAUSE).await;
    }
}

/// One slice; how many rows went.
pub(crate) async fn slice(
    db: &Db,
    now: OffsetDateTime,
    shutdown: &CancellationToken,
) -> Result<u64, DbError> {
    let forgotten = forget(db, now, shutdown).await?;
    let mut tx = TenantTx::begin(db, directory::nobody()).await?;
    let size = FEWEST.max(store::tenants(&mut tx).await? / SLICES + 1);
    let after = store::lock_cursor(&mut tx).await?;
    let tenants = directory::store::tenants_after(&mut tx, after, size).await?;
    // After the last one the first is next.
    let last =
        tenants.last().copied().filter(|_| i64::try_from(tenants.len()).is_ok_and(|found| found == size));
    store::move_cursor(&mut tx, last.unwrap_or_default()).await?;
    tx.commit().await?;
    Ok(forgotten + clean(db, &tenants, now, shutdown).await?)
}

/// One run over all tenants; how many rows went.
pub(crate) async fn once(db: &Db, now: OffsetDateTime, shutdown: &CancellationToken) -> Result<u64, DbError> {
    let mut removed = forget(db, now, shutdown).await?;
    let mut after = Uuid::nil();
    loop {
        let mut tx = TenantTx::begin(db, directory::nobody()).await?;
        let tenants = directory::store::tenants_after(&mut tx, after, TENANTS).await?;
        tx.commit().await?;
        let Some(last) = tenants.last() else { return Ok(removed) };
        after = *last;
        removed += clean(db, &tenants, now, shutdown).await?;
        if shutdown.is_cancelled() {
            return Ok(removed);
        }
    }
}

/// Removes all throttle entries that are forgotten. Without a bound: whoever makes them by the thousand must not outpace this.
async fn forget(db: &Db, now: OffsetDateTime, shutdown: &CancellationToken) -> Result<u64, DbError> {
    remove(db, directory::nobody(), store::FORGOTTEN, now, usize::MAX, shutdown).await
}

/// Removes what is spent in these tenants.
async fn clean(
    db: &Db,
    tenants: &[Uuid],
    now: OffsetDateTime,
    shutdown: &CancellationToken,
) -> Result<u64, DbError> {
    let mut removed = 0;
    for tenant in tenants {
        let tenant = VerifiedTenant::from_claim((*tenant).into());
        for statement in store::SPENT {
            removed += remove(db, tenant, statement, now - KEPT, BATCHES, shutdown).await?;
        }
    }
    Ok(removed)
}

async fn remove(
    db: &Db,
    tenant: VerifiedTenant,
    statement: &'static str,
    before: OffsetDateTime,
    batches: usize,
    shutdown: &CancellationToken,
) -> Result<u64, DbError> {
    let mut removed = 0;
    for _ in 0..batches {
        if shutdown.is_cancelled() {
            break;
        }
        // Each batch commits by itself: short locks, and a stop loses nothing.
        let mut tx = TenantTx::begin(db, tenant).await?;
        let gone = store::remove(&mut tx, statement, before, BATCH).await?;
        tx.commit().await?;
        removed += gone;
        if gone < BATCH as u64 {
            break;
        }
    }
    Ok(removed)
}
