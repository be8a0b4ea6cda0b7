//! `ListPipelineVersions` and `GetPipelineVersion`.

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use proto::pipeline::v1 as pb;
use query::page::{Ordinal, PageRequest};

use super::{convert, find, store};
use crate::app::App;

/// Most versions of a page: each may be as large as a document.
const MOST: usize = 50;

/// Lists what was published of a pipeline, the newest first.
#[tracing::instrument(name = "pipeline.pipelines.list_versions", skip_all)]
pub(crate) async fn list(
    app: &App,
    cx: &Context,
    request: pb::ListPipelineVersionsRequest,
) -> error::Result<pb::ListPipelineVersionsResponse> {
    cx.require_scope_all()?;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let pipeline = find(&mut tx, &request.id).await?;
    let tenant = cx.tenant.id().uuid();
    let list = [&b"pipeline_versions"[..], tenant.as_bytes(), pipeline.id.as_bytes()];
    let page =
        PageRequest::<Ordinal>::read(&app.env.cursor_key, &list, request.page_size, &request.page_token)?;
    // The place of the first page is before number 0; numbers go down from it.
    let before = if page.after == Ordinal(-1) { i32::MAX } else { page.after.0 };
    let mut versions = store::versions(&mut tx, pipeline.id, before, page.limit()).await?;
    let stage_ids = store::stage_ids(&mut tx, pipeline.id).await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut versions, MOST, |version| Ordinal(version.number))?;
    let versions = versions.iter().map(|version| convert::version(version, &stage_ids)).collect();
    Ok(pb::ListPipelineVersionsResponse { versions, next_page_token })
}

/// Shows one version.
#[tracing::instrument(name = "pipeline.pipelines.get_version", skip_all)]
pub(crate) async fn get(
    app: &App,
    cx: &Context,
    request: pb::GetPipelineVersionRequest,
) -> error::Result<pb::GetPipelineVersionResponse> {
    cx.require_scope_all()?;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let pipeline = find(&mut tx, &request.id).await?;
    let unknown = || Error::not_found(Reason::PIPELINE_VERSION_NOT_FOUND);
    let number: i32 = request.number.parse().map_err(|_| unknown())?;
    if number.to_string() != request.number {
        return Err(unknown());
    }
    let found = store::versions(&mut tx, pipeline.id, number.saturating_add(1), 1).await?;
    let found = found.into_iter().find(|version| version.number == number).ok_or_else(unknown)?;
    let stage_ids = store::stage_ids(&mut tx, pipeline.id).await?;
    tx.commit().await?;
    Ok(pb::GetPipelineVersionResponse { version: Some(convert::version(&found, &stage_ids)) })
}
