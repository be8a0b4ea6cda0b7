//! `IndexField`: gives a field its slot, and queues the work.

use auth::{Answer, Context};
use db::TenantTx;
use db::idempotency;
use error::{Error, Reason};
use operations::New;
use prost::Message;
use proto::common::v1::Operation;
use proto::records::v1::{IndexFieldRequest, IndexFieldResponse};
use tonic::Response;

use super::KIND;
use crate::App;
use crate::peers::SlotStep;
use crate::quota;

const RPC: &str = <IndexFieldRequest as proto::Rpc>::NAME;

/// Queues the filling of a field's index. A field whose index is being filled may be asked for again: the work of both is the same, and
/// goes on where an operation was cancelled or failed.
///
/// Errors: 404 `OBJECT_NOT_FOUND` or `FIELD_NOT_FOUND`, 409 `FIELD_INDEXED` or `FIELD_STATE_INVALID`, 422 `FIELD_NOT_INDEXABLE` or
/// `FIELD_LIMIT_REACHED`, 429 `OPERATIONS_TOO_MANY`.
#[tracing::instrument(name = "records.indexing.create", skip_all)]
pub(crate) async fn create(
    app: &App,
    cx: &Context,
    request: IndexFieldRequest,
) -> Result<Response<IndexFieldResponse>, Error> {
    if app.env.object(&request.object).is_none() {
        return Err(Error::not_found(Reason::OBJECT_NOT_FOUND));
    }
    // Without an operation nothing is lost by it: the slot is written and not read.
    let assigned =
        (app.slots)(cx.clone(), SlotStep::Assign, request.object.clone(), request.id.clone()).await;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let result = queue(&mut tx, app, cx, &request, assigned).await;
    let response = tx.settle(result).await?;
    app.indexing.notify_one();
    Ok(response)
}

async fn queue(
    tx: &mut TenantTx,
    app: &App,
    cx: &Context,
    request: &IndexFieldRequest,
    assigned: Result<(), Error>,
) -> Result<Response<IndexFieldResponse>, Error> {
    db::fence::check(tx, cx).await?;
    let claim = idempotency::claim(tx, cx, RPC, request).await?;
    if let Some(operation) = claim.replayed::<Operation>()? {
        let kept = IndexFieldResponse { operation: Some(operation) };
        return Ok(Answer::new(kept).again().respond(cx));
    }
    // After the replay: by then the field may have its index.
    assigned?;
    quota::lock(tx, "operations").await?;
    app.quotas.check_operation(tx).await?;
    let now = app.env.clock.now_micros();
    let sent = request.encode_to_vec();
    let id = app.env.clock.new_uuid();
    let new = New { id, kind: KIND, principal: cx.principal.id, request: &sent, now };
    let operation = operations::queue(&app.operations, tx, new).await?;
    claim.keep(tx, &operation, now).await?;
    Ok(cx.answer(IndexFieldResponse { operation: Some(operation) }))
}
