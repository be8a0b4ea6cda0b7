//! The three services as containers: kept ones for a fleet, throw-away ones for tests.

mod command;
mod kept;
mod recipe;
#[cfg(feature = "testcontainers")]
mod throwaway;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub(super) use command::{halt, logs, run, running};

use super::{Instance, Service};
use crate::ports;
use crate::progress::Progress;
use crate::secrets::Secrets;
use crate::state::StateDir;
use crate::workspace::{Purpose, Workspace};

/// A Docker engine that answers and has (or can get) the images.
pub(super) struct Docker {
    prefix: String,
    purpose: Purpose,
    progress: Progress,
    services: Vec<Service>,
    definitions: Vec<u8>,
    ports: BTreeMap<String, u16>,
    passwords: BTreeMap<Service, String>,
}

fn prefix(workspace: &Workspace, purpose: Purpose) -> String {
    format!("globcrm-{}-{}", purpose.word(), workspace.mark())
}

/// Only what tests use is thrown away; see [`kept`] for the rest.
fn throws_away(purpose: Purpose) -> bool {
    cfg!(feature = "testcontainers") && purpose == Purpose::Test
}

impl Docker {
    /// The engine, with the images of `services` at hand.
    pub(super) fn find(
        workspace: &Workspace,
        purpose: Purpose,
        services: &[Service],
        progress: &Progress,
    ) -> Result<Self> {
        // Published ports are looked for on this machine's loopback; testcontainers knows the engine's host.
        let remote = std::env::var_os("DOCKER_HOST")
            .is_some_and(|host| !host.to_string_lossy().starts_with("unix://"));
        if remote && !throws_away(purpose) {
            bail!("the Docker engine is on another machine");
        }
        if !command::answers(Duration::from_secs(10)) {
            bail!("no Docker engine answers");
        }
        for &service in services {
            let image = recipe::image(service);
            if run(&["image", "inspect", image]).is_err() {
                progress.say(format!("pulling {image}"));
                run(&["pull", "--quiet", image])
                    .with_context(|| format!("the Docker engine has no {image} and cannot get it"))?;
            }
        }
        let file = workspace.root().join("deploy/rabbitmq/definitions.json");
        let definitions = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        Ok(Self {
            prefix: prefix(workspace, purpose),
            purpose,
            progress: progress.clone(),
            services: services.to_vec(),
            definitions,
            ports: BTreeMap::new(),
            passwords: BTreeMap::new(),
        })
    }

    /// Chooses ports and passwords; the caller holds the lock of `dir`.
    pub(super) fn prepare(mut self, dir: &StateDir) -> Result<Self> {
        let known = dir.load()?.ports;
        let wanted: Vec<_> = self
            .services
            .iter()
            .map(|service| (service.name(), known.get(service.name()).copied()))
            .collect();
        self.ports = ports::choose(&wanted)?;
        dir.change(|state| state.ports.extend(self.ports.clone()))?;
        let mut secrets = Secrets::open(dir.path())?;
        for &service in &self.services {
            self.passwords.insert(service, secrets.get(service.name())?);
        }
        Ok(self)
    }

    pub(super) fn start(&self, service: Service) -> Result<Instance> {
        let name = container(&self.prefix, service);
        #[cfg(feature = "testcontainers")]
        if throws_away(self.purpose) {
            return throwaway::start(self, service, &name);
        }
        kept::start(self, service, &name)
    }

    /// The port and the password chosen for `service`.
    fn place(&self, service: Service) -> Result<(u16, &str)> {
        let port = *self.ports.get(service.name()).context("a port was chosen")?;
        Ok((port, self.passwords.get(&service).context("a password was chosen")?))
    }
}

fn container(prefix: &str, service: Service) -> String {
    format!("{prefix}-{}", service.name())
}

/// Removes the container with what only it used; a named volume stays.
pub(super) fn stop(container: &str) -> Result<()> {
    #[cfg(feature = "testcontainers")]
    throwaway::release(container);
    if command::exists(container) {
        halt(container)?;
        command::remove(container)?;
    }
    Ok(())
}

/// Deletes the data of containers, where an engine answers and has any.
pub(super) fn remove_volumes(workspace: &Workspace, purpose: Purpose) {
    if !command::answers(Duration::from_secs(5)) {
        return;
    }
    for service in Service::ALL {
        let volume = kept::volume(&container(&prefix(workspace, purpose), service));
        if run(&["volume", "inspect", &volume]).is_ok()
            && let Err(error) = run(&["volume", "rm", &volume])
        {
            eprintln!("{error:#}");
        }
    }
}
