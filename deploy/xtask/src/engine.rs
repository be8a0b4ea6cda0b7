//! The Docker engine that the environment names, and the compose beside it.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testkit::{Unavailable, succeeds_within};

/// An engine that takes longer to say that it is there is none: a dead remote socket would keep us for minutes.
const ANSWERS: Duration = Duration::from_secs(10);

/// An error with exit code 3 where no engine answers.
pub(crate) fn require() -> Result<()> {
    let mut info = docker(&["info"]);
    info.stdout(Stdio::null()).stderr(Stdio::null());
    if succeeds_within(info, ANSWERS) {
        return Ok(());
    }
    let reason =
        "no Docker engine answers: start one, or name it by DOCKER_HOST (`docker info` must succeed)";
    Err(Unavailable::new(reason).into())
}

/// `docker …` at the root of the workspace.
pub(crate) fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    // The builder that has mounts; it is not the default of engines before 23.
    command.args(arguments).env("DOCKER_BUILDKIT", "1").current_dir(crate::root()).stdin(Stdio::null());
    command
}

/// `docker compose`, or the program of before it.
pub(crate) fn compose() -> Result<Command> {
    let mut plugin = docker(&["compose", "version"]);
    plugin.stdout(Stdio::null()).stderr(Stdio::null());
    if succeeds_within(plugin, ANSWERS) {
        return Ok(docker(&["compose"]));
    }
    let mut alone = Command::new("docker-compose");
    alone.current_dir(crate::root()).stdin(Stdio::null());
    let mut version = Command::new("docker-compose");
    version.arg("version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if succeeds_within(version, ANSWERS) {
        return Ok(alone);
    }
    Err(Unavailable::new("neither `docker compose` nor `docker-compose` is installed").into())
}

/// Standard output of a command that must succeed.
pub(crate) fn ask(mut command: Command) -> Result<String> {
    let what = format!("{command:?}");
    let output = command.output().with_context(|| what.clone())?;
    if !output.status.success() {
        bail!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failed_command_said_is_in_the_error() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo wrong >&2; exit 3"]);
        assert!(format!("{:#}", ask(command).unwrap_err()).ends_with("wrong"));
    }
}
