//! A container with its data in a named volume, through the command line.
//!
//! Not through testcontainers, which is made for what ends with its process: `up --detach` returns and leaves its
//! containers to `down`, and a developer's or a benchmark's data outlive them both.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Docker;
use super::command::{exists, logs, output, remove, running};
use super::recipe::{recipe, url};
use crate::backing::{Instance, Service, Source};
use crate::workspace::Purpose;

pub(super) fn start(docker: &Docker, service: Service, name: &str) -> Result<Instance> {
    let (port, password) = docker.place(service)?;
    docker.progress.say(format!("starting container {name} on port {port}"));
    // Left by a crash of the machine: its data are in the volume.
    if exists(name) {
        remove(name)?;
    }
    let recipe = recipe(service, docker.purpose == Purpose::Test);
    let publish = format!("127.0.0.1:{port}:{}", recipe.port);
    let volume = format!("{}:{}", volume(name), recipe.data);
    let mut command = Command::new("docker");
    command.args(["run", "--detach", "--name", name, "--publish", &publish, "--volume", &volume]);
    // `--env NAME` without a value takes it from our environment: a password is on no command line.
    command.env(recipe.password, password).args(["--env", recipe.password]);
    for (variable, value) in recipe.variables {
        command.args(["--env", &format!("{variable}={value}")]);
    }
    if let Some(hostname) = recipe.hostname {
        command.args(["--hostname", hostname]);
    }
    command.arg(recipe.image).args(recipe.arguments);
    output(&mut command, b"")?;
    if service == Service::Rabbitmq {
        import_definitions(docker, name)?;
    }
    Ok(Instance {
        source: Source::Docker,
        url: url(service, password, &format!("127.0.0.1:{port}")),
        process: None,
        helper: None,
        container: Some(name.to_owned()),
        log: None,
        tied_to: None,
    })
}

/// The volume of the container `name`.
pub(super) fn volume(name: &str) -> String {
    format!("{name}-data")
}

fn import_definitions(docker: &Docker, name: &str) -> Result<()> {
    docker.progress.wait("the broker's policies", Duration::from_secs(90), || {
        if !running(name) {
            bail!("the broker's container has ended: {}", logs(name));
        }
        let mut command = Command::new("docker");
        command.args(["exec", "--interactive", name, "rabbitmqctl", "await_startup", "--timeout", "60"]);
        if output(&mut command, b"").is_err() {
            return Ok(false);
        }
        let mut command = Command::new("docker");
        command.args(["exec", "--interactive", name, "rabbitmqctl", "import_definitions"]);
        Ok(output(&mut command, &docker.definitions).is_ok())
    })
}
