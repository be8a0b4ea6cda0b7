//! `globcrm demo`: what a new operator looks at first.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::fleet::run_once;
use testkit::{Progress, Workspace};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::client::all_pages;
use crate::stage::{Stage, program, text};
use crate::waiting;

/// What is left of the demo's events passes outbox, relay, broker and consumer.
const ARRIVES: Duration = Duration::from_secs(60);

fn demo(stage: &Stage) -> String {
    let workspace = Workspace::here().expect("the workspace");
    let all = stage.environments.all();
    tokio::task::block_in_place(|| run_once(&program(&workspace), "demo", &all, &Progress::silent()))
        .expect("the demo")
}

fn time(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(value.as_str().expect("a time"), &Rfc3339).expect("RFC 3339")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_is_a_year_of_work_in_every_history() {
    let stage = Stage::shared().await;
    let said = demo(stage);
    assert!(said.contains("acme: ada@acme.test and rep@acme.test"), "{said}");
    assert!(said.contains("200 deals, 151 activities"), "{said}");
    assert_eq!(demo(stage), "acme: is there already\nglobex: is there already\n");

    let login = json!({"organization": "acme", "email": "ada@acme.test", "password": "globcrm-demo-2026"});
    let session = stage.anonymous.post("/api/v1/auth/login", login).await.expect(200);
    let ada = stage.anonymous.with_token(&text(&session["access_token"]));
    let now = OffsetDateTime::now_utc();
    let by_age = [("order_by", "created_at")];

    let deals = all_pages(&ada, "deals", &by_age, "200").await;
    assert_eq!(deals.len(), 200);
    let months: BTreeSet<(i32, u8)> = deals
        .iter()
        .map(|deal| time(&deal["created_at"]))
        .inspect(|at| assert!(*at < now, "made later than now: {at}"))
        .map(|at| (at.year(), at.month().into()))
        .collect();
    assert!(months.len() >= 12, "deals were made in {months:?}");
    for status in ["open", "won", "lost"] {
        let of = deals.iter().filter(|deal| deal["status"] == status).count();
        assert!(of >= 30, "{of} deals are {status}");
    }
    let stages: BTreeSet<&str> = deals.iter().filter_map(|deal| deal["stage_key"].as_str()).collect();
    let pipeline =
        ada.get(&format!("/api/v1/pipelines/{}", text(&deals[0]["pipeline_id"]))).await.expect(200);
    assert_eq!(stages.len(), pipeline["stages"].as_array().expect("stages").len(), "{stages:?}");

    let won = deals.iter().find(|deal| deal["status"] == "won").expect("one is won");
    let path = format!("/api/v1/deals/{}", text(&won["id"]));
    let history = ada.get(&format!("{path}/stage-history")).await.expect(200);
    let entered: Vec<OffsetDateTime> = history["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| time(&entry["entered_at"]))
        .collect();
    let days: Vec<i64> = entered.windows(2).map(|pair| (pair[1] - pair[0]).whole_days()).collect();
    assert!(days.len() >= 4 && days.iter().all(|days| (3..=28).contains(days)), "{won} {history}");
    assert_eq!(entered.first(), Some(&time(&won["created_at"])));

    waiting::until(ARRIVES, "the timeline tells of the same times", async || {
        let page = ada.get(&format!("{path}/timeline?page_size=200")).await.expect(200);
        let moves = page["entries"].as_array().expect("entries").iter();
        let mut moves: Vec<OffsetDateTime> =
            moves.filter(|entry| entry["type"] == "stage_change").map(|entry| time(&entry["at"])).collect();
        moves.sort_unstable();
        moves == entered
    })
    .await;

    let activities = all_pages(&ada, "activities", &by_age, "200").await;
    let states: BTreeSet<&str> =
        activities.iter().filter_map(|activity| activity["state"].as_str()).collect();
    assert_eq!(states, BTreeSet::from(["cancelled", "completed", "in_progress", "planned"]));
    assert!(time(&activities[0]["created_at"]) < now - time::Duration::days(250));
}
