//! Finds the servers' programs, and installs Debian's packages where that is allowed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::account;
use crate::Unavailable;
use crate::backing::Service;
use crate::process::ProcessId;
use crate::progress::Progress;

/// Paths of programs; those of a service that was not asked for may be empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Programs {
    /// Directory of `postgres` and `initdb`.
    pub(super) postgres_bin: PathBuf,
    /// The server script itself, not the wrapper that changes the user.
    pub(super) rabbitmq_server: PathBuf,
    pub(super) epmd: PathBuf,
    pub(super) redis_server: PathBuf,
    /// An epmd that already runs for our broker.
    pub(super) live_epmd: Option<ProcessId>,
}

impl Programs {
    pub(super) fn with_epmd(self, live_epmd: Option<ProcessId>) -> Self {
        Self { live_epmd, ..self }
    }
}

/// The programs of `services`, installed if need be.
pub(super) fn provide(services: &[Service], progress: &Progress) -> Result<Programs> {
    let mut programs = Programs::default();
    let missing = locate(services, &mut programs);
    if missing.is_empty() {
        return Ok(programs);
    }
    let packages = package_names(&missing);
    let words = packages.join(" ");
    if !account::is_root() || on_path("apt-get").is_none() {
        let names: Vec<_> = missing.iter().map(|service| service.name()).collect();
        return Err(Unavailable::new(format!(
            "missing here: {}. Install PostgreSQL 15, RabbitMQ 3.10 and Redis 7 or later (Debian: apt-get install {words}), \
             or start a Docker engine, or name running servers in GLOBCRM_POSTGRES_ADMIN_URL, GLOBCRM_FLEET_AMQP_URL and \
             GLOBCRM_FLEET_REDIS_URL",
            names.join(", ")
        ))
        .into());
    }
    install(&packages, progress)?;
    let missing = locate(services, &mut programs);
    if !missing.is_empty() {
        bail!("installed {words}, and still do not find {missing:?}");
    }
    Ok(programs)
}

/// `make`, which the C code of a release's allocator is built with; the one build tool that a Rust tool chain with its linker may
/// lack.
pub fn provide_make(progress: &Progress) -> Result<()> {
    if on_path("make").is_some() {
        return Ok(());
    }
    if !account::is_root() || on_path("apt-get").is_none() {
        return Err(Unavailable::new("missing here: make (Debian: apt-get install make)").into());
    }
    install(&["make"], progress)
}

/// Prometheus' server and its `promtool`. No server is started.
pub(crate) fn provide_prometheus(progress: &Progress) -> Result<[PathBuf; 2]> {
    let find = || Some([on_path("prometheus")?, on_path("promtool")?]);
    if let Some(found) = find() {
        return Ok(found);
    }
    if !account::is_root() || on_path("apt-get").is_none() {
        let text =
            "missing here: prometheus and promtool, 2.42 or later (Debian: apt-get install prometheus)";
        return Err(Unavailable::new(text).into());
    }
    install(&["prometheus"], progress)?;
    find().context("installed prometheus, and still do not find it")
}

fn package_names(missing: &[Service]) -> Vec<&'static str> {
    let name = |service: &Service| match service {
        Service::Postgres => "postgresql",
        Service::Rabbitmq => "rabbitmq-server",
        Service::Redis => "redis-server",
    };
    missing.iter().map(name).collect()
}

fn locate(services: &[Service], programs: &mut Programs) -> Vec<Service> {
    let mut missing = Vec::new();
    for &service in services {
        let found = match service {
            Service::Postgres => postgres_bin().map(|path| programs.postgres_bin = path),
            Service::Rabbitmq => rabbitmq_server().zip(on_path("epmd")).map(|(server, epmd)| {
                programs.rabbitmq_server = server;
                programs.epmd = epmd;
            }),
            Service::Redis => on_path("redis-server").map(|path| programs.redis_server = path),
        };
        if found.is_none() {
            missing.push(service);
        }
    }
    missing
}

/// The newest version of Debian's side-by-side directories, else the one on the path; 15 or later.
fn postgres_bin() -> Option<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version =
        |name: &std::ffi::OsStr| name.to_str()?.parse::<u32>().ok().filter(|version| *version >= 15);
    let newest = entries
        .filter_map(|entry| Some((version(&entry.file_name())?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .max();
    newest
        .map(|(_, bin)| bin)
        .or_else(|| on_path("initdb")?.canonicalize().ok()?.parent().map(Path::to_owned))
}

/// The script itself: Debian's wrapper on the path changes to its own user, home and log.
fn rabbitmq_server() -> Option<PathBuf> {
    let direct = Path::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
    if direct.exists() { Some(direct.to_owned()) } else { on_path("rabbitmq-server") }
}

/// A program on the path or in the directories of servers, which a user's path often lacks.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|dir| dir.join(name)).find(|candidate| candidate.is_file())
}

/// `apt-get install` that starts no server.
fn install(packages: &[&str], progress: &Progress) -> Result<()> {
    let words = packages.join(" ");
    progress.say(format!("installing {words} with apt-get (once)"));
    let _policy = NoServers::forbid()?;
    // An index that is out of date names files that are gone; one that cannot be fetched may still do.
    if let Err(error) = apt(&["update", "-qq"]) {
        progress.say(format!("{error:#}: going on with the index that is here"));
    }
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments).map_err(|error| Unavailable::new(format!("{error:#}. Install by hand: {words}")))?;
    progress.say(format!("installed {words}"));
    Ok(())
}

fn apt(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("running apt-get")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let last: Vec<_> = text.lines().rev().take(3).collect();
        bail!("apt-get {} failed: {}", arguments.first().unwrap_or(&""), last.join(" / "));
    }
    Ok(())
}

/// `policy-rc.d` answers 101 ("action forbidden") to every start of a service while this value lives.
struct NoServers {
    before: Option<PathBuf>,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoServers {
    fn forbid() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let policy = Path::new(POLICY);
        let before = policy.exists().then(|| PathBuf::from(format!("{POLICY}.before-globcrm")));
        if let Some(before) = &before {
            std::fs::rename(policy, before).context("setting the system's policy-rc.d aside")?;
        }
        let guard = Self { before };
        std::fs::write(policy, "#!/bin/sh\nexit 101\n").context("writing policy-rc.d")?;
        std::fs::set_permissions(policy, std::fs::Permissions::from_mode(0o755))?;
        Ok(guard)
    }
}

impl Drop for NoServers {
    fn drop(&mut self) {
        let restored = match &self.before {
            Some(before) => std::fs::rename(before, POLICY),
            None => std::fs::remove_file(POLICY),
        };
        if let Err(error) = restored {
            eprintln!("{POLICY} was not restored: {error}");
        }
    }
}
