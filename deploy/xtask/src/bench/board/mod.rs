//! `bench board`: what a seller waits for, on 100,000 deals with a million stage entries and a million activities, row-level security on:
//! the time that the database takes, beside plain SQL for the same by `pgbench`.

mod plain;
mod seed;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use testkit::backing::{Backing, Lifetime, Service};
use testkit::fleet::{self, Fleet, Launch, Places, Ports, Role};
use testkit::{Progress, Purpose, Workspace};

use super::api::{Organisation, encode, text};
use super::database::{self, Login, Sent};
use super::load::Latencies;
use super::{Measured, round};
use crate::cargo;
use seed::Seeded;

/// Calls of each kind; the first are not counted.
const CALLS: usize = 60;
const WARM_UP: usize = 10;
/// How long `pgbench` runs each script, in seconds.
const PLAIN: u64 = 5;
/// Records of a bulk change.
const MANY: usize = 10_000;
const BULK_BOUND: Duration = Duration::from_secs(300);

fn figure<'a>(name: &'a str, value: f64, unit: &'a str) -> Measured<'a> {
    Measured::new("board", name, value, unit)
}

pub(super) fn run(progress: &Progress) -> Result<()> {
    let workspace = Workspace::here()?;
    progress.say("building globcrm with optimisation");
    testkit::backing::provide_make(progress)?;
    let packages =
        ["build", "--release", "--package", "globcrm", "--bin", "globcrm", "--features", "globcrm/jemalloc"];
    cargo::run(cargo::cargo(&packages), progress)?;
    // Empty tables: the second run measures what the first did.
    Backing::wipe(&workspace, Purpose::Bench, progress)?;
    let backing = Backing::start(&workspace, Purpose::Bench, progress)?;
    let measured = on(&workspace, &backing, progress);
    let stopped = backing.stop_started();
    measured.and(stopped)
}

fn on(workspace: &Workspace, backing: &Backing, progress: &Progress) -> Result<()> {
    let program = workspace.target().join("release/globcrm");
    let places = Places::beside(backing, Ports::fresh()?)?;
    let mut environments = fleet::environments(backing, &places)?;
    if let Some(gateway) = environments.roles.get_mut(&Role::Gateway) {
        for tier in ["TENANT", "PRINCIPAL", "ANONYMOUS"] {
            gateway.insert(format!("GLOBCRM_GATEWAY_RATE_{tier}_PER_MINUTE"), "100000000".to_owned());
        }
    }
    fleet::run_once(&program, "migrate", &environments.migrate, progress)?;
    let dir = workspace.state_dir(Purpose::Bench);
    let launch =
        Launch { program, arguments: Vec::new(), logs: dir.join("logs"), lifetime: Lifetime::Parent };
    let mut fleet = Fleet::start(launch, &environments, progress)?;
    let login = |role: Role| {
        let own = environments.roles.get(&role);
        let url = own.and_then(|own| own.get(&format!("GLOBCRM_{}_DATABASE_URL", role.upper())));
        Login::parse(url.context("the service has a database")?)
    };
    let scene = Scene {
        admin: Login::parse(backing.postgres_admin_url())?.at_database("globcrm"),
        pipeline: login(Role::Pipeline)?,
        activities: login(Role::Activities)?,
        log: backing.log(Service::Postgres)?.context("the database server writes no log here")?,
        dir,
    };
    let gateway = fleet.gateway_url().trim_start_matches("http://").to_owned();
    let measured = measure(&scene, &gateway, progress);
    let stopped = fleet.stop();
    measured.and(stopped)
}

struct Scene {
    admin: Login,
    pipeline: Login,
    activities: Login,
    log: PathBuf,
    dir: PathBuf,
}

/// The service whose time in the database is measured.
#[derive(Clone, Copy)]
struct Of<'s> {
    role: &'static str,
    schema: &'static str,
    login: &'s Login,
}

