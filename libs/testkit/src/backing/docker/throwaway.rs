//! A container of a test, through testcontainers: no volume, and gone with the process that started it.
//!
//! Its faults (kill, pause, start again) go through the command line like those of any other container: testcontainers'
//! handle lives in the process that started it, and the tests are another one.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use testcontainers::core::{CmdWaitFor, ExecCommand, IntoContainerPort};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};
use tokio::io::AsyncBufReadExt;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::Docker;
use super::command::{exists, remove};
use super::recipe::{Recipe, recipe, url};
use crate::backing::{Instance, Service, Source};
use crate::process::ProcessId;
use crate::progress::Progress;

/// Longest wait for the engine to make and start a container, and for the broker to have its policies.
const BOUND: Duration = Duration::from_secs(90);

/// Where the broker's container has our policies.
const DEFINITIONS: &str = "/tmp/globcrm-definitions.json";

type Container = ContainerAsync<GenericImage>;

/// A container that is removed when this is dropped.
struct Throwaway {
    container: Option<Container>,
    guard: Option<Guard>,
}

/// Those of this process by name: they end with it and not with whoever asked for them, as local processes do.
static HELD: Mutex<BTreeMap<String, Throwaway>> = Mutex::new(BTreeMap::new());

fn held() -> MutexGuard<'static, BTreeMap<String, Throwaway>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the container if this process has started it.
pub(super) fn release(name: &str) {
    let released = held().remove(name);
    drop(released);
}

pub(super) fn start(docker: &Docker, service: Service, name: &str) -> Result<Instance> {
    let (port, password) = docker.place(service)?;
    docker.progress.say(format!("starting container {name} on port {port} for as long as this runs"));
    release(name);
    // Left by another process whose guard was killed with it.
    if exists(name) {
        remove(name)?;
    }
    let request = request(docker, service, name, port, password);
    let started = runtime()?.block_on(async { timeout(BOUND, request.start()).await });
    let container = match started.map_err(anyhow::Error::from).and_then(|made| Ok(made?)) {
        Ok(container) => container,
        Err(error) => {
            // The engine may have made it and failed to start it, as when the port was taken meanwhile.
            if exists(name) {
                remove(name)?;
            }
            let image = recipe(service, true).image;
            return Err(error.context(format!("the Docker engine did not start {image}")));
        }
    };
    // From here on it is removed whatever fails.
    let id = container.id().to_owned();
    let mut throwaway = Throwaway { container: Some(container), guard: None };
    throwaway.guard = Some(Guard::of(&id)?);
    let container = throwaway.container.as_ref().context("it was just put there")?;
    let place = format!("{}:{port}", runtime()?.block_on(host(container))?);
    if service == Service::Rabbitmq {
        let imported = async { timeout(BOUND, import_definitions(container, &docker.progress)).await };
        let within = || format!("the broker's policies: not within {} s", BOUND.as_secs());
        runtime()?.block_on(imported).with_context(within)??;
    }
    held().insert(name.to_owned(), throwaway);
    Ok(Instance {
        source: Source::Docker,
        url: url(service, password, &place),
        process: None,
        helper: None,
        container: Some(name.to_owned()),
        log: None,
        tied_to: ProcessId::own(),
    })
}

fn request(
    docker: &Docker,
    service: Service,
    name: &str,
    port: u16,
    password: &str,
) -> ContainerRequest<GenericImage> {
    let Recipe { image, port: inner, password: variable, variables, hostname, arguments, .. } =
        recipe(service, true);
    let (image, tag) = image.split_once(':').unwrap_or((image, "latest"));
    // A fixed port, since the engine chooses another one when a killed container starts again.
    let mut request = GenericImage::new(image, tag)
        .with_container_name(name)
        .with_mapped_port(port, inner.tcp())
        .with_env_var(variable, password)
        .with_startup_timeout(BOUND)
        .with_cmd(arguments);
    if reached_by_loopback() {
        request = request.with_host_config_modifier(|host| {
            for binding in host.port_bindings.iter_mut().flat_map(|all| all.values_mut()).flatten().flatten()
            {
                binding.host_ip = Some("127.0.0.1".to_owned());
            }
        });
    }
    for (variable, value) in variables {
        request = request.with_env_var(*variable, *value);
    }
    if let Some(hostname) = hostname {
        request = request.with_hostname(hostname);
    }
    if service == Service::Rabbitmq {
        request = request.with_copy_to(DEFINITIONS, docker.definitions.clone());
    }
    request
}

