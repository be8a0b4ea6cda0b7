//! `AssignSlot`.

use auth::{Context, RowPredicate};
use db::TenantTx;
use error::{Code, Error, Reason};
use proto::fields::v1::{AssignSlotRequest, AssignSlotResponse};

use super::definition::{Definition, Object};
use super::{begin_change, limits, save_change, slots, store};
use crate::app::App;

/// Gives a field a slot, a free one or else one that an archived field keeps. Records write it from now on; filters and orders use it
/// once `FinishSlot` says that all records have it. A field whose slot is being filled keeps it: the work goes on.
///
/// Errors: 403 `PERMISSION_DENIED`, 404 `FIELD_NOT_FOUND`, 409 `FIELD_STATE_INVALID` or `FIELD_INDEXED`, 422 `FIELD_NOT_INDEXABLE` or
/// `FIELD_LIMIT_REACHED`.
#[tracing::instrument(name = "fields.fields.assign_slot", skip_all)]
pub(crate) async fn assign_slot(
    app: &App,
    cx: &Context,
    request: AssignSlotRequest,
) -> error::Result<AssignSlotResponse> {
    permit(cx)?;
    let object = Object::in_path(&request.object)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let result = assign(app, cx, &mut tx, object, &request.id).await;
    tx.settle(result).await?;
    app.wake.notify();
    Ok(AssignSlotResponse {})
}

async fn assign(
    app: &App,
    cx: &Context,
    tx: &mut TenantTx,
    object: Object,
    id: &str,
) -> error::Result<Definition> {
    let before = begin_change(tx, cx, object, id).await?;
    before.state.check_changeable()?;
    if before.is_indexed() {
        return Err(Error::new(Code::FailedPrecondition, Reason::FIELD_INDEXED, "this field has an index"));
    }
    if before.slot.is_some() {
        return Ok(before);
    }
    if before.field_type.slot_kind().is_none() {
        let text = "fields of this type cannot be indexed";
        return Err(Error::new(Code::Unprocessable, Reason::FIELD_NOT_INDEXABLE, text));
    }
    let taken = store::slots_taken(tx, object).await?;
    let slot = match slots::assign(before.field_type, &taken) {
        Some(free) => Some(free),
        None => slots::of_archived(before.field_type, &store::slots_of_archived(tx, object).await?),
    };
    let slot = slot.ok_or_else(|| limits::no_slot(before.field_type))?;
    store::use_slot(tx, object, slot, before.id).await?;
    let after = Definition { slot: Some(slot), filling: true, ..before.clone() };
    save_change(tx, cx, &app.clock, "updated", &before, after).await
}

/// Whoever may change the field, by any of their ways to it.
pub(super) fn permit(cx: &Context) -> error::Result<()> {
    cx.authorize("field", "update")?;
    if cx.snapshot.predicate("field", "update") == RowPredicate::Always { Ok(()) } else { Err(cx.denied()) }
}
