//! Removes what has expired: sessions, refresh tokens, invitations, kept answers, throttle entries.
//!
//! It goes from tenant to tenant and needs no right across tenants. Two instances at once do no harm: each skips the rows
//! that the other holds.

use std::time::Duration;

use auth::VerifiedTenant;
use db::{Db, DbError, TenantTx};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::store;
use crate::directory;
use crate::identity::Identity;

/// Rows are kept this long after their end, so that late questions still get their right answer, and kept answers this long
/// after they were given.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Between two runs.
const PAUSE: Duration = Duration::from_secs(15 * 60);
/// Rows per statement.
const BATCH: i64 = 500;
/// Batches per tenant and statement in one run: a tenant with a large backlog must not keep the others waiting.
const BATCHES: usize = 20;
/// Tenants per page.
const TENANTS: i64 = 500;

/// Runs until the shutdown.
pub(crate) async fn run(identity: &Identity, shutdown: CancellationToken) -> Result<(), DbError> {
    loop {
        let removed = identity.clean_up(&shutdown).await?;
        tracing::debug!(removed, "clean-up done");
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// One run over all tenants; how many rows went.
pub(crate) async fn once(db: &Db, now: OffsetDateTime, shutdown: &CancellationToken) -> Result<u64, DbError> {
    let mut removed = remove(db, directory::nobody(), store::FORGOTTEN, now).await?;
    let mut after = Uuid::nil();
    loop {
        let tenants = directory::store::tenants_after(db, after, TENANTS).await?;
        let Some(last) = tenants.last() else { return Ok(removed) };
        after = *last;
        for tenant in tenants {
            for statement in store::SPENT {
                if shutdown.is_cancelled() {
                    return Ok(removed);
                }
                removed +=
                    remove(db, VerifiedTenant::from_claim(tenant.into()), statement, now - KEPT).await?;
            }
        }
    }
}

async fn remove(
    db: &Db,
    tenant: VerifiedTenant,
    statement: &'static str,
    before: OffsetDateTime,
) -> Result<u64, DbError> {
    let mut removed = 0;
    for _ in 0..BATCHES {
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
