//! `RestoreField`.

use auth::Context;
use proto::fields::v1::{RestoreFieldRequest, RestoreFieldResponse};

use super::definition::Step;
use super::transition::transition;
use crate::app::App;

/// Makes a field active again.
#[tracing::instrument(name = "fields.fields.restore", skip_all)]
pub(crate) async fn restore(
    app: &App,
    cx: &Context,
    request: RestoreFieldRequest,
) -> error::Result<RestoreFieldResponse> {
    let field = transition(app, cx, &request.object, &request.id, Step::Restore).await?;
    Ok(RestoreFieldResponse { field: Some(field) })
}
