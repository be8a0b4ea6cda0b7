//! `GetPipeline`.

use auth::{Answer, Context};
use db::TenantTx;
use proto::pipeline::v1 as pb;

use super::{find, shown};
use crate::app::App;

/// Shows one pipeline with what is in force now.
#[tracing::instrument(name = "pipeline.pipelines.get", skip_all)]
pub(crate) async fn get(
    app: &App,
    cx: &Context,
    request: pb::GetPipelineRequest,
) -> error::Result<Answer<pb::GetPipelineResponse>> {
    cx.require_scope_all()?;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let pipeline = find(&mut tx, &request.id).await?;
    let pipeline = shown(&mut tx, pipeline, app.env.clock.now_micros()).await?;
    tx.commit().await?;
    // What is yet to come changes the answer and not the version, by which a client would take it for unchanged.
    let version = pipeline.next_version.is_none().then_some(pipeline.version);
    Ok(Answer::of_version(version, pb::GetPipelineResponse { pipeline: Some(pipeline) }))
}
