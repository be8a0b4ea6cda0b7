//! Containers that belong to a process end with it, in whatever way it ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::backing::{Backing, Source};
use testkit::{Progress, Purpose, Workspace};

use super::backing::apart;
use crate::waiting;

const PRETEND: &str = "GLOBCRM_TEST_PRETEND_OWNER";

/// The owner that the next test starts, by this binary, and kills.
#[test]
#[ignore = "run by containers_end_when_their_owner_is_killed"]
#[expect(clippy::print_stdout, reason = "the answer to the test that runs it")]
fn a_pretend_owner_starts_containers() -> Result<()> {
    let root = std::env::var_os(PRETEND).with_context(|| format!("{PRETEND} is not set"))?;
    let workspace = Workspace::at(Path::new(&root))?;
    let backing = Backing::start(&workspace, Purpose::Test, &Progress::audible())?;
    println!("\nsource {:?}", backing.source(testkit::backing::Service::Redis));
    loop {
        std::thread::park();
    }
}

#[tokio::test]
async fn containers_end_when_their_owner_is_killed() -> Result<()> {
    let (workspace, root) = apart("owner")?;
    let mut owner = Command::new(std::env::current_exe()?)
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "faults::containers::a_pretend_owner_starts_containers",
        ])
        .env(PRETEND, &root)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(owner.stdout.take().context("piped")?).lines();
    let source = lines.find_map(|line| Some(line.ok()?.strip_prefix("source ")?.to_owned()));
    let state = std::fs::read_to_string(workspace.state_dir(Purpose::Test).join("state.json"))?;
    let state: serde_json::Value = serde_json::from_str(&state)?;
    let names: Vec<String> = state["instances"]
        .as_object()
        .context("instances")?
        .values()
        .filter_map(|instance| Some(instance["container"].as_str()?.to_owned()))
        .collect();
    if source == Some(format!("{:?}", Some(Source::Docker))) {
        assert!(!names.is_empty() && names.iter().all(|name| exists(name)), "{names:?}");
    }
    owner.kill()?;
    owner.wait()?;
    waiting::until(Duration::from_secs(30), "the containers are gone", async || {
        !names.iter().any(|name| exists(name))
    })
    .await;
    Backing::wipe(&workspace, Purpose::Test, &Progress::silent())?;
    Ok(std::fs::remove_dir_all(root)?)
}

fn exists(container: &str) -> bool {
    let inspect = Command::new("docker").args(["container", "inspect", container]).output();
    inspect.is_ok_and(|answer| answer.status.success())
}
