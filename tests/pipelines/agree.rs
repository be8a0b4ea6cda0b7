//! The service says what the model says.

use std::collections::BTreeMap;

use anyhow::Result;
use proto::pipeline::v1 as pb;
use time::OffsetDateTime;

use super::histories::{Run, money};
use super::model::Deal;
use super::report::{Funnel, Question};
use crate::pipeline::world::Asked;

/// Numbers that were computed in different orders.
fn close(found: Option<f64>, wanted: Option<f64>) -> bool {
    match (found, wanted) {
        (Some(found), Some(wanted)) => (found - wanted).abs() <= 1e-6 * wanted.abs().max(1.0),
        (None, None) => true,
        _ => false,
    }
}

/// The history of every deal, and the boards.
pub(super) async fn now(run: &Run) -> Result<()> {
    for deal in run.model.deals.iter().filter(|deal| !*deal.is_trashed.last()) {
        history(run, deal).await?;
    }
    for pipeline in 0..run.model.pipelines.len() {
        board(run, pipeline).await?;
    }
    Ok(())
}

async fn history(run: &Run, deal: &Deal) -> Result<()> {
    let entries = run.who.history(&deal.id).await?;
    let moment = |at: &Option<prost_types::Timestamp>| at.as_ref().and_then(proto::moment);
    let found: Vec<_> = entries
        .iter()
        .map(|entry| {
            let to = entry.to.as_ref().unwrap();
            (
                to.key.as_str(),
                to.name.as_str(),
                moment(&entry.entered_at),
                moment(&entry.left_at),
                entry.source(),
            )
        })
        .collect();
    let left = deal.stays.iter().skip(1).map(|next| Some(next.at)).chain([None]);
    let wanted: Vec<_> = deal
        .stays
        .iter()
        .zip(left)
        .map(|(stay, left)| (stay.key, stay.name.as_str(), Some(stay.at), left, stay.source))
        .collect();
    assert_eq!(found, wanted, "the history of {}", deal.id);
    Ok(())
}

async fn board(run: &Run, pipeline: usize) -> Result<()> {
    let now = run.now();
    let of = &run.model.pipelines[pipeline];
    let request =
        pb::GetDealBoardRequest { pipeline_id: Some(of.id.clone()), limit: Some(50), ..Default::default() };
    let columns = run.who.board(request).await?;
    let in_force: Vec<&str> = of.versions.last().iter().map(|stage| stage.key).collect();
    let shown: Vec<&str> = columns.iter().map(|column| column.stage.as_ref().unwrap().key.as_str()).collect();
    assert_eq!(shown[..in_force.len()], in_force[..]);
    let mut standing: BTreeMap<&str, Vec<&Deal>> = BTreeMap::new();
    for deal in run.model.deals.iter().filter(|deal| deal.is_live(now)) {
        if deal.now().pipeline == pipeline {
            standing.entry(deal.now().key).or_default().push(deal);
        }
    }
    for column in &columns {
        let key = column.stage.as_ref().unwrap().key.as_str();
        let mut deals = standing.remove(key).unwrap_or_default();
        // The last that came is the first card; those that came at the same time stand in any order.
        deals.sort_by_key(|deal| (std::cmp::Reverse(deal.now().at), deal.id.clone()));
        let mut found: Vec<_> =
            column.deals.iter().map(|deal| (deal.stage_entered_at, deal.id.clone())).collect();
        assert!(found.is_sorted_by_key(|(at, _)| std::cmp::Reverse(at.map(|at| (at.seconds, at.nanos)))));
        found.sort_by_key(|(at, id)| (std::cmp::Reverse(at.map(|at| (at.seconds, at.nanos))), id.clone()));
        let found: Vec<_> = found.into_iter().map(|(_, id)| id).collect();
        assert_eq!(found, deals.iter().map(|deal| deal.id.clone()).collect::<Vec<_>>(), "the column {key}");
        let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
        for (minor, currency) in deals.iter().filter_map(|deal| *deal.amount.last()) {
            *sums.entry(currency).or_default() += minor;
        }
        let sums: Vec<_> =
            sums.into_iter().filter_map(|(currency, minor)| money(Some((minor, currency)))).collect();
        let count = column.count.as_ref().unwrap().value;
        assert_eq!((count, &column.sums), (deals.len() as i64, &sums), "the column {key}");
        assert_eq!(column.is_retired, !in_force.contains(&key), "the column {key}");
    }
    assert!(standing.is_empty(), "no column has {:?}", standing.keys());
    Ok(())
}

