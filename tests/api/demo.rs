//! `globcrm demo`: what a new operator looks at first.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use testkit::backing::Backing;
use testkit::fleet::{Environments, run_once};
use testkit::{Progress, Purpose, Workspace};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::runtime::Handle;

use super::one_process::Running;
use crate::client::all_pages;
use crate::faults::backing::apart;
use crate::stage::{Stage, program, text};
use crate::waiting;

/// What is left of the demo's events passes outbox, relay, broker and consumer.
const ARRIVES: Duration = Duration::from_secs(60);
/// Until the demo's own fleet is ready and an organization has signed up.
const START: Duration = Duration::from_secs(90);

fn demo(program: &Path, environments: &Environments) -> anyhow::Result<String> {
    run_once(program, "demo", &environments.all(), &Progress::silent())
}

/// Begins to load it, and is killed when an organization is there.
fn break_off(program: &Path, environments: &Environments, database: &PgConnectOptions) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.arg("demo").env_clear().envs(environments.all()).stdin(Stdio::null()).stdout(Stdio::null());
    let _demo = Running(command.spawn()?);
    Handle::current().block_on(async {
        let mut conn = database.connect().await?;
        waiting::until(START, "an organization is there", async || {
            let found = sqlx::query("SELECT FROM identity.directory").fetch_optional(&mut conn).await;
            found.is_ok_and(|row| row.is_some())
        })
        .await;
        Ok(())
    })
}

/// A fleet that has loaded it before it began.
fn stage() -> anyhow::Result<(Stage, String)> {
    let (workspace, _) = apart("demo")?;
    let backing = Backing::start(&workspace, Purpose::Test, &Progress::silent())?;
    let database: PgConnectOptions = backing.postgres_admin_url().parse()?;
    let database = database.database("globcrm");
    let mut said = String::new();
    let stage = Stage::start_in(&workspace, &[], |program, environments| {
        break_off(program, environments, &database)?;
        let refused = demo(program, environments).expect_err("only a part is there");
        assert!(format!("{refused:#}").contains("acme: loading it broke off"), "{refused:#}");
        for arguments in ["migrate --down", "migrate"] {
            run_once(program, arguments, &environments.migrate, &Progress::silent())?;
        }
        said = demo(program, environments)?;
        assert_eq!(demo(program, environments)?, "acme: is there already\nglobex: is there already\n");
        Ok(())
    })?;
    let refused = demo(&program(&Workspace::here()?), &stage.environments).expect_err("its fleet runs");
    assert!(format!("{refused:#}").contains("is running on this database"), "{refused:#}");
    Ok((stage, said))
}

fn time(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(value.as_str().expect("a time"), &Rfc3339).expect("RFC 3339")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_is_a_year_of_work_in_every_history() {
    let (stage, said) = tokio::task::block_in_place(stage).expect("a fleet with the demo");
    assert!(said.contains("acme: ada@acme.test and rep@acme.test"), "{said}");
    assert!(said.contains("200 deals, 151 activities"), "{said}");

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
