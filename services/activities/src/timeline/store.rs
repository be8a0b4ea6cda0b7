//! SQL of the journal, of the entries that are made from it, and of pages of them; and the lock of a tenant's timelines.

pub(super) mod entries;
pub(super) mod journal;
pub(super) mod page;

use db::{DbError, TenantTx};
use sha2::{Digest, Sha256};

/// Waits until nobody has the tenant's timelines alone, and keeps it so until the transaction ends. The first lock of every transaction
/// that writes here, so that no two wait for each other.
pub(super) async fn share(tx: &mut TenantTx) -> Result<(), DbError> {
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1)").bind(lock(tx)).execute(tx.conn()).await?;
    Ok(())
}

/// Has the tenant's timelines alone until the transaction ends: for what touches entries of many records, of which none are known before.
pub(super) async fn alone(tx: &mut TenantTx) -> Result<(), DbError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock(tx)).execute(tx.conn()).await?;
    Ok(())
}

fn lock(tx: &TenantTx) -> i64 {
    let digest = Sha256::new().chain_update(b"timelines/").chain_update(tx.tenant_id()).finalize();
    db::lock_of(&digest.into())
}
