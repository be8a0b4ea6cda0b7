//! `CancelOperation`.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::records::v1::{CancelOperationRequest, CancelOperationResponse};

use super::{get, parse, store};
use crate::App;

/// Stops an operation of the caller after the batch it is in. One that is over stays as it is.
pub(crate) async fn cancel(
    app: &App,
    cx: &Context,
    request: CancelOperationRequest,
) -> Result<CancelOperationResponse, Error> {
    let id = parse(&request.id)?;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    db::fence::check(&mut tx, cx).await?;
    store::cancel(&mut tx, id, cx.principal.id, app.env.clock.now_micros()).await?;
    let operation = get::read(&mut tx, cx, id).await?;
    tx.commit().await?;
    Ok(CancelOperationResponse { operation: Some(operation) })
}
