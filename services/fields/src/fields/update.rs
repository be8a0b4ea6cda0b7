//! `UpdateField`.

use auth::Context;
use db::TenantTx;
use proto::fields::v1::{UpdateFieldRequest, UpdateFieldResponse};

use super::definition::Object;
use super::patch::Patch;
use super::{begin_change, convert, save_change, store};
use crate::app::App;

/// Changes label, description, options, default or the required flag. What changes nothing leaves the version as it is.
#[tracing::instrument(name = "fields.fields.update", skip_all)]
pub(crate) async fn update(
    app: &App,
    cx: &Context,
    request: UpdateFieldRequest,
) -> error::Result<UpdateFieldResponse> {
    cx.require_scope_all()?;
    let object = Object::in_path(&request.object)?;
    let id = request.id.clone();
    let patch = Patch::read(request);

    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let before = begin_change(&mut tx, cx, object, &id).await?;
    before.state.check_changeable()?;
    let after = patch.apply(&before)?;
    if after == before {
        tx.rollback().await?;
        return Ok(UpdateFieldResponse { field: Some(convert::to_wire(&before)) });
    }
    let more = after.options.len().saturating_sub(before.options.len());
    if more > 0 {
        store::usage(&mut tx, object).await?.check_options(more)?;
    }
    let after = save_change(&mut tx, cx, &app.clock, "updated", &before, after).await?;
    tx.commit().await?;
    app.wake.notify();
    Ok(UpdateFieldResponse { field: Some(convert::to_wire(&after)) })
}
