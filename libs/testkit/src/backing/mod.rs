//! PostgreSQL, RabbitMQ and Redis: found in the environment, in Docker, or started as private local processes.

mod control;
mod docker;
mod environment;
mod local;
mod probe;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};

pub use control::Control;
pub(crate) use local::Account;
pub use local::provide_make;
pub(crate) use local::provide_prometheus;

use crate::Unavailable;
use crate::process::ProcessId;
use crate::progress::Progress;
use crate::secrets::Secrets;
use crate::state::StateDir;
use crate::workspace::{Purpose, Workspace};

/// One of the three backing services.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// PostgreSQL 15 or later.
    Postgres,
    /// RabbitMQ 3.10 or later.
    Rabbitmq,
    /// Redis 7 or later.
    Redis,
}

impl Service {
    /// All three.
    pub const ALL: [Service; 3] = [Service::Postgres, Service::Rabbitmq, Service::Redis];

    /// Its name in paths, ports, containers and messages.
    pub fn name(self) -> &'static str {
        match self {
            Service::Postgres => "postgres",
            Service::Rabbitmq => "rabbitmq",
            Service::Redis => "redis",
        }
    }
}

/// Where an instance comes from.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Named by a variable; not ours to stop.
    Environment,
    /// A container of this checkout.
    Docker,
    /// A private process of this checkout.
    Local,
}

/// One running service. Its URL holds a password, so it is not `Debug`.
#[derive(Serialize, Deserialize, Clone)]
pub(crate) struct Instance {
    pub(crate) source: Source,
    pub(crate) url: String,
    /// The server itself, when local.
    #[serde(default)]
    pub(crate) process: Option<ProcessId>,
    /// RabbitMQ's port mapper, which must go with it.
    #[serde(default)]
    pub(crate) helper: Option<ProcessId>,
    /// The container's name, when in Docker.
    #[serde(default)]
    pub(crate) container: Option<String>,
    /// Where it writes, when local.
    #[serde(default)]
    pub(crate) log: Option<PathBuf>,
    /// The process it ends with, if it is tied to one.
    #[serde(default)]
    pub(crate) tied_to: Option<ProcessId>,
}

impl Instance {
    pub(crate) fn alive(&self) -> bool {
        match self.source {
            Source::Environment => true,
            Source::Docker => self.container.as_deref().is_some_and(docker::running),
            Source::Local => self.process.is_some_and(ProcessId::alive),
        }
    }

    /// Its owner has died, and the kernel has told it to end: wait for that rather than reuse it for a moment.
    fn dying(&self) -> bool {
        self.tied_to.is_some_and(|owner| !owner.alive())
    }
}

/// How long what is started here may live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// It ends with this process, also when this process is killed.
    Parent,
    /// It stays until [`Backing::stop`].
    Detached,
}

/// The three services, up and answering.
pub struct Backing {
    dir: StateDir,
    workspace: Workspace,
    purpose: Purpose,
    lifetime: Lifetime,
    progress: Progress,
    urls: BTreeMap<Service, (Source, String)>,
    started: BTreeSet<Service>,
}

impl std::fmt::Debug for Backing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sources: BTreeMap<_, _> =
            self.urls.iter().map(|(service, (source, _))| (service, source)).collect();
        f.debug_struct("Backing")
            .field("purpose", &self.purpose)
            .field("sources", &sources)
            .finish_non_exhaustive()
    }
}

impl Backing {
    /// Brings the three up, reusing what already runs, and waits until each answers on its port.
    /// What is started ends with this process. Fails with [`crate::Unavailable`] when the machine lacks something.
    pub fn start(workspace: &Workspace, purpose: Purpose, progress: &Progress) -> Result<Self> {
        Self::start_for(workspace, purpose, Lifetime::Parent, progress)
    }

