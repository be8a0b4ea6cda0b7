//! Faults on demand: kill, pause, start again with the same port and the same data.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::{Backing, Instance, Service, Source, docker, probe};

/// One service of a [`Backing`] under the hands of a fault test.
#[derive(Debug)]
pub struct Control<'a> {
    backing: &'a Backing,
    service: Service,
}

impl<'a> Control<'a> {
    pub(super) fn new(backing: &'a Backing, service: Service) -> Self {
        Self { backing, service }
    }

    fn instance(&self) -> Result<Instance> {
        if self.backing.source(self.service) == Some(Source::Environment) {
            bail!("{} comes from the environment: faults are not ours to make", self.service.name());
        }
        let mut state = self.backing.dir.load()?;
        state
            .instances
            .remove(&self.service)
            .with_context(|| format!("no {} is recorded", self.service.name()))
    }

    /// Whether it speaks its protocol on its port right now.
    pub fn answers(&self) -> Result<bool> {
        Ok(probe::ready(self.service, &self.instance()?))
    }

    /// `kill -9`, returning when it is dead. Its epmd stays, as after a crash.
    pub fn kill9(&self) -> Result<()> {
        let instance = self.instance()?;
        match (&instance.container, instance.process) {
            (Some(container), _) => docker::run(&["kill", container]).map(drop),
            (None, Some(process)) => process.kill(),
            (None, None) => bail!("nothing to kill"),
        }
    }

    /// An orderly stop; data and port are kept for [`Control::start_again`].
    pub fn stop(&self) -> Result<()> {
        let instance = self.instance()?;
        match &instance.container {
            // Removed, it would take its port and perhaps its data with it.
            Some(container) => docker::halt(container),
            None => stop(self.service, &instance),
        }
    }

    /// Starts what was stopped or killed, with the same port and data, and waits until it serves.
    pub fn start_again(&self) -> Result<()> {
        let _lock = self.backing.dir.lock()?;
        let old = self.instance()?;
        if old.alive() {
            bail!("{} still runs", self.service.name());
        }
        let new = if let Some(container) = &old.container {
            docker::run(&["start", container])?;
            old.clone()
        } else {
            self.until_free(&old)?;
            self.backing.local_plan(&[self.service])?.start(self.service)?
        };
        self.backing.dir.change(|state| drop(state.instances.insert(self.service, new.clone())))?;
        if new.url != old.url {
            bail!("{} came back on another port: somebody took the old one", self.service.name());
        }
        probe::until_ready(self.service, &new, &self.backing.progress)
    }

    /// A process that is dead to signals may hold its listener for a moment more: another thread of it is still ending.
    fn until_free(&self, old: &Instance) -> Result<()> {
        let authority = crate::http::parse(&old.url)?.authority.to_owned();
        let free = || Ok(std::net::TcpListener::bind(&authority).is_ok());
        self.backing.progress.wait("the port of the dead server", Duration::from_secs(30), free)
    }

    /// SIGSTOP: connections stay open and nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.freeze("pause", Signal::STOP)
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<()> {
        self.freeze("unpause", Signal::CONT)
    }

    fn freeze(&self, docker_word: &str, signal: Signal) -> Result<()> {
        let instance = self.instance()?;
        match (&instance.container, instance.process) {
            (Some(container), _) => docker::run(&[docker_word, container]).map(drop),
            (None, Some(process)) => {
                process.signal_group(signal);
                Ok(())
            }
            (None, None) => bail!("nothing to signal"),
        }
    }
}

/// Stops an instance in the way its kind likes, and what belongs to it.
pub(super) fn stop(service: Service, instance: &Instance) -> Result<()> {
    if let Some(container) = &instance.container {
        return docker::stop(container);
    }
    if let Some(process) = instance.process {
        // SIGINT is PostgreSQL's fast shutdown: SIGTERM would wait for every client to leave.
        let (signal, bound) = match service {
            Service::Postgres => (Signal::INT, 20),
            Service::Rabbitmq => (Signal::TERM, 30),
            Service::Redis => (Signal::TERM, 10),
        };
        process.stop(signal, Duration::from_secs(bound))?;
    }
    if let Some(helper) = instance.helper {
        helper.stop(Signal::TERM, Duration::from_secs(5))?;
    }
    Ok(())
}