/// Whether the engine publishes ports on the loopback that this process sees: it does not from another machine, nor when
/// we run in a container ourselves and were given the engine's socket.
fn reached_by_loopback() -> bool {
    let socket = std::env::var_os("DOCKER_HOST").is_none_or(|h| h.to_string_lossy().starts_with("unix://"));
    socket && !std::path::Path::new("/.dockerenv").exists()
}

/// The address by which this process reaches published ports; version 4, on which they are published.
async fn host(container: &Container) -> Result<IpAddr> {
    let host = container.get_host().await?.to_string();
    let addresses = (host.as_str(), 0).to_socket_addrs().with_context(|| format!("the host {host}"))?;
    let address = addresses.map(|address| address.ip()).find(IpAddr::is_ipv4);
    address.with_context(|| format!("{host} has no address of version 4"))
}

/// Waits for the broker's word that it has started, and loads the policies.
async fn import_definitions(container: &Container, progress: &Progress) -> Result<()> {
    let mut lines = container.stdout(true).lines();
    loop {
        progress.check()?;
        // Looks up from the log now and then, whether the start was cancelled.
        match timeout(Duration::from_millis(200), lines.next_line()).await {
            Ok(Ok(Some(line))) if line.contains("completed with") => break,
            Ok(Ok(Some(_))) | Err(_) => {}
            Ok(Ok(None)) => bail!("the broker has ended: {}", super::logs(container.id())),
            Ok(Err(error)) => return Err(error).context("the broker's log"),
        }
    }
    let import = ExecCommand::new(["rabbitmqctl", "import_definitions", DEFINITIONS]);
    container
        .exec(import.with_cmd_ready_condition(CmdWaitFor::exit_code(0)))
        .await
        .context("loading the broker's policies")?;
    Ok(())
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        let Some(container) = self.container.take() else { return };
        let id = container.id().to_owned();
        // On a thread of its own: a test's thread may belong to a runtime, which must not wait for another.
        let removed = std::thread::scope(|scope| {
            let remove = || runtime().and_then(|runtime| Ok(runtime.block_on(container.rm())?));
            scope.spawn(remove).join().unwrap_or_else(|_| Err(anyhow!("the removal has panicked")))
        });
        match removed {
            Ok(()) => self.guard.iter_mut().for_each(Guard::dismiss),
            // Somebody else may have removed it. If not, the guard will when it is dropped.
            Err(error) if exists(&id) => eprintln!("removing a container: {error:#}"),
            Err(_) => {}
        }
    }
}

/// Removes a container once this process has ended, in whatever way: a shell that waits for the end of its input, which
/// nobody but this process can write to.
///
/// testcontainers removes in destructors; none runs in a process that is killed, nor for what a test binary keeps in a
/// static.
struct Guard {
    shell: Child,
}

impl Guard {
    fn of(container: &str) -> Result<Self> {
        // Deaf to what ends a terminal's foreground, and in a group of its own: it must outlive us by a moment.
        let script = "trap '' INT TERM HUP; cat >/dev/null; exec docker rm --force --volumes \"$0\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, container]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { shell: command.spawn().context("starting the guard of a container")? })
    }

    /// There is nothing left to remove.
    fn dismiss(&mut self) {
        if let Err(error) = self.shell.kill() {
            eprintln!("the guard of a container: {error}");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        if let Err(error) = self.shell.wait() {
            eprintln!("the guard of a container: {error}");
        }
    }
}

/// One for the process: the client that all containers share belongs to the runtime that made it.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let made = RUNTIME
        .get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build());
    made.as_ref().map_err(|error| anyhow!("the runtime of testcontainers: {error}"))
}