    /// As [`Backing::start`], with a choice of lifetime.
    pub fn start_for(
        workspace: &Workspace,
        purpose: Purpose,
        lifetime: Lifetime,
        progress: &Progress,
    ) -> Result<Self> {
        let dir = StateDir::open(workspace.state_dir(purpose))?;
        let _lock = dir.lock()?;
        let mut backing = Self {
            dir,
            workspace: workspace.clone(),
            purpose,
            lifetime,
            progress: progress.clone(),
            urls: environment::urls(),
            started: BTreeSet::new(),
        };
        environment::load_definitions(workspace, progress)?;
        backing.reuse()?;
        let missing: Vec<_> = Service::ALL.into_iter().filter(|s| !backing.urls.contains_key(s)).collect();
        if !missing.is_empty()
            && let Err(error) = backing.bring_up(&missing)
        {
            if let Err(second) = backing.stop_instances(&backing.started) {
                progress.say(format!("while clearing up: {second:#}"));
            }
            return Err(error);
        }
        Ok(backing)
    }

    /// Takes over live instances of an earlier start.
    fn reuse(&mut self) -> Result<()> {
        for (service, instance) in self.dir.load()?.instances {
            if self.urls.contains_key(&service) {
                continue;
            }
            if instance.dying() {
                let what = format!("{} of an ended command", service.name());
                self.progress.wait(&what, Duration::from_secs(30), || Ok(!instance.alive()))?;
            }
            if instance.alive() {
                self.progress.say(format!("{} already runs", service.name()));
                probe::until_ready(service, &instance, &self.progress)?;
                self.urls.insert(service, (instance.source, instance.url));
            }
        }
        Ok(())
    }

    /// Starts `missing` at the same time.
    fn bring_up(&mut self, missing: &[Service]) -> Result<()> {
        let plan = Plan::make(self, missing)?;
        let state = Mutex::new(());
        let record = |service: Service, instance: &Instance| -> Result<()> {
            let _held = state.lock().map_err(|_| anyhow!("a start has panicked"))?;
            self.dir.change(|all| drop(all.instances.insert(service, instance.clone())))
        };
        let results: Vec<(Service, Result<Instance>)> = std::thread::scope(|scope| {
            let starts: Vec<_> = missing
                .iter()
                .map(|&service| {
                    let (plan, record, progress) = (&plan, &record, &self.progress);
                    let start = move || -> Result<Instance> {
                        let begin = Instant::now();
                        let instance = plan.start(service)?;
                        // Before it is ready: if the wait fails, somebody must know what to stop.
                        record(service, &instance)?;
                        if let Err(error) = probe::until_ready(service, &instance, progress) {
                            // An interruption is no fault of the server's.
                            progress.check()?;
                            return Err(error.context(probe::last_words(&instance)));
                        }
                        let took = begin.elapsed().as_secs_f64();
                        progress.say(format!("{} is ready after {took:.1} s", service.name()));
                        Ok(instance)
                    };
                    (service, scope.spawn(start))
                })
                .collect();
            let join = |(service, thread): (Service, std::thread::ScopedJoinHandle<'_, Result<Instance>>)| {
                let result = thread.join().unwrap_or_else(|_| Err(anyhow!("the start has panicked")));
                (service, result)
            };
            starts.into_iter().map(join).collect()
        });
        let mut failure = None;
        for (service, result) in results {
            self.started.insert(service);
            match result.with_context(|| format!("starting {}", service.name())) {
                Ok(instance) => drop(self.urls.insert(service, (instance.source, instance.url))),
                Err(error) if failure.is_none() => failure = Some(error),
                Err(error) => self.progress.say(format!("{error:#}")),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn local_plan(&self, services: &[Service]) -> Result<local::Local> {
        let (workspace, progress) = (&self.workspace, &self.progress);
        local::Local::prepare(workspace, self.purpose, self.lifetime, &self.dir, services, progress)
    }

    fn url(&self, service: Service) -> &str {
        self.urls.get(&service).map_or("", |(_, url)| url)
    }

    /// `postgres://user:password@host:port/postgres` of a superuser.
    pub fn postgres_admin_url(&self) -> &str {
        self.url(Service::Postgres)
    }

    /// `amqp://user:password@host:port/vhost`
    pub fn amqp_url(&self) -> &str {
        self.url(Service::Rabbitmq)
    }

    /// `redis://:password@host:port/0`
    pub fn redis_url(&self) -> &str {
        self.url(Service::Redis)
    }

    /// Where `service` comes from.
    pub fn source(&self, service: Service) -> Option<Source> {
        self.urls.get(&service).map(|(source, _)| *source)
    }

    /// The file `service` writes its log to; `None` when it is not a process of ours.
    pub fn log(&self, service: Service) -> Result<Option<PathBuf>> {
        Ok(self.dir.load()?.instances.remove(&service).and_then(|instance| instance.log))
    }

    /// Faults for PostgreSQL.
    pub fn postgres(&self) -> Control<'_> {
        Control::new(self, Service::Postgres)
    }

    /// Faults for RabbitMQ.
    pub fn rabbitmq(&self) -> Control<'_> {
        Control::new(self, Service::Rabbitmq)
    }

    /// Faults for Redis.
    pub fn redis(&self) -> Control<'_> {
        Control::new(self, Service::Redis)
    }

