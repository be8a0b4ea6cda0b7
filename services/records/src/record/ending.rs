//! How a writing transaction ends.

use db::TenantTx;
use error::Error;

use crate::App;

/// Settles the transaction, and wakes the relay for what was committed.
pub(crate) async fn end<T>(app: &App, tx: TenantTx, result: Result<T, Error>) -> Result<T, Error> {
    let done = tx.settle(result).await?;
    app.wake.notify();
    Ok(done)
}
