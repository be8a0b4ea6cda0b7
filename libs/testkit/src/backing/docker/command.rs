//! The docker command line. It reaches a container by its name, whichever process has started it and in whichever way.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::succeeds_within;

/// Whether `docker info` succeeds in time: a dead remote socket would keep us for minutes.
pub(super) fn answers(bound: Duration) -> bool {
    let mut command = Command::new("docker");
    command.arg("info").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    succeeds_within(command, bound)
}

/// Standard output of `docker` with `arguments`.
pub(in crate::backing) fn run(arguments: &[&str]) -> Result<String> {
    output(Command::new("docker").args(arguments), b"")
}

/// Standard output of a prepared command that reads `input`.
pub(super) fn output(command: &mut Command, input: &[u8]) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("running docker")?;
    if let Some(mut stdin) = child.stdin.take() {
        std::io::Write::write_all(&mut stdin, input)?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("docker: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

pub(super) fn exists(container: &str) -> bool {
    run(&["container", "inspect", container]).is_ok()
}

pub(in crate::backing) fn running(container: &str) -> bool {
    run(&["container", "inspect", "--format", "{{.State.Running}}", container])
        .is_ok_and(|answer| answer.trim() == "true")
}

/// The last lines of both outputs: servers tell of their end on either.
pub(in crate::backing) fn logs(container: &str) -> String {
    let arguments = ["-c", "exec docker logs --tail 20 \"$0\" 2>&1", container];
    output(Command::new("sh").args(arguments), b"").unwrap_or_default()
}

/// An orderly end; the container can be started again.
pub(in crate::backing) fn halt(container: &str) -> Result<()> {
    run(&["stop", "--time", "20", container]).map(drop)
}

/// Removes the container, running or not, with its unnamed volumes.
pub(super) fn remove(container: &str) -> Result<()> {
    run(&["rm", "--force", "--volumes", container]).map(drop)
}
