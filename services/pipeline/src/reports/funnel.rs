//! `GetFunnel`.

use std::collections::BTreeMap;

use auth::Context;
use db::DbError;
use proto::pipeline::v1 as pb;
use query::Bind;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::stages::Stages;
use super::{Question, Sent, store};
use crate::app::App;

/// The fields that it tells of deals.
const NEEDS: [&str; 4] = ["pipeline_id", "stage_id", "created_at", "stage_entered_at"];

/// Says how far the deals came that were created in the pipeline in the window. What they do after they left for another pipeline is not in it.
#[tracing::instrument(name = "pipeline.reports.funnel", skip_all)]
pub(crate) async fn funnel(
    app: &App,
    cx: &Context,
    request: pb::GetFunnelRequest,
) -> error::Result<pb::GetFunnelResponse> {
    let pb::GetFunnelRequest { pipeline_id, filter, as_of, from, to } = &request;
    let sent = Sent { pipeline_id: pipeline_id.as_deref(), filter, as_of: *as_of, from, to };
    let question = Question::read(app, cx, sent, &NEEDS).await?;
    let stages = Stages::of(&question).await?;
    let more = vec![Bind::Uuids(stages.way.clone()), Bind::Uuids(stages.lost())];
    let rows = question.rows((store::FUNNEL_OF_ALL, store::FUNNEL), &[], more).await?;
    let found: BTreeMap<Uuid, pb::FunnelStage> =
        rows.iter().map(read).collect::<Result<_, _>>().map_err(DbError::from)?;
    let stages = stages.with(found).filter_map(|(stage, is_retired, found)| {
        let found = found.unwrap_or_default();
        let is_shown = !is_retired || found.entered > 0;
        is_shown.then_some(pb::FunnelStage { stage: Some(stage), is_retired, ..found })
    });
    let stages: Vec<pb::FunnelStage> = stages.collect();
    let in_kind = |kind: pb::StageKind| {
        let of_kind = stages.iter().filter(|of| of.stage.as_ref().is_some_and(|stage| stage.kind() == kind));
        of_kind.map(|of| of.still_there).sum()
    };
    let (won, lost) = (in_kind(pb::StageKind::Won), in_kind(pb::StageKind::Lost));
    Ok(pb::GetFunnelResponse { stages, won, lost })
}

#[allow(clippy::cast_precision_loss, reason = "deals are fewer than 2^53")]
fn read(row: &PgRow) -> Result<(Uuid, pb::FunnelStage), sqlx::Error> {
    let (entered, left_forward): (i64, i64) = (row.try_get("entered")?, row.try_get("left_forward")?);
    let found = pb::FunnelStage {
        entered,
        left_forward,
        left_lost: row.try_get("left_lost")?,
        still_there: row.try_get("still_there")?,
        conversion_rate: (entered > 0).then(|| left_forward as f64 / entered as f64),
        median_seconds: row.try_get("median_seconds")?,
        ..Default::default()
    };
    Ok((row.try_get("id")?, found))
}
