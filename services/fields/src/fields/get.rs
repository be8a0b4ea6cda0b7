//! `GetField`.

use auth::Context;
use db::TenantTx;
use proto::fields::v1::{GetFieldRequest, GetFieldResponse};

use super::definition::Object;
use super::{convert, find_visible};
use crate::app::App;

/// Shows one definition.
#[tracing::instrument(name = "fields.fields.get", skip_all)]
pub(crate) async fn get(
    app: &App,
    cx: &Context,
    request: GetFieldRequest,
) -> error::Result<GetFieldResponse> {
    cx.require_scope_all()?;
    let object = Object::in_path(&request.object)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let field = find_visible(&mut tx, cx, object, &request.id).await?;
    Ok(GetFieldResponse { field: Some(convert::to_wire(&field)) })
}
