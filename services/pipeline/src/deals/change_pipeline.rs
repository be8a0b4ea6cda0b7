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
    let asked = request.clone();
    let pb::ChangeDealPipelineRequest { id, pipeline_id, stage_id, reason } = request;
    let deal =
        pb::Deal { pipeline_id: Some(pipeline_id), stage_id, stage_reason: reason, ..Default::default() };
    let (to, inputs) = ((id.as_str(), Path::Transfer), Fields::new());
    let changed = record::update_once::<Deal, _>(&app.env, cx, to, &asked, &deal, inputs).await;
    changed.map_err(|refusal| placed(refusal, ""))
}
