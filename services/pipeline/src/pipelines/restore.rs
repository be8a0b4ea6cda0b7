//! `RestorePipeline`.

use auth::{Answer, Context};
use proto::pipeline::v1 as pb;

use super::State;
use super::archive::set_state;
use crate::app::App;

/// Takes a pipeline into use again. An active one stays as it is.
#[tracing::instrument(name = "pipeline.pipelines.restore", skip_all)]
pub(crate) async fn restore(
    app: &App,
    cx: &Context,
    request: pb::RestorePipelineRequest,
) -> error::Result<Answer<pb::RestorePipelineResponse>> {
    let pipeline = set_state(app, cx, &request.id, State::Active).await?;
    let version = pipeline.version;
    Ok(Answer::of_version(version, pb::RestorePipelineResponse { pipeline: Some(pipeline) }))
}
