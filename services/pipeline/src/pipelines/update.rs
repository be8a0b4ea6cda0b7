//! `UpdatePipeline`.

use auth::{Answer, Context};
use db::TenantTx;
use error::Reason;
use input::{Mask, Violations, required_line};
use proto::pipeline::v1 as pb;

use super::{By, Pipeline, begin_change, check_active, save, shown, store};
use crate::app::App;

/// What is to be changed.
struct Patch {
    name: Option<String>,
    makes_default: bool,
}

/// Changes the name, or makes it the default one in place of the one that is. What changes nothing leaves the version as it is.
#[tracing::instrument(name = "pipeline.pipelines.update", skip_all)]
pub(crate) async fn update(
    app: &App,
    cx: &Context,
    request: pb::UpdatePipelineRequest,
) -> error::Result<Answer<pb::UpdatePipelineResponse>> {
    cx.require_scope_all()?;
    let by = By::caller(app, cx);
    let id = request.id.clone();
    let patch = read(request)?;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let before = begin_change(&mut tx, cx, &id).await?;
    let after = Pipeline {
        name: patch.name.unwrap_or_else(|| before.name.clone()),
        is_default: before.is_default || patch.makes_default,
        ..before.clone()
    };
    if after == before {
        let pipeline = shown(&mut tx, before, by.now).await?;
        tx.rollback().await?;
        let version = pipeline.version;
        return Ok(Answer::of_version(version, pb::UpdatePipelineResponse { pipeline: Some(pipeline) }));
    }
    check_active(&before)?;
    if !before.is_default
        && after.is_default
        && let Some(was) = store::default(&mut tx).await?
    {
        let is_not = Pipeline { is_default: false, ..was.clone() };
        save(&mut tx, by, "updated", &was, is_not).await?;
    }
    let after = save(&mut tx, by, "updated", &before, after).await?;
    let version = after.version;
    let pipeline = shown(&mut tx, after, by.now).await?;
    tx.commit().await?;
    app.env.wake.notify();
    Ok(Answer::of_version(version, pb::UpdatePipelineResponse { pipeline: Some(pipeline) }))
}

fn read(request: pb::UpdatePipelineRequest) -> error::Result<Patch> {
    let mut out = Violations::default();
    let sent = request.pipeline.unwrap_or_default();
    let mask = Mask::read(request.update_mask, &sent, &mut out);
    let name = mask
        .has("name")
        .then(|| out.take("/name", required_line(sent.name.as_deref().unwrap_or_default(), 100)))
        .flatten();
    let is_default = mask.has("is_default").then_some(sent.is_default).flatten();
    if is_default == Some(false) {
        let text = "make another pipeline the default one instead";
        out.note("/is_default", Reason::DEFAULT_REQUIRED, text);
    }
    out.into_result()?;
    Ok(Patch { name, makes_default: is_default == Some(true) })
}
