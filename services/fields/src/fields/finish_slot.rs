//! `FinishSlot`.

use auth::Context;
use db::TenantTx;
use error::{Code, Error, Reason};
use proto::fields::v1::{FinishSlotRequest, FinishSlotResponse};

use super::assign_slot::permit;
use super::definition::{Definition, Object};
use super::{begin_change, save_change};
use crate::app::App;

/// Lets filters and orders use a field's slot, which was filled under one of its assignments. Does nothing where they do. A field that
/// has lost the slot since, and may have another, is left as it is.
///
/// Errors: 403 `PERMISSION_DENIED`, 404 `FIELD_NOT_FOUND`, 409 `FIELD_STATE_INVALID`.
#[tracing::instrument(name = "fields.fields.finish_slot", skip_all)]
pub(crate) async fn finish_slot(
    app: &App,
    cx: &Context,
    request: FinishSlotRequest,
) -> error::Result<FinishSlotResponse> {
    // A field that is created with an index may have to be filled, too.
    permit(cx, &["update", "create"])?;
    let object = Object::in_path(&request.object)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let before = begin_change(&mut tx, cx, object, &request.id).await?;
    if before.slot.is_none() || before.slot_assignment != request.slot_assignment {
        let text = "the field has lost the slot that was filled";
        let refused = Error::new(Code::FailedPrecondition, Reason::FIELD_STATE_INVALID, text);
        return Err(refused.with_metadata("state", before.state.as_str()));
    }
    if !before.filling {
        tx.rollback().await?;
        return Ok(FinishSlotResponse {});
    }
    let after = Definition { filling: false, ..before.clone() };
    save_change(&mut tx, cx, &app.clock, "updated", &before, after).await?;
    tx.commit().await?;
    app.wake.notify();
    Ok(FinishSlotResponse {})
}
