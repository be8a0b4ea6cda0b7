//! The built binary as a fleet: one process a role, readiness awaited, killed and restarted at will.

mod environment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::Signal;

pub use ::fleet::Role;
pub use environment::{Environments, Places, Ports, environments, signing_key};

use crate::backing::Lifetime;
use crate::http;
use crate::process::ProcessId;
use crate::progress::Progress;
use crate::spawner::Daemon;
use crate::state::StateDir;
use crate::workspace::{Purpose, Workspace};

/// Environment of one process.
pub type Env = BTreeMap<String, String>;

/// What is run for a role: `program arguments… <role>`.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The built binary.
    pub program: PathBuf,
    /// Arguments before the role; none for the product.
    pub arguments: Vec<String>,
    /// Directory of the logs, one file a role.
    pub logs: PathBuf,
    /// Whether the roles end with this process.
    pub lifetime: Lifetime,
}

/// The longest a role may take to be ready, and to end when asked: above its own grace of 25 s.
const READY_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(30);

struct Member {
    process: ProcessId,
    environment: Env,
    ready_url: String,
}

/// Running roles. Dropping it stops them, unless they are detached.
pub struct Fleet {
    launch: Launch,
    members: BTreeMap<Role, Member>,
    progress: Progress,
    /// `http://host:port` of the gateway.
    gateway_url: String,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pids: BTreeMap<_, _> =
            self.members.iter().map(|(role, member)| (role, member.process.pid())).collect();
        f.debug_struct("Fleet").field("pids", &pids).finish_non_exhaustive()
    }
}

impl Fleet {
    /// Starts every role of `environments` at once and waits until all are ready.
    pub fn start(launch: Launch, environments: &Environments, progress: &Progress) -> Result<Self> {
        std::fs::create_dir_all(&launch.logs).with_context(|| format!("making {}", launch.logs.display()))?;
        let gateway_url = environments.gateway_url.clone();
        let mut fleet = Self { launch, members: BTreeMap::new(), progress: progress.clone(), gateway_url };
        for (&role, environment) in &environments.roles {
            let ready_url =
                environments.ready_urls.get(&role).context("every role has a readiness URL")?.clone();
            let process = fleet.spawn(role, environment)?;
            let member = Member { process, environment: environment.clone(), ready_url };
            fleet.members.insert(role, member);
        }
        for role in environments.roles.keys() {
            fleet.until_ready(*role)?;
        }
        Ok(fleet)
    }

    /// `http://host:port` of the public API.
    pub fn gateway_url(&self) -> &str {
        &self.gateway_url
    }

    /// The process of `role`, for counters and signals.
    pub fn process(&self, role: Role) -> Option<ProcessId> {
        self.members.get(&role).map(|member| member.process)
    }

    /// Every process, by role.
    pub fn processes(&self) -> BTreeMap<Role, ProcessId> {
        self.members.iter().map(|(role, member)| (*role, member.process)).collect()
    }

    /// The log of `role`.
    pub fn log(&self, role: Role) -> PathBuf {
        self.launch.logs.join(format!("{}.log", role.name()))
    }

    /// `kill -9`, returning when it is dead.
    pub fn kill9(&self, role: Role) -> Result<()> {
        self.member(role)?.process.kill()
    }

    /// SIGSTOP: its connections stay open and nothing answers.
    pub fn pause(&self, role: Role) -> Result<()> {
        self.member(role)?.process.signal_group(Signal::STOP);
        Ok(())
    }

    /// SIGCONT.
    pub fn resume(&self, role: Role) -> Result<()> {
        self.member(role)?.process.signal_group(Signal::CONT);
        Ok(())
    }

    /// Stops the role if it runs, starts it with the same environment and waits until it is ready.
    pub fn restart(&mut self, role: Role) -> Result<()> {
        let member = self.member(role)?;
        member.process.stop(Signal::TERM, STOP_BOUND)?;
        let environment = member.environment.clone();
        let process = self.spawn(role, &environment)?;
        if let Some(member) = self.members.get_mut(&role) {
            member.process = process;
        }
        self.until_ready(role)
    }

    /// The role that has ended without being told, if any.
    pub fn ended(&self) -> Option<Role> {
        self.members.iter().find(|(_, member)| !member.process.alive()).map(|(role, _)| *role)
    }

    /// SIGTERM to all at once, SIGKILL after a bound.
    pub fn stop(&mut self) -> Result<()> {
        let processes = self.processes();
        self.members.clear();
        stop_processes(&processes)
    }

    /// Lets the roles live on without this value.
    pub fn detach(mut self) {
        self.members.clear();
    }

