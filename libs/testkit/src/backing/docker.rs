//! The three services as containers, through the docker command line.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Instance, Service, Source};
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

fn image(service: Service) -> &'static str {
    match service {
        Service::Postgres => "postgres:15",
        Service::Rabbitmq => "rabbitmq:3-management",
        Service::Redis => "redis:7",
    }
}

fn prefix(workspace: &Workspace, purpose: Purpose) -> String {
    format!("globcrm-{}-{}", purpose.word(), workspace.mark())
}

impl Docker {
    /// The engine, with the images of `services` at hand.
    pub(super) fn find(
        workspace: &Workspace,
        purpose: Purpose,
        services: &[Service],
        progress: &Progress,
    ) -> Result<Self> {
        // Published ports are looked for on this machine's loopback.
        let remote = std::env::var_os("DOCKER_HOST")
            .is_some_and(|host| !host.to_string_lossy().starts_with("unix://"));
        if remote {
            bail!("the Docker engine is on another machine");
        }
        if !answers(Duration::from_secs(10)) {
            bail!("no Docker engine answers");
        }
        for &service in services {
            if run(&["image", "inspect", image(service)]).is_err() {
                progress.say(format!("pulling {}", image(service)));
                run(&["pull", "--quiet", image(service)])
                    .with_context(|| format!("the Docker engine cannot get {}", image(service)))?;
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
        let name = format!("{}-{}", self.prefix, service.name());
        let port = *self.ports.get(service.name()).context("a port was chosen")?;
        let password = self.passwords.get(&service).context("a password was chosen")?;
        self.progress.say(format!("starting container {name} on port {port}"));
        // Left by a crash of the machine: its data are in the volume.
        if run(&["container", "inspect", &name]).is_ok() {
            run(&["rm", "--force", &name])?;
        }
        let test = self.purpose == Purpose::Test;
        let (inner, mount, variable, arguments) = match service {
            Service::Postgres => {
                (5432, "/var/lib/postgresql/data", "POSTGRES_PASSWORD", postgres_arguments(test))
            }
            Service::Rabbitmq => (5672, "/var/lib/rabbitmq", "RABBITMQ_DEFAULT_PASS", Vec::new()),
            Service::Redis => (6379, "/data", "REDIS_PASSWORD", redis_arguments(test)),
        };
        let publish = format!("127.0.0.1:{port}:{inner}");
        let volume = format!("{name}-data:{mount}");
        let mut command = Command::new("docker");
        // `--env NAME` without a value takes it from our environment: a password is on no command line.
        command.env(variable, password).args(["run", "--detach", "--name", &name, "--publish", &publish]);
        command.args(["--volume", &volume, "--env", variable]);
        if service == Service::Rabbitmq {
            // The node's name holds the host's name, and its data are filed under it.
            command.args(["--hostname", "globcrm", "--env", "RABBITMQ_DEFAULT_USER=globcrm"]);
        }
        command.arg(image(service)).args(arguments);
        output(&mut command, b"")?;
        let url = match service {
            Service::Postgres => format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres"),
            Service::Rabbitmq => format!("amqp://globcrm:{password}@127.0.0.1:{port}/%2f"),
            Service::Redis => format!("redis://:{password}@127.0.0.1:{port}/0"),
        };
        if service == Service::Rabbitmq {
            self.import_definitions(&name)?;
        }
        Ok(Instance {
            source: Source::Docker,
            url,
            process: None,
            helper: None,
            container: Some(name),
            log: None,
            tied_to: None,
        })
    }

    fn import_definitions(&self, name: &str) -> Result<()> {
        self.progress.wait("the broker's policies", Duration::from_secs(90), || {
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
            Ok(output(&mut command, &self.definitions).is_ok())
        })
    }
}

fn postgres_arguments(test: bool) -> Vec<String> {
    let settings = super::local::postgres_settings(test);
    settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting.to_owned()]).collect()
}

fn redis_arguments(test: bool) -> Vec<String> {
    let keep = if test { "save \"\"" } else { "appendonly yes" };
    let script = format!(
        "umask 077; printf '%s\\n' \"requirepass $REDIS_PASSWORD\" '{keep}' 'dir /data' >/tmp/redis.conf; exec redis-server /tmp/redis.conf"
    );
    vec!["sh".to_owned(), "-c".to_owned(), script]
}

/// Whether `docker info` succeeds in time: a dead remote socket would keep us for minutes.
fn answers(bound: Duration) -> bool {
    let mut command = Command::new("docker");
    command.arg("info").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if begin.elapsed() < bound => std::thread::sleep(Duration::from_millis(50)),
            Ok(None) | Err(_) => {
                if child.kill().is_ok() && child.wait().is_ok() {
                    return false;
                }
                return false;
            }
        }
    }
}

/// Standard output of `docker` with `arguments`.
pub(super) fn run(arguments: &[&str]) -> Result<String> {
    output(Command::new("docker").args(arguments), b"")
}

fn output(command: &mut Command, input: &[u8]) -> Result<String> {
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

pub(super) fn running(container: &str) -> bool {
    run(&["container", "inspect", "--format", "{{.State.Running}}", container])
        .is_ok_and(|answer| answer.trim() == "true")
}

pub(super) fn logs(container: &str) -> String {
    run(&["logs", "--tail", "20", container]).unwrap_or_default()
}

/// Stops and removes the container; its volume stays.
pub(super) fn stop(container: &str) -> Result<()> {
    if run(&["container", "inspect", container]).is_err() {
        return Ok(());
    }
    run(&["stop", "--time", "20", container])?;
    run(&["rm", container]).map(drop)
}

/// Deletes the data of containers, where an engine answers and has any.
pub(super) fn remove_volumes(workspace: &Workspace, purpose: Purpose) {
    if !answers(Duration::from_secs(5)) {
        return;
    }
    for service in Service::ALL {
        let volume = format!("{}-{}-data", prefix(workspace, purpose), service.name());
        if run(&["volume", "inspect", &volume]).is_ok()
            && let Err(error) = run(&["volume", "rm", &volume])
        {
            eprintln!("{error:#}");
        }
    }
}