/// All reports as of a moment, about both pipelines, for some windows and filters.
pub(super) async fn reports(run: &Run, then: OffsetDateTime, now: OffsetDateTime) -> Result<()> {
    let as_of = (then < now).then_some(then);
    let weeks = time::Duration::weeks;
    let windows = [None, Some((then - weeks(20), then - weeks(2)))];
    for pipeline in 0..run.model.pipelines.len() {
        for (window, least) in windows.into_iter().flat_map(|window| [(window, None), (window, Some(3_000))])
        {
            let (from, to) =
                window.unwrap_or((OffsetDateTime::UNIX_EPOCH, OffsetDateTime::UNIX_EPOCH + weeks(10_000)));
            let question = Question { model: &run.model, pipeline, as_of: then, from, to, least };
            let text = |at: OffsetDateTime| {
                let text = at.format(&time::format_description::well_known::Rfc3339).unwrap();
                if window.is_some() { text } else { String::new() }
            };
            let asked = Asked {
                pipeline_id: Some(run.model.pipelines[pipeline].id.clone()),
                filter: least.map(|_| r#"amount >= "30.00 EUR""#.to_owned()).unwrap_or_default(),
                as_of,
                from: text(from),
                to: text(to),
            };
            one(run, question, &asked).await?;
        }
    }
    Ok(())
}

async fn one(run: &Run, question: Question<'_>, asked: &Asked) -> Result<()> {
    let context = format!("pipeline {}, {asked:?}", question.pipeline);
    let found = run.who.funnel(asked).await?;
    let (wanted, won, lost) = question.funnel();
    let rows: Funnel = found.stages.iter().map(row).collect();
    let is_close = rows.len() == wanted.len()
        && rows.iter().zip(&wanted).all(|(a, b)| (&a.0, a.1) == (&b.0, b.1) && close(a.2, b.2));
    assert!(is_close, "funnel, {context}\nfound {rows:#?}\nwanted {wanted:#?}");
    assert_eq!((found.won, found.lost), (won, lost), "funnel, {context}");
    for of in &found.stages {
        let rate = (of.entered > 0).then(|| of.left_forward as f64 / of.entered as f64);
        assert_eq!(of.conversion_rate, rate);
    }

    let found = run.who.velocity(asked).await?;
    let ((count, median, p90), wanted) = question.velocity();
    let won = found.won.unwrap();
    assert!(
        won.count == count && close(won.median_days, median) && close(won.p90_days, p90),
        "velocity, {context}: {won:?} instead of {count} {median:?} {p90:?}"
    );
    let rows: Vec<_> = found
        .by_stage
        .iter()
        .map(|of| (of.stage.as_ref().unwrap().name.clone(), of.deals, of.median_seconds, of.p90_seconds))
        .collect();
    let is_close = rows.len() == wanted.len()
        && rows
            .iter()
            .zip(&wanted)
            .all(|(a, b)| (&a.0, a.1) == (&b.0, b.1) && close(a.2, b.2) && close(a.3, b.3));
    assert!(is_close, "velocity, {context}\nfound {rows:#?}\nwanted {wanted:#?}");

    assert_eq!(run.who.win_loss(asked).await?, question.win_loss(), "win-loss, {context}");
    if asked.from.is_empty() {
        let found = run.who.forecast(asked, pb::ForecastPeriod::Month).await?;
        assert_eq!(found, question.forecast(), "forecast, {context}");
    }
    Ok(())
}

fn row(of: &pb::FunnelStage) -> (String, [i64; 4], Option<f64>) {
    let counts = [of.entered, of.left_forward, of.left_lost, of.still_there];
    (of.stage.as_ref().unwrap().name.clone(), counts, of.median_seconds)
}