    /// The secrets kept beside these instances.
    pub fn secrets(&self) -> Result<Secrets> {
        Secrets::open(self.dir.path())
    }

    pub(crate) fn dir(&self) -> &StateDir {
        &self.dir
    }

    /// Stops what this value started, and nothing else.
    pub fn stop_started(&self) -> Result<()> {
        let _lock = self.dir.lock()?;
        self.stop_instances(&self.started)
    }

    fn stop_instances(&self, which: &BTreeSet<Service>) -> Result<()> {
        stop_recorded(&self.dir, &self.progress.unstoppable(), |service| which.contains(&service))
    }

    /// Stops every recorded instance of `purpose`; data and ports are kept.
    pub fn stop(workspace: &Workspace, purpose: Purpose, progress: &Progress) -> Result<()> {
        let dir = StateDir::open(workspace.state_dir(purpose))?;
        let _lock = dir.lock()?;
        stop_recorded(&dir, progress, |_| true)
    }

    /// Stops, and deletes data, ports and secrets.
    pub fn wipe(workspace: &Workspace, purpose: Purpose, progress: &Progress) -> Result<()> {
        Self::stop(workspace, purpose, progress)?;
        let dir = StateDir::open(workspace.state_dir(purpose))?;
        let _lock = dir.lock()?;
        docker::remove_volumes(workspace, purpose);
        local::remove_data(&dir)?;
        std::fs::remove_dir_all(dir.path()).with_context(|| format!("deleting {}", dir.path().display()))
    }
}

fn stop_recorded(dir: &StateDir, progress: &Progress, which: impl Fn(Service) -> bool) -> Result<()> {
    let instances = dir.load()?.instances;
    let chosen: Vec<_> = instances.into_iter().filter(|(service, _)| which(*service)).collect();
    let results: Vec<(Service, Result<()>)> = std::thread::scope(|scope| {
        let stop = |(service, instance): (Service, Instance)| {
            (service, scope.spawn(move || control::stop(service, &instance)))
        };
        let threads: Vec<_> = chosen.into_iter().map(stop).collect();
        let join = |(service, thread): (Service, std::thread::ScopedJoinHandle<'_, Result<()>>)| {
            (service, thread.join().unwrap_or_else(|_| Err(anyhow!("the stop has panicked"))))
        };
        threads.into_iter().map(join).collect()
    });
    let mut failure = None;
    for (service, result) in results {
        match result {
            Ok(()) => {
                progress.say(format!("{} stopped", service.name()));
                dir.change(|state| drop(state.instances.remove(&service)))?;
            }
            Err(error) => failure = Some(error.context(format!("stopping {}", service.name()))),
        }
    }
    failure.map_or(Ok(()), Err)
}

/// How the missing instances will be started.
enum Plan {
    Docker(docker::Docker),
    Local(local::Local),
}

impl Plan {
    fn make(backing: &Backing, missing: &[Service]) -> Result<Self> {
        let wish = environment::wish()?;
        let (workspace, progress) = (&backing.workspace, &backing.progress);
        if wish != Some(Source::Local) {
            match docker::Docker::find(workspace, backing.purpose, missing, progress) {
                Ok(found) => return Ok(Plan::Docker(found.prepare(&backing.dir)?)),
                Err(error) if wish == Some(Source::Docker) => {
                    return Err(Unavailable::new(format!("{error:#}")).into());
                }
                Err(error) => progress.say(format!("{error:#}: taking local processes")),
            }
        }
        Ok(Plan::Local(backing.local_plan(missing)?))
    }

    fn start(&self, service: Service) -> Result<Instance> {
        match self {
            Plan::Docker(docker) => docker.start(service),
            Plan::Local(local) => local.start(service),
        }
    }
}
