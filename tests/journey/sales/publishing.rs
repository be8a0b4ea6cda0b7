//! Step 2: a version that renames a stage, retires one and adds one, while deals stand in it and move. Pipeline dies while it is published.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::fleet::Role;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::killed::killed_during;
use super::{HEARD, Sales, all};
use crate::client::Client;
use crate::stage::{Stage, text};
use crate::waiting;

const DEALS: usize = 24;
const REPORTS: [&str; 4] = ["funnel", "forecast", "velocity", "win-loss"];

pub async fn a_version_is_published_while_deals_move(stage: Option<&mut Stage>, sales: &mut Sales) {
    let mut deals = Vec::new();
    for n in 0..DEALS {
        let currency = if n % 5 == 0 { "USD" } else { "EUR" };
        let amount = json!({"amount_minor": 100_000 + 1_000 * n, "currency": currency});
        let date = format!("2031-0{}-15", 1 + n % 6);
        let deal = json!({"name": format!("Deal {n}"), "amount": amount, "expected_close_date": date});
        let deal = sales.make(&sales.admin, deal).await;
        if n % 2 == 0 {
            sales.go(&deal, "demo", None, json!({})).await.expect(200);
        }
        deals.push(deal);
    }
    let then = OffsetDateTime::now_utc().format(&Rfc3339).expect("a moment");
    let before = as_of(sales, &then).await;
    assert_eq!(before[0]["stages"][0]["entered"], DEALS + 1, "{}", before[0]);

    let path = format!("/api/v1/pipelines/{}", sales.pipeline);
    let mut draft = sales.admin.get(&format!("{path}/draft")).await.expect(200);
    draft["stages"][2]["name"] = json!("Offer");
    draft["stages"][1] = json!({"key": "trial", "name": "Trial", "kind": "open", "probability": 40});
    let draft =
        json!({"stages": draft["stages"], "rules": draft["rules"], "transitions": draft["transitions"]});
    let saved = sales.admin.put(&format!("{path}/draft"), draft).await.expect(200);
    assert_eq!(saved["problems"], json!([]), "{saved}");
    let impact = sales.admin.get(&format!("{path}:impact")).await.expect(200);
    assert_eq!(
        impact["retired_stages"],
        json!([{"key": "demo", "name": "Demo", "open_deals": DEALS / 2}]),
        "{impact}"
    );

    let over = Arc::new(AtomicBool::new(false));
    let movers: Vec<_> = deals
        .chunks(DEALS / 4)
        .map(|deals| {
            tokio::spawn(move_about(sales.admin.clone(), path.clone(), deals.to_vec(), over.clone()))
        })
        .collect();
    let admin = sales.admin.clone();
    let publish = || {
        let call =
            admin.call(Method::POST, &format!("{path}:publish")).header("idempotency-key", "version-two");
        call.json(&json!({"stage_mapping": {"demo": "trial"}, "note": "trials sell better"})).try_send()
    };
    let published = killed_during(stage, Role::Pipeline, publish).await.expect(200);
    assert_eq!(published["published_version"], 2, "{published}");
    over.store(true, Ordering::Relaxed);
    for mover in movers {
        mover.await.expect("a mover");
    }
    sales.learn(&published);

    // Whoever stood in the retired stage was led on, also those that came there at the last moment.
    waiting::outcome(HEARD, "nobody stands in the retired stage", async || {
        let left = all(&sales.admin, "deals", &format!("stage_id = \"{}\"", sales.stage("demo"))).await;
        if left.is_empty() { Ok(()) } else { Err(format!("{} are left", left.len())) }
    })
    .await;
    let mut sources = BTreeSet::new();
    for deal in &deals {
        let entries = sales.history(deal).await;
        for (at, entry) in entries.iter().enumerate() {
            assert_eq!(entry["sequence"], at + 1, "{entries:?}");
            let name = match (entry["to"]["key"].as_str(), entry["pipeline_version"].as_i64()) {
                (Some("new"), _) => "New",
                (Some("demo"), Some(1)) => "Demo",
                (Some("trial"), Some(2)) => "Trial",
                (Some("proposal"), Some(1)) => "Proposal",
                (Some("proposal"), Some(2)) => "Offer",
                _ => panic!("{entry}"),
            };
            assert_eq!(entry["to"]["name"], name, "{entry}");
            if at > 0 {
                assert_eq!(entry["from"]["key"], entries[at - 1]["to"]["key"], "{entries:?}");
                assert_eq!(entry["entered_at"], entries[at - 1]["left_at"], "{entries:?}");
            }
            sources.insert(text(&entry["source"]));
        }
    }
    assert_eq!(sources, ["create", "move", "publish"].map(str::to_owned).into());
    let board = sales.board(&sales.admin).await;
    let columns = board["columns"].as_array().expect("columns");
    let names: Vec<&str> = columns.iter().filter_map(|column| column["stage"]["name"].as_str()).collect();
    assert_eq!(names, ["New", "Trial", "Offer", "Won", "Lost"]);
    let cards: i64 = columns.iter().filter_map(|column| column["count"]["value"].as_i64()).sum();
    assert_eq!(cards, DEALS as i64 + 1, "{board}");
    // What was reported of then is reported of then.
    assert_eq!(as_of(sales, &then).await, before);
}

async fn as_of(sales: &Sales, then: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for report in REPORTS {
        found.push(sales.report(&sales.admin, report, &[("as_of", then)]).await);
    }
    found
}

/// Moves deals to stages that the pipeline has at that moment, until it is over; a service that is dead, and a move that the rules of that
/// moment forbid, are passed over.
async fn move_about(admin: Client, pipeline: String, deals: Vec<String>, over: Arc<AtomicBool>) {
    let mut turn = 0;
    while !over.load(Ordering::Relaxed) {
        let Ok(answer) = admin.call(Method::GET, &pipeline).try_send().await else { continue };
        if answer.status != 200 {
            continue;
        }
        let shown = answer.json();
        let open: Vec<&Value> = shown["stages"]
            .as_array()
            .expect("stages")
            .iter()
            .filter(|stage| stage["kind"] == "open")
            .map(|stage| &stage["id"])
            .collect();
        let deal = &deals[turn % deals.len()];
        let to = open[turn / deals.len() % open.len()];
        turn += 1;
        let call = admin.call(Method::POST, &format!("/api/v1/deals/{deal}:move"));
        if let Ok(answer) = call.json(&json!({"stage_id": to})).try_send().await {
            assert!(
                matches!(answer.status, 200 | 409 | 422 | 503 | 504),
                "{} {}",
                answer.status,
                answer.text
            );
        }
    }
}
