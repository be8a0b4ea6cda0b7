//! `DeprecateField`.

use auth::Context;
use proto::fields::v1::{DeprecateFieldRequest, DeprecateFieldResponse};

use super::definition::Step;
use super::transition::transition;
use crate::app::App;

/// Marks a field as one that writers should stop using.
#[tracing::instrument(name = "fields.fields.deprecate", skip_all)]
pub(crate) async fn deprecate(
    app: &App,
    cx: &Context,
    request: DeprecateFieldRequest,
) -> error::Result<DeprecateFieldResponse> {
    let field = transition(app, cx, &request.object, &request.id, Step::Deprecate).await?;
    Ok(DeprecateFieldResponse { field: Some(field) })
}