    fn member(&self, role: Role) -> Result<&Member> {
        self.members.get(&role).ok_or_else(|| anyhow!("{} is not part of this fleet", role.name()))
    }

    fn spawn(&self, role: Role, environment: &Env) -> Result<ProcessId> {
        self.progress.say(format!("starting {}", role.name()));
        let mut arguments = self.launch.arguments.clone();
        arguments.push(role.name().to_owned());
        let daemon = Daemon {
            program: &self.launch.program,
            arguments,
            environment: environment.clone().into_iter().collect(),
            directory: &self.launch.logs,
            log: &self.log(role),
            account: None,
            tied: (self.launch.lifetime == Lifetime::Parent).then_some("TERM"),
        };
        daemon.start()
    }

    fn until_ready(&self, role: Role) -> Result<()> {
        let member = self.member(role)?;
        let ready = || {
            if matches!(http::status(&member.ready_url), Ok(200)) {
                return Ok(true);
            }
            if !member.process.alive() {
                bail!("{} ended before it was ready", role.name());
            }
            Ok(false)
        };
        let waited = self.progress.wait(role.name(), READY_BOUND, ready);
        waited.with_context(|| format!("{}\n{}", self.log(role).display(), tail(&self.log(role))))?;
        self.progress.say(format!("{} is ready", role.name()));
        Ok(())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            self.progress.say(format!("{error:#}"));
        }
    }
}

/// Stops all at once.
fn stop_processes(processes: &BTreeMap<Role, ProcessId>) -> Result<()> {
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let stop = |process: &ProcessId| {
            let process = *process;
            scope.spawn(move || process.stop(Signal::TERM, STOP_BOUND))
        };
        let threads: Vec<_> = processes.values().map(stop).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            thread.join().unwrap_or_else(|_| Err(anyhow!("the stop has panicked")))
        };
        threads.into_iter().map(join).collect()
    });
    results.into_iter().collect()
}

fn tail(log: &Path) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n")
}

/// Runs `program <command>` to its end, where a command is words with a space between them; standard output is the answer. Ends early when cancelled.
pub fn run_once(program: &Path, command: &str, environment: &Env, progress: &Progress) -> Result<String> {
    progress.say(format!("running {command}"));
    let mut child = Command::new(program);
    child.args(command.split(' ')).env_clear().envs(environment);
    child.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let mut child = child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let process = ProcessId::of(child.id()).context("it ended at once")?;
    // Both pipes are read while it runs: a full pipe would stop it for ever.
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err, waited) = std::thread::scope(|scope| {
        let out = scope.spawn(move || read(out));
        let err = scope.spawn(move || read(err));
        let waited = progress.wait(command, Duration::from_secs(900), || Ok(!process.alive()));
        if waited.is_err() {
            // The readers end with the process.
            if let Err(error) = process.kill() {
                progress.say(format!("{error:#}"));
            }
        }
        (out.join().unwrap_or_default(), err.join().unwrap_or_default(), waited)
    });
    let status = child.wait()?;
    waited?;
    if !status.success() {
        bail!("{command} failed ({status}):\n{err}{out}");
    }
    Ok(out)
}

fn read(pipe: Option<impl std::io::Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe
        && let Err(error) = pipe.read_to_end(&mut bytes)
    {
        return format!("(unreadable: {error})");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Remembers a detached or foreground fleet, so that another command finds it.
pub fn record(workspace: &Workspace, purpose: Purpose, fleet: &Fleet) -> Result<()> {
    let dir = StateDir::open(workspace.state_dir(purpose))?;
    let _lock = dir.lock()?;
    dir.change(|state| state.fleet = fleet.processes())
}

/// The recorded roles that still run.
pub fn recorded(workspace: &Workspace, purpose: Purpose) -> Result<BTreeMap<Role, ProcessId>> {
    let dir = StateDir::open(workspace.state_dir(purpose))?;
    Ok(dir.load()?.fleet.into_iter().filter(|(_, process)| process.alive()).collect())
}

/// Stops the recorded roles and forgets them.
pub fn stop_recorded(workspace: &Workspace, purpose: Purpose, progress: &Progress) -> Result<()> {
    let live = recorded(workspace, purpose)?;
    stop_processes(&live)?;
    for role in live.keys() {
        progress.say(format!("{} stopped", role.name()));
    }
    let dir = StateDir::open(workspace.state_dir(purpose))?;
    let _lock = dir.lock()?;
    dir.change(|state| state.fleet.clear())
}

#[cfg(test)]
mod tests;
