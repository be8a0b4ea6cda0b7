//! `GetForecast`.

use auth::Context;
use db::DbError;
use error::{Error, Reason, Violation};
use field_types::moment::date_text;
use proto::common::v1::Money;
use proto::pipeline::v1 as pb;
use query::{Bind, groups};
use sqlx::Row;
use sqlx::postgres::PgRow;
use time::Date;

use super::{Question, Sent, store};
use crate::app::App;

/// The fields that it tells of deals.
const NEEDS: [&str; 4] = ["pipeline_id", "status", "expected_close_date", "closed_at"];
/// Most periods that are shown, beside that of the deals without a date.
const MOST: usize = 120;

/// Says what the open deals of the pipeline amount to, by when they are expected to close, and those that were won.
#[tracing::instrument(name = "pipeline.reports.forecast", skip_all)]
pub(crate) async fn forecast(
    app: &App,
    cx: &Context,
    request: pb::GetForecastRequest,
) -> error::Result<pb::GetForecastResponse> {
    let pb::GetForecastRequest { pipeline_id, filter, as_of, from, to, .. } = &request;
    let sent = Sent { pipeline_id: pipeline_id.as_deref(), filter, as_of: *as_of, from, to };
    let question = Question::read(app, cx, sent, &NEEDS).await?;
    let fixed = [("pipeline_id", Bind::Uuid(question.whole.pipeline.id))];
    let more = vec![
        Bind::Text(unit(request.period()).to_owned()),
        Bind::Bool(!question.has_window()),
        Bind::Int(MOST as i64 + 2),
        Bind::Int(groups::MOST),
    ];
    let rows = question.rows((store::FORECAST_OF_ALL, store::FORECAST), &fixed, more).await?;
    let mut periods: Vec<pb::Forecast> = Vec::new();
    for row in &rows {
        let part = Part::read(row).map_err(DbError::from)?;
        let start = part.start.map(date_text);
        if periods.last().is_none_or(|last| last.start != start) {
            periods.push(pb::Forecast { start, ..Default::default() });
        }
        if let Some(period) = periods.last_mut() {
            part.add_to(period, &question);
        }
    }
    if periods.iter().filter(|period| period.start.is_some()).count() > MOST {
        let text = format!(
            "more than {MOST} periods have deals; ask for longer ones, or for a window by from and to"
        );
        return Err(Error::validation(vec![Violation::new("/period", Reason::TOO_MANY_PERIODS, text)]));
    }
    Ok(pb::GetForecastResponse { periods })
}

fn unit(period: pb::ForecastPeriod) -> &'static str {
    match period {
        pb::ForecastPeriod::Day => "day",
        pb::ForecastPeriod::Week => "week",
        pb::ForecastPeriod::Month | pb::ForecastPeriod::Unspecified => "month",
        pb::ForecastPeriod::Quarter => "quarter",
        pb::ForecastPeriod::Year => "year",
    }
}

/// The deals of a period in one currency, either the open or the won ones.
struct Part {
    start: Option<Date>,
    is_open: bool,
    deals: i64,
    currency: Option<String>,
    amount: Option<i64>,
    weighted: Option<i64>,
}

impl Part {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            start: row.try_get("start")?,
            is_open: row.try_get("is_open")?,
            deals: row.try_get("deals")?,
            currency: row.try_get("currency")?,
            amount: row.try_get("amount")?,
            weighted: row.try_get("weighted")?,
        })
    }

    fn add_to(self, period: &mut pb::Forecast, question: &Question<'_>) {
        let money = |minor: Option<i64>, field: &str| {
            let currency = self.currency.clone().filter(|_| !question.mask.hides(field))?;
            Some(Money { amount_minor: Some(minor?), currency: Some(currency) })
        };
        let amount = money(self.amount, "amount");
        if self.is_open {
            period.count += self.deals;
            period.open.extend(amount);
            period.weighted.extend(money(self.weighted, "weighted_amount"));
        } else {
            period.won.extend(amount);
        }
    }
}
