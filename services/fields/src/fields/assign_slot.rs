//! `AssignSlot`.

use auth::{Context, RowPredicate};
use db::TenantTx;
use error::{Code, Error, Reason};
use proto::fields::v1::{AssignSlotRequest, AssignSlotResponse};

use super::definition::{Definition, Object};
use super::give_slot::give_slot;
use super::{begin_change, save_change, store};
use crate::app::App;

/// Gives a field a slot, a free one or else one that an archived field keeps. Records write it from now on; filters and orders use it
/// once `FinishSlot` says that all records have it. A field whose slot is being filled keeps it: the work goes on. With `validate_only`
/// it refuses the same, and assigns nothing.
///
/// Errors: 403 `PERMISSION_DENIED`, 404 `FIELD_NOT_FOUND`, 409 `FIELD_STATE_INVALID` or `FIELD_INDEXED`, 422 `FIELD_NOT_INDEXABLE` or
/// `FIELD_LIMIT_REACHED`.
#[tracing::instrument(name = "fields.fields.assign_slot", skip_all)]
pub(crate) async fn assign_slot(
    app: &App,
    cx: &Context,
    request: AssignSlotRequest,
) -> error::Result<AssignSlotResponse> {
    permit(cx, &["update"])?;
    let object = Object::in_path(&request.object)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let result = assign(app, cx, &mut tx, object, &request.id).await;
    if request.validate_only && result.is_ok() {
        tx.rollback().await?;
        return Ok(AssignSlotResponse {});
    }
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
    // One is noted for it where a program that does not know of filling has worked meanwhile.
    let (slot, slot_assignment) = if let Some(slot) = store::slot_of(tx, before.id).await? {
        (slot, store::object_version(tx, object).await?)
    } else {
        let given = give_slot(tx, cx, &app.clock, object, before.field_type).await?;
        (given.slot, given.assignment)
    };
    store::use_slot(tx, object, slot, before.id).await?;
    let after = Definition { slot: Some(slot), filling: true, slot_assignment, ..before.clone() };
    save_change(tx, cx, &app.clock, "updated", &before, after).await
}

/// Whoever may do one of these to a field. Errors: 403 `PERMISSION_DENIED`.
pub(super) fn permit(cx: &Context, actions: &[&str]) -> error::Result<()> {
    let may = |action: &&str| cx.snapshot.predicate("field", action) == RowPredicate::Always;
    if actions.iter().any(may) { Ok(()) } else { Err(Error::permission_denied("field", "update")) }
}
