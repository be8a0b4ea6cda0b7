//! Shows an operation.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::common::v1 as pb;
use uuid::Uuid;

use crate::id::{not_found, parse};
use crate::operation::SHOWN_ERRORS;
use crate::{Env, store};

/// An operation of the caller, by its public id.
#[tracing::instrument(name = "operations.get", skip_all)]
pub async fn get(env: &Env, cx: &Context, id: &str) -> Result<pb::Operation, Error> {
    let id = parse(env.role, id)?;
    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    let operation = read(env, &mut tx, cx, id).await?;
    tx.commit().await?;
    Ok(operation)
}

/// The operation with its first errors.
pub(crate) async fn read(
    env: &Env,
    tx: &mut TenantTx,
    cx: &Context,
    id: Uuid,
) -> Result<pb::Operation, Error> {
    let stored = store::find(tx, id, cx.principal.id).await?.ok_or_else(not_found)?;
    // Also where no row failed: the row at which a file cannot be read any further is an error, too.
    let errors = if stored.failed == 0 && stored.errors_kept == 0 && stored.failure.is_none() {
        Vec::new()
    } else {
        store::errors(tx, id, (0, 0), SHOWN_ERRORS as i64 + 1).await?
    };
    Ok(stored.into_wire(env.role, errors))
}
