//! Step 4: one deal is won, one is lost; the reports are what the test computes of the deals and their histories.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Sales, all};
use crate::pipelines::report::percentile;
use crate::stage::text;

/// As durations are compared: the reports compute in floating point.
const CLOSE: f64 = 1e-3;
/// The stages from the first to the last, the retired one behind that which it followed.
const WAY: [&str; 5] = ["new", "demo", "trial", "proposal", "won"];

/// A deal and its visits.
struct Known {
    deal: Value,
    visits: Vec<Visit>,
}

struct Visit {
    stage: String,
    seconds: Option<f64>,
    next: Option<String>,
}

pub async fn one_deal_is_won_one_lost_and_the_reports_say_so(sales: &Sales) {
    // From wherever it is to the last open stage, and won.
    let won = sales.go(&sales.deal, "won", None, json!({})).await.expect(200);
    assert_eq!((&won["status"], &won["probability"]), (&json!("won"), &json!(100)), "{won}");
    assert!(won["closed_at"].is_string(), "{won}");
    let other = sales
        .make(&sales.admin, json!({"name": "Too dear", "amount": {"amount_minor": 5_000, "currency": "EUR"}}))
        .await;
    let lost = sales
        .go(&other, "lost", Some("they found another"), json!({"lost_reason": "price"}))
        .await
        .expect(200);
    assert_eq!((&lost["status"], &lost["lost_reason"]), (&json!("lost"), &json!("price")), "{lost}");

    let mut known = Vec::new();
    for deal in all(&sales.admin, "deals", &format!("pipeline_id = \"{}\"", sales.pipeline)).await {
        let entries = sales.history(&text(&deal["id"])).await;
        let visits = entries.iter().enumerate().map(|(at, entry)| Visit {
            stage: text(&entry["to"]["key"]),
            seconds: entry["left_at"].is_string().then(|| seconds(&entry["entered_at"], &entry["left_at"])),
            next: entries.get(at + 1).map(|next| text(&next["to"]["key"])),
        });
        known.push(Known { visits: visits.collect(), deal });
    }
    funnel(&known, &sales.report(&sales.admin, "funnel", &[]).await);
    forecast(&known, &sales.report(&sales.admin, "forecast", &[("period", "month")]).await);
    velocity(&known, &sales.report(&sales.admin, "velocity", &[]).await);
    win_loss(&known, &sales.report(&sales.admin, "win-loss", &[]).await);
}

fn funnel(known: &[Known], report: &Value) {
    let place = |key: &str| WAY.iter().position(|stage| *stage == key);
    let mut stages = BTreeSet::new();
    for row in report["stages"].as_array().expect("stages") {
        let key = text(&row["stage"]["key"]);
        let last: Vec<&Visit> =
            known.iter().filter_map(|deal| deal.visits.iter().rfind(|visit| visit.stage == key)).collect();
        let left =
            |judge: &dyn Fn(&Option<String>) -> bool| last.iter().filter(|visit| judge(&visit.next)).count();
        let forward =
            left(&|next| next.as_deref().is_some_and(|next| next != "lost" && place(next) > place(&key)));
        let ended = known.iter().flat_map(|deal| &deal.visits).filter(|visit| visit.stage == key);
        let median = percentile(ended.filter_map(|visit| visit.seconds).collect(), 0.5);
        assert_eq!(row["entered"], last.len(), "{row}");
        assert_eq!(row["left_forward"], forward, "{row}");
        assert_eq!(row["left_lost"], left(&|next| next.as_deref() == Some("lost")), "{row}");
        assert_eq!(row["still_there"], left(&Option::is_none), "{row}");
        let rate = (!last.is_empty()).then(|| forward as f64 / last.len() as f64);
        assert_close(&row["conversion_rate"], rate);
        assert_close(&row["median_seconds"], median);
        stages.insert(key);
    }
    assert_eq!(stages, ["new", "trial", "proposal", "won", "lost", "demo"].map(str::to_owned).into());
    assert_eq!((&report["won"], &report["lost"]), (&json!(1), &json!(1)), "{report}");
}