fn measure(scene: &Scene, gateway: &str, progress: &Progress) -> Result<()> {
    let mut admin = Organisation::sign_up(gateway, format!("sales-{}", std::process::id()))?;
    let read_and_change = ["create", "read", "update"];
    let mut rep = admin.member(
        "rep",
        &json!([
            {"object": "deal", "actions": read_and_change, "scopes": ["own"]},
            {"object": "activity", "actions": read_and_change, "scopes": ["own"]},
            {"object": "pipeline", "actions": ["read"], "scopes": ["all"]},
        ]),
    )?;
    let seeded = seed::seed(&mut admin, &mut rep, &scene.admin, progress)?;
    let pipeline = Of { role: "globcrm_pipeline_app", schema: "pipeline", login: &scene.pipeline };
    let activities = Of { role: "globcrm_activities_app", schema: "activities", login: &scene.activities };
    let board = format!("/api/v1/deals:board?pipeline_id={}&limit=20", seeded.pipeline);
    let (to, from) = (encode(&seeded.now), encode(&seeded.month_ago));
    let funnel =
        format!("/api/v1/reports/funnel?pipeline_id={}&from={from}&to={to}&as_of={to}", seeded.pipeline);
    let timeline = format!("/api/v1/deals/{}/timeline?page_size=50", seeded.deal);
    for (scope, caller) in [("all", &mut admin), ("own", &mut rep)] {
        let mut read = |name: &str, path: &str, of: Of<'_>, goal: f64| -> Result<Vec<Sent>> {
            progress.say(format!("{name}, scope {scope}"));
            let sent = scene.calls(of.role, |_| caller.get(path).map(drop))?;
            let script = plain::replay(sent.last().context("a call")?);
            let reference = scene.plain(of, &caller.tenant, &script)?;
            print(&format!("{name}_{scope}"), &sent, goal, Some(reference))?;
            Ok(sent)
        };
        let sent = read("board", &board, pipeline, 5.0)?;
        // What the service does by itself meanwhile is in few of them.
        let mut counts: Vec<usize> = sent.iter().map(|sent| sent.statements.len()).collect();
        counts.sort_unstable();
        let most = counts.get(counts.len() / 2).copied().unwrap_or_default();
        figure(&format!("board_statements_{scope}"), most as f64, "statements").goal(2.0).print()?;
        read("funnel", &funnel, pipeline, 100.0)?;
        read("timeline", &timeline, activities, 5.0)?;
    }
    progress.say("moves");
    let sent = scene.calls(pipeline.role, |n| {
        let body = json!({"stage_id": seeded.second_stage});
        admin.post(&format!("/api/v1/deals/{}:move", seed::movable(n)), &body).map(drop)
    })?;
    let reference = scene.plain(pipeline, &admin.tenant, &plain::move_deal(&seeded))?;
    print("move", &sent, 3.0, Some(reference))?;
    for (step, milliseconds) in sent.last().map(|sent| sent.steps.as_slice()).unwrap_or_default() {
        progress.say(format!("of the last move: {milliseconds:.2} ms {step}"));
    }
    bulk(scene, &mut admin, &seeded, progress)
}

impl Scene {
    fn calls(&self, role: &str, call: impl FnMut(usize) -> Result<()>) -> Result<Vec<Sent>> {
        let mut sent = database::sent(&self.admin, (&self.log, role), CALLS, call)?;
        Ok(sent.split_off(WARM_UP))
    }

    fn plain(&self, of: Of<'_>, tenant: &str, script: &str) -> Result<f64> {
        let taken = database::pgbench(of.login, (of.schema, tenant), script, (PLAIN, &self.dir))?;
        Ok(taken.percentile(0.5))
    }
}

/// The median of the time that calls took in the database.
fn print(name: &str, sent: &[Sent], goal: f64, reference: Option<f64>) -> Result<()> {
    let taken = sent.iter().map(|sent| Duration::from_secs_f64(sent.milliseconds / 1_000.0));
    let median = Latencies::new(taken.collect()).percentile(0.5);
    figure(&format!("{name}_database_p50"), median, "ms").goal(goal).reference(reference).print()
}

/// A bulk update and its undo, from the call until the operation is over, beside one statement for all of it.
fn bulk(scene: &Scene, admin: &mut Organisation, seeded: &Seeded, progress: &Progress) -> Result<()> {
    progress.say(format!("a bulk update of {MANY} deals"));
    let begin = Instant::now();
    scene.admin.query(&[&plain::update_many(&admin.tenant, seeded, MANY)])?;
    let reference = begin.elapsed().as_secs_f64();
    let filter = format!("tags = \"{}\"", seed::TAG);
    let body = json!({"object": "deal", "filter": filter, "action": "update", "changes": {"next_step": "Call them"}});
    let begin = Instant::now();
    let started = admin.post("/api/v1/bulk-operations", &body)?;
    let id = text(&started["operation"]["id"])?;
    over(admin, &id, progress)?;
    let taken = begin.elapsed().as_secs_f64();
    figure("bulk_update_10000", round(taken), "s").goal(5.0).reference(Some(round(reference))).print()?;
    let begin = Instant::now();
    let undo = text(&admin.post(&format!("/api/v1/operations/{id}:undo"), &json!({}))?["id"])?;
    over(admin, &undo, progress)?;
    let taken = begin.elapsed().as_secs_f64();
    figure("bulk_undo_10000", round(taken), "s").goal(5.0).reference(Some(round(reference))).print()
}

/// Waits until an operation has changed them all.
fn over(admin: &mut Organisation, id: &str, progress: &Progress) -> Result<Value> {
    let begin = Instant::now();
    loop {
        let now = admin.get(&format!("/api/v1/operations/{id}"))?;
        match now["state"].as_str() {
            Some("succeeded") if now["result"]["updated"] == MANY => return Ok(now),
            Some("queued" | "running") if begin.elapsed() < BULK_BOUND => {}
            _ => bail!("the operation did not change {MANY} deals: {now}"),
        }
        progress.check()?;
        std::thread::sleep(Duration::from_millis(50));
    }
}
