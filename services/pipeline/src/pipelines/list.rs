//! `ListPipelines`.

use auth::Context;
use db::TenantTx;
use proto::pipeline::v1 as pb;

use super::{By, convert, first, store};
use crate::app::App;

/// Lists all pipelines, or those of a state: the default one first, then by name.
#[tracing::instrument(name = "pipeline.pipelines.list", skip_all)]
pub(crate) async fn list(
    app: &App,
    cx: &Context,
    request: pb::ListPipelinesRequest,
) -> error::Result<pb::ListPipelinesResponse> {
    cx.require_scope_all()?;
    let by = By::caller(app, cx);
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let is_first = !store::has_begun(&mut tx).await?;
    if is_first {
        db::fence::check(&mut tx, cx).await?;
        first::ensure(&mut tx, by).await?;
    }
    let pipelines = store::list(&mut tx, convert::state_from_wire(request.state())).await?;
    let all = store::whole(&mut tx, pipelines, by.now).await?;
    tx.commit().await?;
    if is_first {
        app.env.wake.notify();
    }
    Ok(pb::ListPipelinesResponse { pipelines: all.iter().map(convert::to_wire).collect() })
}