fn forecast(known: &[Known], report: &Value) {
    type Sums = BTreeMap<String, i64>;
    let mut expected: BTreeMap<Option<String>, (Sums, Sums, Sums, usize)> = BTreeMap::new();
    for Known { deal, .. } in known {
        let month = |at: &Value| at.as_str().map(|at| format!("{}-01", &at[..7]));
        let add = |sums: &mut Sums, money: &Value| {
            if let Some(minor) = money["amount_minor"].as_i64() {
                *sums.entry(text(&money["currency"])).or_default() += minor;
            }
        };
        match deal["status"].as_str() {
            Some("open") => {
                let period = expected.entry(month(&deal["expected_close_date"])).or_default();
                add(&mut period.0, &deal["amount"]);
                add(&mut period.1, &deal["weighted_amount"]);
                period.3 += 1;
            }
            Some("won") => {
                add(&mut expected.entry(month(&deal["closed_at"])).or_default().2, &deal["amount"]);
            }
            _ => {}
        }
    }
    let sums = |shown: &Value| -> Sums {
        let sums = shown.as_array().into_iter().flatten();
        sums.map(|money| (text(&money["currency"]), money["amount_minor"].as_i64().unwrap_or_default()))
            .collect()
    };
    let shown: BTreeMap<_, _> = report["periods"]
        .as_array()
        .expect("periods")
        .iter()
        .map(|period| {
            let count = period["count"].as_u64().unwrap_or_default() as usize;
            let start = period["start"].as_str().map(str::to_owned);
            (start, (sums(&period["open"]), sums(&period["weighted"]), sums(&period["won"]), count))
        })
        .collect();
    assert_eq!(shown, expected, "{report}");
}

fn velocity(known: &[Known], report: &Value) {
    let closed = || known.iter().filter(|known| known.deal["status"] != "open");
    let won = closed().filter(|known| known.deal["status"] == "won");
    let days: Vec<f64> =
        won.map(|won| seconds(&won.deal["created_at"], &won.deal["closed_at"]) / 86_400.0).collect();
    assert_eq!(report["won"]["count"], days.len(), "{report}");
    assert_close(&report["won"]["median_days"], percentile(days.clone(), 0.5));
    assert_close(&report["won"]["p90_days"], percentile(days, 0.9));
    for row in report["by_stage"].as_array().expect("stages") {
        let of_stage =
            |visit: &&Visit| row["stage"]["key"] == visit.stage.as_str() && visit.seconds.is_some();
        let deals = closed().filter(|known| known.visits.iter().any(|visit| of_stage(&visit))).count();
        let spent: Vec<f64> = closed()
            .flat_map(|known| &known.visits)
            .filter(of_stage)
            .filter_map(|visit| visit.seconds)
            .collect();
        assert_eq!(row["deals"], deals, "{row}");
        assert_close(&row["median_seconds"], percentile(spent.clone(), 0.5));
        assert_close(&row["p90_seconds"], percentile(spent, 0.9));
    }
}

fn win_loss(known: &[Known], report: &Value) {
    let count = |status: &str| known.iter().filter(|known| known.deal["status"] == status).count();
    let (won, lost) = (count("won"), count("lost"));
    assert_eq!((&report["won"], &report["lost"]), (&json!(won), &json!(lost)), "{report}");
    assert_close(&report["rate"], Some(won as f64 / (won + lost) as f64));
    assert_eq!(report["lost_reasons"], json!([{"reason": "price", "count": 1}]), "{report}");
}

fn seconds(from: &Value, to: &Value) -> f64 {
    let moment =
        |at: &Value| OffsetDateTime::parse(at.as_str().expect("a moment"), &Rfc3339).expect("RFC 3339");
    (moment(to) - moment(from)).as_seconds_f64()
}

#[track_caller]
fn assert_close(shown: &Value, expected: Option<f64>) {
    match (shown.as_f64(), expected) {
        (Some(shown), Some(expected)) => assert!((shown - expected).abs() < CLOSE, "{shown} {expected}"),
        (None, None) => {}
        (shown, expected) => panic!("{shown:?} instead of {expected:?}"),
    }
}
