//! `FinishSlot`.

use auth::Context;
use db::TenantTx;
use proto::fields::v1::{FinishSlotRequest, FinishSlotResponse};

use super::assign_slot::permit;
use super::definition::{Definition, Object};
use super::{begin_change, save_change};
use crate::app::App;

/// Lets filters and orders use a field's slot. Does nothing where they do, and where the field has lost it.
///
/// Errors: 403 `PERMISSION_DENIED`, 404 `FIELD_NOT_FOUND`.
#[tracing::instrument(name = "fields.fields.finish_slot", skip_all)]
pub(crate) async fn finish_slot(
    app: &App,
    cx: &Context,
    request: FinishSlotRequest,
) -> error::Result<FinishSlotResponse> {
    permit(cx)?;
    let object = Object::in_path(&request.object)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let result = finish(app, cx, &mut tx, object, &request.id).await;
    tx.settle(result).await?;
    app.wake.notify();
    Ok(FinishSlotResponse {})
}

async fn finish(app: &App, cx: &Context, tx: &mut TenantTx, object: Object, id: &str) -> error::Result<()> {
    let before = begin_change(tx, cx, object, id).await?;
    if before.filling {
        let after = Definition { filling: false, ..before.clone() };
        save_change(tx, cx, &app.clock, "updated", &before, after).await?;
    }
    Ok(())
}
