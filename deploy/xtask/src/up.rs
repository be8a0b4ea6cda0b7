//! `up`, `down`, `reset`: the fleet on this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testkit::backing::{Backing, Lifetime};
use testkit::fleet::{self, Environments, Fleet, Launch, Places, Ports};
use testkit::{Progress, Purpose, Workspace};

use crate::cargo;

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Build with optimisation
    #[arg(long)]
    release: bool,
    /// Return when the fleet is ready and leave it running; `down` stops it
    #[arg(long)]
    detach: bool,
}

/// Builds the binary and says where it lies.
pub(crate) fn build(workspace: &Workspace, release: bool, progress: &Progress) -> Result<PathBuf> {
    progress.say("building globcrm");
    let mut command = cargo::cargo(&["build", "--package", "globcrm"]);
    if release {
        // Before the build: what cargo would say of its absence names a script, not what to do.
        testkit::backing::provide_make(progress)?;
        command.args(["--release", "--features", "jemalloc"]);
    }
    cargo::run(command, progress)?;
    Ok(workspace.target().join(if release { "release" } else { "debug" }).join("globcrm"))
}

pub(crate) fn up(options: &Options, progress: &Progress) -> Result<()> {
    let workspace = Workspace::here()?;
    let summary = workspace.state_dir(Purpose::Dev).join("summary.txt");
    if !fleet::recorded(&workspace, Purpose::Dev)?.is_empty() {
        println!("{}", std::fs::read_to_string(&summary).unwrap_or_default());
        progress.say("the fleet already runs; `cargo xtask down` stops it");
        return Ok(());
    }
    let program = build(&workspace, options.release, progress)?;
    let lifetime = if options.detach { Lifetime::Detached } else { Lifetime::Parent };
    let backing = Backing::start_for(&workspace, Purpose::Dev, lifetime, progress)?;
    let served = serve(options, &workspace, &backing, program, &summary, progress);
    // A detached fleet needs its backing services; everything else ends with this command.
    let stopped = if options.detach && served.is_ok() { Ok(()) } else { backing.stop_started() };
    served.and(stopped)
}

fn serve(
    options: &Options,
    workspace: &Workspace,
    backing: &Backing,
    program: PathBuf,
    summary: &Path,
    progress: &Progress,
) -> Result<()> {
    let places = Places::beside(backing, Ports::remembered(backing)?)?;
    let environments = fleet::environments(backing, &places)?;
    fleet::run_once(&program, "migrate", &environments.migrate, progress)?;
    // Before the fleet runs: the demo has one of its own, which would take its events, by the clock of last year.
    let users = demo(workspace, &program, &environments, progress)?;
    let lifetime = if options.detach { Lifetime::Detached } else { Lifetime::Parent };
    let logs = workspace.state_dir(Purpose::Dev).join("logs");
    let launch = Launch { program: program.clone(), arguments: Vec::new(), logs, lifetime };
    let mut fleet = Fleet::start(launch, &environments, progress)?;
    fleet::record(workspace, Purpose::Dev, &fleet)?;
    let text = describe(fleet.gateway_url(), &users);
    testkit::write_private(summary, text.as_bytes())?;
    println!("{text}");
    if options.detach {
        progress.say("the fleet is ready and stays; `cargo xtask down` stops it");
        fleet.detach();
        return Ok(());
    }
    progress.say("the fleet is ready; Ctrl-C stops it");
    let ended = watch(&fleet, progress);
    progress.say("stopping");
    fleet.stop()?;
    fleet::stop_recorded(workspace, Purpose::Dev, progress)?;
    ended
}

/// Waits for the interruption, which is the ordinary end; a role that ends by itself is an error.
fn watch(fleet: &Fleet, progress: &Progress) -> Result<()> {
    while !progress.is_cancelled() {
        if let Some(role) = fleet.ended() {
            bail!("{} has ended: see {}", role.name(), fleet.log(role).display());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Fills an empty fleet once; what `globcrm demo` printed (its users) is shown at every start.
fn demo(
    workspace: &Workspace,
    program: &Path,
    environments: &Environments,
    progress: &Progress,
) -> Result<String> {
    let marker = workspace.state_dir(Purpose::Dev).join("demo.txt");
    if let Ok(text) = std::fs::read_to_string(&marker) {
        return Ok(text);
    }
    let text = fleet::run_once(program, "demo", &environments.all(), progress)?;
    testkit::write_private(&marker, text.as_bytes())?;
    Ok(text)
}

fn describe(url: &str, users: &str) -> String {
    let users = users.trim_end();
    format!(
        "\nGlobCRM: {url}  (API to browse: {url}/docs)\n\n{users}\n\n\
         TOKEN=$(curl -sS {url}/api/v1/auth/login -H 'content-type: application/json' \\\n     \
         -d '{{\"organization\":\"acme\",\"email\":\"ada@acme.test\",\"password\":\"{DEMO_PASSWORD}\"}}' \\\n     \
         | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\n\
         curl -sS \"{url}/api/v1/contacts?page_size=2\" -H \"authorization: Bearer $TOKEN\"\n\
         curl -sS -G {url}/api/v1/contacts -H \"authorization: Bearer $TOKEN\" \\\n     \
         --data-urlencode 'filter=custom.tier = \"gold\"' -d order_by=custom.renewal_date -d fields=full_name,custom\n\
         curl -sS \"{url}/api/v1/deals:board?limit=3\" -H \"authorization: Bearer $TOKEN\"\n"
    )
}

/// Of the users that `globcrm demo` makes.
const DEMO_PASSWORD: &str = "globcrm-demo-2026";

pub(crate) fn down(progress: &Progress) -> Result<()> {
    let workspace = Workspace::here()?;
    fleet::stop_recorded(&workspace, Purpose::Dev, progress)?;
    Backing::stop(&workspace, Purpose::Dev, progress)
}

pub(crate) fn reset(progress: &Progress) -> Result<()> {
    let workspace = Workspace::here()?;
    fleet::stop_recorded(&workspace, Purpose::Dev, progress)?;
    Backing::wipe(&workspace, Purpose::Dev, progress).context("forgetting the data")?;
    progress.say("the data are forgotten");
    Ok(())
}
