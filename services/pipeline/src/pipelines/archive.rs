//! `ArchivePipeline`.

use auth::{Answer, Context};
use db::TenantTx;
use error::{Code, Error, Reason};
use proto::pipeline::v1 as pb;

use super::{By, Pipeline, State, begin_change, save, shown, store};
use crate::app::App;

/// Takes a pipeline out of use. An archived one stays as it is.
#[tracing::instrument(name = "pipeline.pipelines.archive", skip_all)]
pub(crate) async fn archive(
    app: &App,
    cx: &Context,
    request: pb::ArchivePipelineRequest,
) -> error::Result<Answer<pb::ArchivePipelineResponse>> {
    let pipeline = set_state(app, cx, &request.id, State::Archived).await?;
    let version = pipeline.version;
    Ok(Answer::of_version(version, pb::ArchivePipelineResponse { pipeline: Some(pipeline) }))
}

/// Open deals are counted so far.
const MOST_COUNTED: i64 = 10_000;

/// Brings a pipeline into a state.
pub(super) async fn set_state(
    app: &App,
    cx: &Context,
    id: &str,
    state: State,
) -> error::Result<pb::Pipeline> {
    cx.require_scope_all()?;
    let by = By::caller(app, cx);
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let before = begin_change(&mut tx, cx, id).await?;
    if before.state == state {
        let pipeline = shown(&mut tx, before, by.now).await?;
        tx.rollback().await?;
        return Ok(pipeline);
    }
    if before.is_default {
        let text = "new deals go into this pipeline; make another one the default first";
        return Err(Error::new(Code::FailedPrecondition, Reason::PIPELINE_IS_DEFAULT, text));
    }
    if state == State::Archived {
        let open = store::open_deals(&mut tx, before.id, MOST_COUNTED).await?;
        if open > 0 {
            let text = "open deals are in this pipeline; move them to another one first";
            return Err(Error::new(Code::FailedPrecondition, Reason::PIPELINE_IN_USE, text)
                .with_metadata("open_deals", open.to_string()));
        }
    }
    let verb = match state {
        State::Archived => "archived",
        State::Active => "restored",
    };
    let after = save(&mut tx, by, verb, &before, Pipeline { state, ..before.clone() }).await?;
    let pipeline = shown(&mut tx, after, by.now).await?;
    tx.commit().await?;
    app.env.wake.notify();
    Ok(pipeline)
}
