//! `ChangeDealPipeline`.

use auth::{Answer, Context};
use proto::pipeline::v1 as pb;
use record::Fields;
use record::prepare::Path;

use super::Deal;
use super::moving::placed;
use crate::app::App;

/// Puts a deal into another pipeline. What its stage there requires the deal must have.
pub(crate) async fn change_pipeline(
    app: &App,
    cx: &Context,
    request: pb::ChangeDealPipelineRequest,
) -> error::Result<Answer<pb::Deal>> {
    let pb::ChangeDealPipelineRequest { id, pipeline_id, stage_id, reason } = request;
    let deal =
        pb::Deal { pipeline_id: Some(pipeline_id), stage_id, stage_reason: reason, ..Default::default() };
    let inputs = Fields::new();
    let changed =
        record::update_by::<Deal>(&app.env, cx, (&id, Path::Transfer), None, Some(&deal), inputs).await;
    changed.map_err(|refusal| placed(refusal, ""))
}
