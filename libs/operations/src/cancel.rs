//! Stops an operation.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::common::v1 as pb;

use crate::id::parse;
use crate::{Env, get, store};

/// Stops an operation of the caller after the batch it is in. One that is over stays as it is.
#[tracing::instrument(name = "operations.cancel", skip_all)]
pub async fn cancel(env: &Env, cx: &Context, id: &str) -> Result<pb::Operation, Error> {
    let id = parse(env.role, id)?;
    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    db::fence::check(&mut tx, cx).await?;
    store::cancel(&mut tx, id, cx.principal.id, env.clock.now_micros()).await?;
    let operation = get::read(env, &mut tx, cx, id).await?;
    tx.commit().await?;
    Ok(operation)
}
