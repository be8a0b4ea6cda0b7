//! `bench slice`: one page of a list and one import, end to end, on 100,000 contacts of two organisations with row-level
//! security on. Figures that hold for a release build only, on backing services of its own.

mod beside;
mod data;
mod hold;
mod proxy;
mod usage;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;
use testkit::backing::{Backing, Service};
use testkit::fleet::{self, Environments, Fleet, Launch, Places, Ports, Role};
use testkit::{Progress, Purpose, Workspace};

pub(super) use self::beside::imports;
use self::hold::{Held, hold};
use self::proxy::Proxy;
use super::api::{self, Organisation};
use super::database::{self, Login, Statement};
use super::{Measured, load, round};
use crate::cargo;

/// Contacts of the two organisations.
const BIG: u64 = 90_000;
const SMALL: u64 = 10_000;
const CONNECTIONS: usize = 8;
const WARM_UP: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(15);
/// How long an import of all contacts may take, and how long its events may take to be sent.
const IMPORT_BOUND: Duration = Duration::from_secs(900);
const DRAIN_BOUND: Duration = Duration::from_secs(300);
/// How often each of two commits is measured as a whole, where one of them cannot be held.
const WHOLE_RUNS: u8 = 2;

fn figure<'a>(name: &'a str, value: f64, unit: &'a str) -> Measured<'a> {
    Measured::new("slice", name, value, unit)
}

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Set this tree beside another commit: both fleets are up, and bursts of load go to them in turn
    #[arg(long, value_name = "COMMIT")]
    baseline: Option<String>,
    /// Bursts of load that each of the two gets
    #[arg(long, default_value_t = 20, requires = "baseline", value_parser = clap::value_parser!(u8).range(1..=200))]
    turns: u8,
    /// Start and fill the fleet, say where it is, and hold it until standard input ends
    #[arg(long, hide = true, conflicts_with = "baseline")]
    hold: bool,
}

pub(super) fn run(options: &Options, progress: &Progress) -> Result<()> {
    let Some(commit) = &options.baseline else { return alone(options.hold, progress) };
    if beside::run(commit, options.turns, progress)? {
        return Ok(());
    }
    progress.say("the bench of that commit holds no fleet: whole runs alternate, and say less");
    super::baseline::run("slice", commit, WHOLE_RUNS, progress)
}

fn alone(held: bool, progress: &Progress) -> Result<()> {
    let workspace = Workspace::here()?;
    let (program, proxy) = build(&workspace, progress)?;
    // Empty tables: the second run measures what the first did.
    Backing::wipe(&workspace, Purpose::Bench, progress)?;
    let backing = Backing::start(&workspace, Purpose::Bench, progress)?;
    let measured = measure(&workspace, &backing, (program, proxy), held, progress);
    let stopped = backing.stop_started();
    measured.and(stopped)
}

/// The product and the proxy, in one call so that both have the same dependencies.
fn build(workspace: &Workspace, progress: &Progress) -> Result<(PathBuf, PathBuf)> {
    progress.say("building globcrm with optimisation");
    let packages = [
        "--package",
        "globcrm",
        "--bin",
        "globcrm",
        "--package",
        "globcrm-gateway",
        "--example",
        "byte_proxy",
        "--features",
        "globcrm/jemalloc,globcrm-gateway/jemalloc",
    ];
    testkit::backing::provide_make(progress)?;
    cargo::run(cargo::cargo(&[&["build", "--release"][..], &packages[..]].concat()), progress)?;
    let release = workspace.target().join("release");
    Ok((release.join("globcrm"), release.join("examples/byte_proxy")))
}

