//! `GetImpact`.

use auth::Context;
use db::TenantTx;
use proto::pipeline::v1 as pb;

use super::draft::current;
use super::{find, whole};
use crate::app::App;
use crate::document::{Document, Stage, possible};

/// Says what publishing the draft would do to what is in force now.
#[tracing::instrument(name = "pipeline.pipelines.impact", skip_all)]
pub(crate) async fn impact(
    app: &App,
    cx: &Context,
    request: pb::GetImpactRequest,
) -> error::Result<pb::GetImpactResponse> {
    cx.require_scope_all()?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let pipeline = find(&mut tx, &request.id).await?;
    let draft = current(&mut tx, &pipeline).await?;
    let in_force = whole(&mut tx, pipeline, app.clock.now_micros()).await?.in_force.document;
    tx.commit().await?;
    Ok(between(&in_force, &draft))
}

fn between(before: &Document, after: &Document) -> pb::GetImpactResponse {
    let retired = before.stages.iter().filter(|stage| after.stage(&stage.key).is_none());
    let retired = retired.map(|stage| pb::RetiredStage { key: stage.key.clone(), name: stage.name.clone() });
    let both = |stage: &&Stage| after.stage(&stage.key).is_some();
    let renamed = before.stages.iter().filter_map(|stage| {
        let (_, new) = after.stage(&stage.key)?;
        let (key, from, to) = (stage.key.clone(), stage.name.clone(), new.name.clone());
        (from != to).then_some(pb::RenamedStage { key, from, to })
    });
    let kept: Vec<&Stage> = before.stages.iter().filter(both).collect();
    let pairs = kept.iter().flat_map(|from| kept.iter().map(move |to| (*from, *to)));
    let blocked = pairs.filter(|(from, to)| from.key != to.key).filter(|(from, to)| {
        let may = |document: &Document| possible(document, (&from.key, from.kind_or_open()), &to.key).is_ok();
        may(before) && !may(after)
    });
    pb::GetImpactResponse {
        retired_stages: retired.collect(),
        renamed_stages: renamed.collect(),
        blocked_moves: blocked
            .map(|(from, to)| pb::BlockedMove { from: from.key.clone(), to: to.key.clone() })
            .collect(),
    }
}
