//! `GetImpact`.

use auth::Context;
use db::TenantTx;
use proto::pipeline::v1 as pb;
use query::RowScope;
use uuid::Uuid;

use super::draft::current;
use super::{Whole, find, store, whole};
use crate::app::App;
use crate::deals::DEAL;
use crate::document::{Document, Stage, possible};

/// Required fields for which deals are counted.
const MOST_COUNTED: usize = 30;

/// Says what publishing the draft would do to what is in force now. Of deals, what the caller sees.
#[tracing::instrument(name = "pipeline.pipelines.impact", skip_all)]
pub(crate) async fn impact(
    app: &App,
    cx: &Context,
    request: pb::GetImpactRequest,
) -> error::Result<pb::GetImpactResponse> {
    cx.require_scope_all()?;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let pipeline = find(&mut tx, &request.id).await?;
    let draft = current(&mut tx, &pipeline).await?;
    let whole = whole(&mut tx, pipeline, app.env.clock.now_micros()).await?;
    let mut impact = between(&whole.in_force.document, &draft);
    count(&mut tx, cx, &whole, &mut impact).await?;
    tx.commit().await?;
    Ok(impact)
}

/// Counts the open deals that are concerned.
async fn count(
    tx: &mut TenantTx,
    cx: &Context,
    whole: &Whole,
    impact: &mut pb::GetImpactResponse,
) -> error::Result<()> {
    let scope = RowScope::from(&cx.snapshot.predicate(DEAL.name, "read"));
    let mask = cx.mask(DEAL.name);
    if mask.hides("stage_id") || mask.hides("status") {
        return Ok(());
    }
    let id = |key: &str| whole.stage_ids.get(key).copied().unwrap_or_else(Uuid::nil);
    let retired: Vec<Uuid> = impact.retired_stages.iter().map(|stage| id(&stage.key)).collect();
    let open = store::open_in_stages(tx, &retired, &scope).await?;
    for (stage, of) in impact.retired_stages.iter_mut().zip(&retired) {
        stage.open_deals = open.get(of).copied().unwrap_or_default();
    }
    let visible = impact.new_required_fields.iter_mut().filter(|new| !mask.hides(&new.field));
    for new in visible.take(MOST_COUNTED) {
        new.deals_without = Some(store::open_without(tx, id(&new.stage), &new.field, &scope).await?);
    }
    Ok(())
}

fn between(before: &Document, after: &Document) -> pb::GetImpactResponse {
    let retired = before.stages.iter().filter(|stage| after.stage(&stage.key).is_none());
    let retired = retired.map(|stage| pb::RetiredStage {
        key: stage.key.clone(),
        name: stage.name.clone(),
        open_deals: 0,
    });
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
    let required = kept.iter().filter_map(|stage| Some((*stage, after.stage(&stage.key)?.1)));
    let required = required.flat_map(|(old, new)| {
        let added = new.required_fields.iter().filter(|field| !old.required_fields.contains(field));
        added.map(|field| pb::NewRequiredField {
            stage: new.key.clone(),
            field: field.clone(),
            deals_without: None,
        })
    });
    pb::GetImpactResponse {
        new_required_fields: required.collect(),
        retired_stages: retired.collect(),
        renamed_stages: renamed.collect(),
        blocked_moves: blocked
            .map(|(from, to)| pb::BlockedMove { from: from.key.clone(), to: to.key.clone() })
            .collect(),
    }
}
