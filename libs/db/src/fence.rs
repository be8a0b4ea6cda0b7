//! The permission fence: no write commits on permissions older than a revoke that has returned (pitfall 3.3).
//!
//! It has two halves. A writer holds a lock of its principals until it ends, and whoever raises the fence takes the same lock
//! against all: each waits for the other, or sees it. The lock needs no row, so the first fence of a tenant is as good as
//! the next. And a writer commits only under a live lease ([`auth::Lease`]), for a revoke does not wait for the fence.

use auth::Context;
use error::Error;
use uuid::Uuid;

use crate::{DbError, TenantTx};

/// The fence that concerns every principal of a tenant.
const EVERYONE: Uuid = Uuid::nil();

/// Refuses a snapshot older than the fence allows, holds the fence until the transaction ends, and binds its commit to the
/// caller's lease.
///
/// Call it first in every writing transaction. Errors: 409 `PERMISSIONS_CHANGED`; the commit's are those of the lease.
pub async fn check(tx: &mut TenantTx, cx: &Context) -> Result<(), Error> {
    check_serialised(tx, cx).await?;
    if let Some(lease) = cx.lease() {
        tx.confirm_before_commit(lease.clone());
    }
    Ok(())
}

/// As [`check`], for a transaction that keeps out every change of its tenant's permissions until it ends, as identity's do
/// by the row of the tenant's head: there is nothing to confirm before its commit.
pub async fn check_serialised(tx: &mut TenantTx, cx: &Context) -> Result<(), Error> {
    // A function, for the lock must be there before the snapshot that the fence is read by, in one round trip.
    let min_version: Option<i64> = sqlx::query_scalar("SELECT authz_fence_hold($1, $2)")
        .bind(tx.tenant_id())
        .bind([cx.principal.id, cx.user().uuid(), EVERYONE].as_slice())
        .fetch_one(tx.conn())
        .await
        .map_err(DbError::from)?;
    if min_version.is_some_and(|min| min > cx.snapshot.version()) {
        cx.forget_snapshot();
        return Err(auth::permissions_changed());
    }
    Ok(())
}

/// Raises the fence of a principal (`None`: of everyone in the tenant), once its writers have ended. They are waited for a
/// tenth of a second only: whoever raises holds up other tenants' fences meanwhile, and can come again.
///
/// Errors: [`DbError::Timeout`] while a writer goes on.
pub async fn raise(tx: &mut TenantTx, principal: Option<Uuid>, min_version: i64) -> Result<(), DbError> {
    sqlx::query("SELECT authz_fence_raise($1, $2, $3)")
        .bind(tx.tenant_id())
        .bind(principal.unwrap_or(EVERYONE))
        .bind(min_version)
        .execute(tx.conn())
        .await?;
    Ok(())
}
