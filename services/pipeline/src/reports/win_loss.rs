//! `GetWinLoss`.

use auth::Context;
use db::DbError;
use proto::pipeline::v1 as pb;
use query::Bind;
use sqlx::Row;

use super::{Question, Sent, store};
use crate::app::App;

/// The fields that it tells of deals.
const NEEDS: [&str; 3] = ["pipeline_id", "status", "closed_at"];
/// Most reasons that are shown.
const MOST: i64 = 100;

/// Says how many deals were won and lost in the window, and are in the pipeline.
#[tracing::instrument(name = "pipeline.reports.win_loss", skip_all)]
pub(crate) async fn win_loss(
    app: &App,
    cx: &Context,
    request: pb::GetWinLossRequest,
) -> error::Result<pb::GetWinLossResponse> {
    let pb::GetWinLossRequest { pipeline_id, filter, as_of, from, to } = &request;
    let sent = Sent { pipeline_id: pipeline_id.as_deref(), filter, as_of: *as_of, from, to };
    let question = Question::read(app, cx, sent, &NEEDS).await?;
    let shows_reasons = !question.mask.hides("lost_reason");
    let more = vec![Bind::Bool(shows_reasons), Bind::Int(MOST)];
    let rows = question.rows((store::WIN_LOSS_OF_ALL, store::WIN_LOSS), &[], more).await?;
    let mut report = pb::GetWinLossResponse::default();
    for row in rows {
        let total = |name: &str| row.try_get::<Option<i64>, _>(name).map(Option::unwrap_or_default);
        report.won = total("won").map_err(DbError::from)?;
        report.lost = total("lost").map_err(DbError::from)?;
        if shows_reasons && row.try_get("is_lost").map_err(DbError::from)? {
            let reason = row.try_get("reason").map_err(DbError::from)?;
            let count = row.try_get("deals").map_err(DbError::from)?;
            report.lost_reasons.push(pb::LostReason { reason, count });
        }
    }
    report.rate = rate(report.won, report.lost);
    Ok(report)
}

#[allow(clippy::cast_precision_loss, reason = "deals are fewer than 2^53")]
fn rate(won: i64, lost: i64) -> Option<f64> {
    (won + lost > 0).then(|| won as f64 / (won + lost) as f64)
}
