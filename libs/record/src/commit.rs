//! How a writing transaction ends.

use db::TenantTx;
use error::Error;

use crate::Env;

/// Settles the transaction, and wakes the relay for what was committed.
pub async fn commit<T>(env: &Env, tx: TenantTx, result: Result<T, Error>) -> Result<T, Error> {
    let done = tx.settle(result).await?;
    env.wake.notify();
    Ok(done)
}
