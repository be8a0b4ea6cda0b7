//! What a kind of operation keeps of its own.

use db::{DbError, TenantTx};
use uuid::Uuid;

/// What a service keeps for its operations beside their rows and errors, such as the notes of a dry run. It is removed piece by
/// piece: there may be as much of it as a file has rows.
pub trait Kept: Send + Sync + 'static {
    /// Removes up to `limit` rows of each table that belong to the operation; says whether there are more.
    fn forget(
        &self,
        tx: &mut TenantTx,
        operation: Uuid,
        limit: i64,
    ) -> impl Future<Output = Result<bool, DbError>> + Send;
}

/// One after the other.
impl<A: Kept, B: Kept> Kept for (A, B) {
    async fn forget(&self, tx: &mut TenantTx, operation: Uuid, limit: i64) -> Result<bool, DbError> {
        Ok(self.0.forget(tx, operation, limit).await? || self.1.forget(tx, operation, limit).await?)
    }
}

/// Nothing.
impl Kept for () {
    async fn forget(&self, _: &mut TenantTx, _: Uuid, _: i64) -> Result<bool, DbError> {
        Ok(false)
    }
}
