//! `DeprecateField`, `ArchiveField`, `RestoreField`: the steps in the life of a field.

use auth::Context;
use db::TenantTx;
use proto::fields::v1::{
    ArchiveFieldRequest, ArchiveFieldResponse, DeprecateFieldRequest, DeprecateFieldResponse, Field,
    RestoreFieldRequest, RestoreFieldResponse,
};

use super::definition::{Object, State, Step};
use super::{begin_change, convert, permit, save_change, store};
use crate::app::App;

/// Warns writers off a field.
#[tracing::instrument(name = "fields.fields.deprecate", skip_all)]
pub(crate) async fn deprecate(
    app: &App,
    cx: &Context,
    request: DeprecateFieldRequest,
) -> error::Result<DeprecateFieldResponse> {
    let field = step(app, cx, &request.object, &request.id, Step::Deprecate).await?;
    Ok(DeprecateFieldResponse { field: Some(field) })
}

/// Takes a field out of use. Its key, its ordinal and its slot stay reserved.
#[tracing::instrument(name = "fields.fields.archive", skip_all)]
pub(crate) async fn archive(
    app: &App,
    cx: &Context,
    request: ArchiveFieldRequest,
) -> error::Result<ArchiveFieldResponse> {
    let field = step(app, cx, &request.object, &request.id, Step::Archive).await?;
    Ok(ArchiveFieldResponse { field: Some(field) })
}

/// Makes a field active again.
#[tracing::instrument(name = "fields.fields.restore", skip_all)]
pub(crate) async fn restore(
    app: &App,
    cx: &Context,
    request: RestoreFieldRequest,
) -> error::Result<RestoreFieldResponse> {
    let field = step(app, cx, &request.object, &request.id, Step::Restore).await?;
    Ok(RestoreFieldResponse { field: Some(field) })
}

async fn step(app: &App, cx: &Context, object: &str, id: &str, step: Step) -> error::Result<Field> {
    permit(cx)?;
    let object = Object::in_path(object)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let before = begin_change(&mut tx, cx, object, id).await?;
    let mut after = before.clone();
    after.state = before.state.after(step)?;
    if before.state == State::Archived {
        store::usage(&mut tx, object).await?.check_active()?;
    }
    let after = save_change(&mut tx, cx, &app.clock, step.verb(), &before, after).await?;
    tx.commit().await?;
    app.wake.notify();
    Ok(convert::to_wire(&after))
}
