//! `GetVelocity`.

use std::collections::BTreeMap;

use auth::Context;
use db::DbError;
use proto::pipeline::v1 as pb;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::stages::Stages;
use super::{Question, Sent, store};
use crate::app::App;

/// The fields that it tells of deals.
const NEEDS: [&str; 6] = ["pipeline_id", "stage_id", "status", "created_at", "stage_entered_at", "closed_at"];
const DAY: f64 = 86_400.0;

/// Says how long deals took that were won or lost in the window, and are in the pipeline. Visits are those in its stages.
#[tracing::instrument(name = "pipeline.reports.velocity", skip_all)]
pub(crate) async fn velocity(
    app: &App,
    cx: &Context,
    request: pb::GetVelocityRequest,
) -> error::Result<pb::GetVelocityResponse> {
    let pb::GetVelocityRequest { pipeline_id, filter, as_of, from, to } = &request;
    let sent = Sent { pipeline_id: pipeline_id.as_deref(), filter, as_of: *as_of, from, to };
    let question = Question::read(app, cx, sent, &NEEDS).await?;
    let stages = Stages::of(&question).await?;
    let rows = question.rows((store::VELOCITY_OF_ALL, store::VELOCITY), &[], Vec::new()).await?;
    let (mut won, mut found) = (pb::WonVelocity::default(), BTreeMap::new());
    for row in &rows {
        let (stage, took) = read(row).map_err(DbError::from)?;
        let at = |place: usize| took.seconds.get(place).copied();
        match stage {
            None => {
                let days = |place| at(place).map(|seconds| seconds / DAY);
                won = pb::WonVelocity { count: took.deals, median_days: days(0), p90_days: days(1) };
            }
            Some(stage) => {
                let (median_seconds, p90_seconds) = (at(0), at(1));
                let of_stage = pb::StageVelocity {
                    median_seconds,
                    p90_seconds,
                    deals: took.deals,
                    ..Default::default()
                };
                found.insert(stage, of_stage);
            }
        }
    }
    let by_stage = stages.with(found).filter_map(|(stage, is_retired, found)| {
        let is_shown = !is_retired || found.is_some();
        is_shown.then(|| pb::StageVelocity { stage: Some(stage), is_retired, ..found.unwrap_or_default() })
    });
    Ok(pb::GetVelocityResponse { won: Some(won), by_stage: by_stage.collect() })
}

/// How long something took.
struct Took {
    deals: i64,
    /// The median and the ninth decile; none of no deals.
    seconds: Vec<f64>,
}

/// What is said of a stage, or without one of the deals that were won.
fn read(row: &PgRow) -> Result<(Option<Uuid>, Took), sqlx::Error> {
    let seconds: Option<Vec<f64>> = row.try_get("seconds")?;
    let took = Took { deals: row.try_get("deals")?, seconds: seconds.unwrap_or_default() };
    Ok((row.try_get("stage_id")?, took))
}