fn measure(
    workspace: &Workspace,
    backing: &Backing,
    (program, proxy): (PathBuf, PathBuf),
    held: bool,
    progress: &Progress,
) -> Result<()> {
    let places = Places::beside(backing, Ports::fresh()?)?;
    let mut environments = fleet::environments(backing, &places)?;
    // One client makes all the load: what it may make in a minute is not what is measured.
    if let Some(gateway) = environments.roles.get_mut(&Role::Gateway) {
        for tier in ["TENANT", "PRINCIPAL", "API_KEY", "ANONYMOUS"] {
            gateway.insert(format!("GLOBCRM_GATEWAY_RATE_{tier}_PER_MINUTE"), "100000000".to_owned());
        }
    }
    fleet::run_once(&program, "migrate", &environments.migrate, progress)?;
    let logs = workspace.state_dir(Purpose::Bench).join("logs");
    let launch =
        Launch { program, arguments: Vec::new(), logs, lifetime: testkit::backing::Lifetime::Parent };
    let mut fleet = Fleet::start(launch, &environments, progress)?;
    let scene = Scene::new(backing, &fleet, &environments)?;
    let records_url = format!("http://127.0.0.1:{}", places.ports.grpc[&Role::Records]);
    let measured = memory(&fleet, progress).and_then(|()| {
        if held {
            let (big, _) = fill(&scene, progress)?;
            return hold(&scene.held(&big), progress);
        }
        let big = import(&scene, progress)?;
        lists(&scene, big, &proxy, &records_url, workspace, progress)
    });
    let stopped = fleet.stop();
    measured.and(stopped)
}

/// What is measured: addresses, logins, processes.
struct Scene {
    /// `host:port` of the gateway.
    gateway: String,
    gateway_pid: i32,
    records_pid: i32,
    admin: Login,
    app: Login,
    /// Of the database server, when it writes one here.
    log: Option<PathBuf>,
}

impl Scene {
    fn new(backing: &Backing, fleet: &Fleet, environments: &Environments) -> Result<Self> {
        let pid = |role| fleet.process(role).map(testkit::ProcessId::pid).context("every role runs");
        let url =
            environments.roles.get(&Role::Records).and_then(|own| own.get("GLOBCRM_RECORDS_DATABASE_URL"));
        Ok(Self {
            gateway: fleet.gateway_url().trim_start_matches("http://").to_owned(),
            gateway_pid: pid(Role::Gateway)?,
            records_pid: pid(Role::Records)?,
            admin: Login::parse(backing.postgres_admin_url())?.at_database("globcrm"),
            app: Login::parse(url.context("records has a database")?)?,
            log: backing.log(Service::Postgres)?,
        })
    }

    fn held(&self, big: &Organisation) -> Held {
        Held {
            gateway: self.gateway.clone(),
            slug: big.slug.clone(),
            tenant: big.tenant.clone(),
            gateway_pid: self.gateway_pid,
            records_pid: self.records_pid,
        }
    }
}

/// Memory of each process that has started and done nothing yet.
fn memory(fleet: &Fleet, progress: &Progress) -> Result<()> {
    // Ready is not yet at rest: connections and first fetches follow, and the allocator keeps for ten seconds what it was
    // given back.
    std::thread::sleep(Duration::from_secs(12));
    progress.check()?;
    for (role, process) in fleet.processes() {
        let memory = usage::memory(process.pid());
        for (kind, value) in [("rss", memory.rss), ("pss", memory.pss)] {
            if let Some(value) = value {
                figure(&format!("{kind}_{}", role.name()), value, "MiB").goal(25.0).print()?;
            }
        }
    }
    Ok(())
}

/// Fills both organisations; gives the big one, and the seconds that the imports took.
fn fill(scene: &Scene, progress: &Progress) -> Result<(Organisation, f64)> {
    let mut seconds = 0.0;
    let mut fill = |name: &str, rows: u64| -> Result<Organisation> {
        // A database of somebody else's may know the slugs of an earlier run.
        let mut organisation =
            Organisation::sign_up(&scene.gateway, format!("{name}-{}", std::process::id()))?;
        for definition in data::definitions() {
            organisation.post("/api/v1/objects/contact/fields", &definition)?;
        }
        let csv = data::csv(0..rows);
        progress.say(format!("importing {rows} contacts, {} MiB", csv.len() >> 20));
        let begin = Instant::now();
        bring_in(&mut organisation, &csv, rows, progress)?;
        seconds += begin.elapsed().as_secs_f64();
        Ok(organisation)
    };
    let big = fill("big", BIG)?;
    fill("small", SMALL)?;
    drain(scene, progress)?;
    Ok((big, seconds))
}

