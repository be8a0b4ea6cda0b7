//! `ArchiveField`.

use auth::Context;
use proto::fields::v1::{ArchiveFieldRequest, ArchiveFieldResponse};

use super::definition::Step;
use super::transition::transition;
use crate::app::App;

/// Takes a field out of use. Its key, its ordinal and its slot stay reserved.
#[tracing::instrument(name = "fields.fields.archive", skip_all)]
pub(crate) async fn archive(
    app: &App,
    cx: &Context,
    request: ArchiveFieldRequest,
) -> error::Result<ArchiveFieldResponse> {
    let field = transition(app, cx, &request.object, &request.id, Step::Archive).await?;
    Ok(ArchiveFieldResponse { field: Some(field) })
}
