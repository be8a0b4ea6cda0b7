//! `GetStageHistory`.

use auth::{Context, FieldMask};
use db::TenantTx;
use proto::pipeline::v1 as pb;
use proto::timestamp;

use super::store::{self, Stay};
use super::{DEAL, Deal};
use crate::app::App;

/// Most stays that are shown: the last ones of a deal that had more.
const MOST: i64 = 1_000;

/// Where a deal has been, the oldest first. Nothing of it, if the caller may not see in which stage deals are.
#[tracing::instrument(name = "pipeline.deals.history", skip_all)]
pub(crate) async fn history(
    app: &App,
    cx: &Context,
    request: pb::GetStageHistoryRequest,
) -> error::Result<pb::GetStageHistoryResponse> {
    let deal = record::get::<Deal>(&app.env, cx, &request.id, "id", "").await?.message;
    let mask = cx.mask(DEAL.name);
    if mask.hides("stage_id") {
        return Ok(pb::GetStageHistoryResponse::default());
    }
    let id = input::id(&deal.id).map_err(error::Error::internal)?;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    // One more says where the first one came from.
    let stays = store::stays(&mut tx, id, MOST + 1).await?;
    tx.commit().await?;
    let mut entries: Vec<pb::StageEntry> = Vec::with_capacity(stays.len());
    for stay in stays {
        let from = entries.last().and_then(|before| before.to.clone());
        entries.push(shown(stay, from));
    }
    let more = entries.len().saturating_sub(usize::try_from(MOST).unwrap_or_default());
    entries.drain(..more);
    for entry in &mut entries {
        hide(entry, mask);
    }
    Ok(pb::GetStageHistoryResponse { entries })
}

/// Takes away what the caller does not see of deals either.
fn hide(entry: &mut pb::StageEntry, mask: &FieldMask) {
    if mask.hides("pipeline_id") {
        entry.pipeline_id.clear();
    }
    if mask.hides("pipeline_version") {
        entry.pipeline_version = 0;
    }
    for name in [&mut entry.from, &mut entry.to].into_iter().flatten() {
        if mask.hides("stage_key") {
            name.key.clear();
        }
        if mask.hides("stage_name") {
            name.name.clear();
        }
    }
    if mask.hides("updated_by") {
        entry.actor = None;
    }
    if mask.hides("stage_reason") {
        entry.reason = None;
    }
    if mask.hides("stage_entered_at") {
        entry.entered_at = None;
        entry.left_at = None;
        entry.duration_seconds = None;
    }
}

fn shown(stay: Stay, from: Option<pb::StageName>) -> pb::StageEntry {
    let source = format!("STAGE_SOURCE_{}", stay.source.to_ascii_uppercase());
    let to = pb::StageName {
        stage_id: stay.stage_id.to_string(),
        name: stay.name.unwrap_or_else(|| stay.key.clone()),
        key: stay.key,
    };
    pb::StageEntry {
        sequence: stay.sequence,
        from,
        to: Some(to),
        pipeline_id: stay.pipeline_id.to_string(),
        pipeline_version: stay.pipeline_version,
        entered_at: Some(timestamp(stay.entered_at)),
        left_at: stay.left_at.map(timestamp),
        duration_seconds: stay.left_at.map(|left| (left - stay.entered_at).whole_seconds()),
        actor: Some(pb::StageActor { kind: stay.actor_kind, id: stay.actor_id.to_string() }),
        reason: stay.reason,
        source: pb::StageSource::from_str_name(&source).unwrap_or_default().into(),
    }
}
