//! `GetOperation`.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::records::v1::{GetOperationRequest, GetOperationResponse, Operation};

use super::{convert, not_found, parse, store};
use crate::App;

/// An operation of the caller.
pub(crate) async fn get(
    app: &App,
    cx: &Context,
    request: GetOperationRequest,
) -> Result<GetOperationResponse, Error> {
    let id = parse(&request.id)?;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let operation = read(&mut tx, cx, id).await?;
    tx.commit().await?;
    Ok(GetOperationResponse { operation: Some(operation) })
}

/// The operation with its first errors.
pub(super) async fn read(tx: &mut TenantTx, cx: &Context, id: uuid::Uuid) -> Result<Operation, Error> {
    let row = store::find(tx, id, cx.principal.id).await?.ok_or_else(not_found)?;
    // Also where no row failed: the row at which a file cannot be read any further is an error, too.
    let errors = if row.failed == 0 && row.failure.is_none() {
        Vec::new()
    } else {
        store::errors(tx, id, (0, 0), convert::SHOWN_ERRORS as i64 + 1).await?
    };
    Ok(convert::operation(row, errors))
}