/// Fills both organisations and prints what it cost; gives the big one.
fn import(scene: &Scene, progress: &Progress) -> Result<Organisation> {
    let used = usage::cpu(scene.records_pid)?;
    let (big, seconds) = fill(scene, progress)?;
    let used = usage::cpu(scene.records_pid)? - used;
    let rows = (BIG + SMALL) as f64;
    figure("import", round(rows / seconds), "rows/s").goal(2_000.0).print()?;
    figure("import_cpu_of_records", round(used * 1e6 / rows), "µs/row").print()?;
    Ok(big)
}

/// Uploads and imports a file, and waits for its end.
fn bring_in(organisation: &mut Organisation, csv: &[u8], rows: u64, progress: &Progress) -> Result<()> {
    let upload = organisation.send("/api/v1/uploads", "text/csv", csv)?;
    let import = json!({
        "upload_id": upload["id"], "object": "contact", "mapping": data::mapping(), "duplicate_policy": "skip",
        "dry_run": false,
    });
    let operation = api::text(&organisation.post("/api/v1/imports", &import)?["id"])?;
    let (begin, mut said) = (Instant::now(), 0);
    loop {
        let now = organisation.get(&format!("/api/v1/operations/{operation}"))?;
        match now["state"].as_str() {
            Some("succeeded") if now["result"]["created"] == rows => return Ok(()),
            Some("queued" | "running") if begin.elapsed() < IMPORT_BOUND => {}
            _ => bail!("the import did not make {rows} contacts: {now}"),
        }
        if begin.elapsed().as_secs() / 10 > said {
            said = begin.elapsed().as_secs() / 10;
            progress.say(format!("{} rows done", now["progress"]["done"]));
        }
        progress.check()?;
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until the events of the import are sent: the relay would share the processor with the lists.
fn drain(scene: &Scene, progress: &Progress) -> Result<()> {
    let begin = Instant::now();
    let behind = "SELECT (SELECT last_value FROM records.outbox_seq_1) - low_watermark FROM records.relay_cursor WHERE lane = 1";
    loop {
        let left: i64 = scene.admin.query(&[behind])?.trim().parse()?;
        if left <= 0 {
            break;
        }
        if begin.elapsed() > DRAIN_BOUND {
            bail!("{left} events of the import are not sent after {} s", DRAIN_BOUND.as_secs());
        }
        progress.check()?;
        std::thread::sleep(Duration::from_millis(250));
    }
    figure("events_sent_after_import", round(begin.elapsed().as_secs_f64()), "s").print()
}

/// The page that is asked for.
fn list_path() -> String {
    format!(
        "/api/v1/contacts?filter={}&order_by={}&page_size={}",
        api::encode(data::FILTER),
        api::encode(data::ORDER_BY),
        data::PAGE_SIZE
    )
}

/// One page of the big organisation: by the gateway, by the proxy, and the statement alone.
fn lists(
    scene: &Scene,
    mut big: Organisation,
    proxy: &std::path::Path,
    records_url: &str,
    workspace: &Workspace,
    progress: &Progress,
) -> Result<()> {
    let path = list_path();
    let page = big.get(&path)?;
    let found = page["contacts"].as_array().map_or(0, Vec::len);
    if found != data::PAGE_SIZE || page["contacts"][0]["custom"]["tier"] != "gold" {
        bail!("not the page that was asked for: {found} contacts");
    }
    let statement = catch(scene, &mut big, &path, progress)?;
    let tenant = big.tenant.clone();

    let request = api::head(&scene.gateway, "GET", &path, big.token()?, None);
    load::run(&scene.gateway, &request, CONNECTIONS, WARM_UP, progress)?;
    progress.say(format!("listing through the gateway for {} s", MEASURED.as_secs()));
    let before = (usage::cpu(scene.gateway_pid)?, usage::cpu(scene.records_pid)?);
    let loaded = load::run(&scene.gateway, &request, CONNECTIONS, MEASURED, progress)?;
    let after = (usage::cpu(scene.gateway_pid)?, usage::cpu(scene.records_pid)?);
    let per_page = |used: f64, pages: usize| round(used * 1e6 / pages.max(1) as f64);
    let gateway_cpu = per_page(after.0 - before.0, loaded.latencies.count());
    let records_cpu = per_page(after.1 - before.1, loaded.latencies.count());

    let proxy_cpu = {
        progress.say(format!("listing through the proxy for {} s", MEASURED.as_secs()));
        let size = data::PAGE_SIZE.to_string();
        let proxy = Proxy::start(proxy, records_url, [data::FILTER, data::ORDER_BY, &size])?;
        let request = api::head(&proxy.address, "GET", "/", big.token()?, None);
        load::run(&proxy.address, &request, CONNECTIONS, WARM_UP, progress)?;
        let before = usage::cpu(proxy.pid())?;
        let copied = load::run(&proxy.address, &request, CONNECTIONS, MEASURED, progress)?;
        per_page(usage::cpu(proxy.pid())? - before, copied.latencies.count())
    };

    let timed = match &statement {
        Some(statement) => {
            progress.say(format!("the statement alone, by pgbench, for {} s", MEASURED.as_secs()));
            let dir = workspace.state_dir(Purpose::Bench);
            let time = |clients| statement.time(&scene.app, &tenant, (clients, MEASURED.as_secs()), &dir);
            Some((time(CONNECTIONS)?, time(1)?))
        }
        None => None,
    };
    let reference = |pick: fn(&database::Timed) -> f64| timed.as_ref().map(|(busy, _)| pick(busy));
    let list = &loaded.latencies;
    figure("list_throughput", loaded.per_second, "1/s").reference(reference(|t| t.per_second)).print()?;
    figure("list_p50", list.percentile(0.5), "ms")
        .reference(reference(|t| t.latencies.percentile(0.5)))
        .print()?;
    figure("list_p95", list.percentile(0.95), "ms")
        .goal(15.0)
        .reference(reference(|t| t.latencies.percentile(0.95)))
        .print()?;
    figure("list_p99", list.percentile(0.99), "ms")
        .reference(reference(|t| t.latencies.percentile(0.99)))
        .print()?;
    figure("list_bytes", loaded.bytes as f64, "B").print()?;
    if let Some((busy, alone)) = &timed {
        figure("database_p50", busy.latencies.percentile(0.5), "ms").goal(3.0).print()?;
        figure("database_p50_one_client", alone.latencies.percentile(0.5), "ms").print()?;
    }
    if let Some(statement) = &statement {
        let plan = statement.explain(&scene.app, &tenant)?;
        progress.say(format!("the plan\n{}", plan.trim()));
        let scans = plan.lines().filter(|line| line.contains("Seq Scan")).count();
        figure("seq_scans", scans as f64, "scans").goal(0.0).print()?;
    }
    figure("gateway_cpu_per_page", gateway_cpu, "µs").goal(150.0).reference(Some(proxy_cpu)).print()?;
    figure("gateway_cpu_ratio", round(gateway_cpu / proxy_cpu.max(0.01)), "x").goal(2.0).print()?;
    figure("records_cpu_per_page", records_cpu, "µs").print()
}

/// The statement of the list, where the server's log can be read.
fn catch(
    scene: &Scene,
    big: &mut Organisation,
    path: &str,
    progress: &Progress,
) -> Result<Option<Statement>> {
    let Some(log) = &scene.log else {
        progress.say("the database server writes no log here: its time is not measured");
        return Ok(None);
    };
    let statement = database::catch(&scene.admin, log, || big.get(path).map(drop))?;
    Ok(Some(statement))
}
