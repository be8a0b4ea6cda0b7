//! `IndexField`: queues the work. The job takes the slot, so that no slot is taken without an operation that fills it.

use auth::{Answer, Context};
use db::TenantTx;
use db::idempotency;
use error::{Code, Error, Reason};
use operations::New;
use prost::Message;
use proto::common::v1::Operation;
use proto::records::v1::{IndexFieldRequest, IndexFieldResponse};
use tonic::Response;

use super::KIND;
use crate::App;
use crate::peers::SlotStep;

const RPC: &str = <IndexFieldRequest as proto::Rpc>::NAME;

/// Queues the filling of a field's index. A field whose index is being filled may be asked for again, as after an operation that was
/// cancelled or failed: each operation looks at every record.
///
/// Errors: 404 `OBJECT_NOT_FOUND` or `FIELD_NOT_FOUND`, 409 `FIELD_INDEXED` or `FIELD_STATE_INVALID`, 422 `FIELD_NOT_INDEXABLE`,
/// `FIELD_LIMIT_REACHED` or `INDEX_NOT_SUPPORTED`, 429 `OPERATIONS_TOO_MANY`.
#[tracing::instrument(name = "records.indexing.create", skip_all)]
pub(crate) async fn create(
    app: &App,
    cx: &Context,
    request: IndexFieldRequest,
) -> Result<Response<IndexFieldResponse>, Error> {
    if app.env.object(&request.object).is_none() {
        return Err(unknown(&request.object));
    }
    let checked = (app.slots)(cx.clone(), SlotStep::Check, request.object.clone(), request.id.clone()).await;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let result = queue(&mut tx, app, cx, &request, checked).await;
    let response = tx.settle(result).await?;
    app.indexing.notify_one();
    Ok(response)
}

async fn queue(
    tx: &mut TenantTx,
    app: &App,
    cx: &Context,
    request: &IndexFieldRequest,
    checked: Result<(), Error>,
) -> Result<Response<IndexFieldResponse>, Error> {
    db::fence::check(tx, cx).await?;
    let now = app.env.clock.now_micros();
    let claim = idempotency::claim(tx, cx, RPC, request, now).await?;
    if let Some(operation) = claim.replayed::<Operation>()? {
        let kept = IndexFieldResponse { operation: Some(operation) };
        return Ok(Answer::new(kept).again().respond(cx));
    }
    // After the replay: by then the field may have its index.
    checked?;
    app.quotas.operations.check(tx).await?;
    let sent = request.encode_to_vec();
    let id = app.env.clock.new_uuid();
    let new = New { id, kind: KIND, principal: cx.principal.id, request: &sent, total: 0, now };
    let operation = operations::queue(&app.operations, tx, new).await?;
    claim.keep(tx, &operation).await?;
    Ok(cx.answer(IndexFieldResponse { operation: Some(operation) }))
}

/// Objects whose records another service keeps have custom fields as well.
fn unknown(object: &str) -> Error {
    if !proto::OBJECTS.iter().any(|known| known.name == object && known.has_custom) {
        return Error::not_found(Reason::OBJECT_NOT_FOUND);
    }
    let text = format!(
        "a custom field of `{object}` gets its index when it is created: create another one with `indexed`"
    );
    Error::new(Code::Unprocessable, Reason::INDEX_NOT_SUPPORTED, text)
}
