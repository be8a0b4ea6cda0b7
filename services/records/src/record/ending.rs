//! How a writing transaction ends.

use db::TenantTx;
use error::Error;

use crate::App;

/// Commits what went well and takes back what did not. The way back is waited for: a dropped transaction ends a moment
/// later, and would hold the lock on an `Idempotency-Key` until then, so that an immediate second try would be refused.
pub(crate) async fn end<T>(app: &App, tx: TenantTx, result: Result<T, Error>) -> Result<T, Error> {
    match result {
        Ok(done) => {
            tx.commit().await?;
            app.wake.notify();
            Ok(done)
        }
        Err(refused) => {
            if let Err(error) = tx.rollback().await {
                tracing::debug!(%error, "the connection is gone, and its locks with it");
            }
            Err(refused)
        }
    }
}
