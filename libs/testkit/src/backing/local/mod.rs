//! Private instances of the system's packages, each in a directory of its own.

pub use packages::provide_make;
pub(crate) use packages::provide_prometheus;

mod account;
mod packages;
mod postgres;
mod rabbitmq;
mod redis;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub(crate) use account::Account;
pub(super) use postgres::settings as postgres_settings;

use super::{Instance, Lifetime, Service, Source};
use crate::ports;
use crate::process::ProcessId;
use crate::progress::Progress;
use crate::secrets::Secrets;
use crate::state::StateDir;
use crate::workspace::{Purpose, Workspace};

/// Everything a start needs, settled before the three start in parallel.
pub(super) struct Local {
    purpose: Purpose,
    lifetime: Lifetime,
    progress: Progress,
    programs: packages::Programs,
    accounts: BTreeMap<Service, Account>,
    base: PathBuf,
    ports: BTreeMap<String, u16>,
    passwords: BTreeMap<Service, String>,
    definitions: PathBuf,
}

/// File in a state directory that names where the data lie when they cannot lie there.
const POINTER: &str = "data-directory";

impl Local {
    /// Finds or installs the programs, chooses directory, ports and passwords. The caller holds the lock of `dir`.
    pub(super) fn prepare(
        workspace: &Workspace,
        purpose: Purpose,
        lifetime: Lifetime,
        dir: &StateDir,
        services: &[Service],
        progress: &Progress,
    ) -> Result<Self> {
        let programs = packages::provide(services, progress)?;
        let mut accounts = BTreeMap::new();
        let mut base = dir.path().to_owned();
        if account::is_root() {
            for &service in services {
                accounts.insert(service, account::for_service(service)?);
            }
            if !account::reachable(&base) {
                let below = format!("{}/{}", workspace.mark(), purpose.word());
                base = Path::new("/var/lib/globcrm-dev").join(below);
                let pointer = dir.path().join(POINTER);
                if !pointer.exists() && base.exists() {
                    // What an earlier clone at this path has left: its passwords went with it.
                    std::fs::remove_dir_all(&base).with_context(|| format!("deleting {}", base.display()))?;
                }
                std::fs::create_dir_all(&base).with_context(|| format!("making {}", base.display()))?;
                std::fs::write(pointer, base.display().to_string())?;
            }
        }
        let mut names = Vec::new();
        for service in services {
            names.push(service.name());
            if *service == Service::Rabbitmq {
                names.extend(["rabbitmq.distribution", "rabbitmq.epmd"]);
            }
        }
        // A live epmd of a killed broker keeps its port: that is no reason to move.
        let state = dir.load()?;
        let epmd_lives = state
            .instances
            .get(&Service::Rabbitmq)
            .and_then(|instance| instance.helper)
            .is_some_and(ProcessId::alive);
        let wanted: Vec<_> = names
            .into_iter()
            .filter(|name| !(epmd_lives && *name == "rabbitmq.epmd"))
            .map(|name| (name, state.ports.get(name).copied()))
            .collect();
        let mut ports = ports::choose(&wanted)?;
        if epmd_lives && let Some(port) = state.ports.get("rabbitmq.epmd") {
            ports.insert("rabbitmq.epmd".to_owned(), *port);
        }
        dir.change(|state| state.ports.extend(ports.clone()))?;
        let mut secrets = Secrets::open(dir.path())?;
        let mut passwords = BTreeMap::new();
        for &service in services {
            passwords.insert(service, secrets.get(service.name())?);
        }
        let epmd = state.instances.get(&Service::Rabbitmq).and_then(|instance| instance.helper);
        let definitions = workspace.root().join("deploy/rabbitmq/definitions.json");
        let local = Self {
            purpose,
            lifetime,
            progress: progress.clone(),
            programs: programs.with_epmd(epmd.filter(|epmd| epmd.alive())),
            accounts,
            base,
            ports,
            passwords,
            definitions,
        };
        Ok(local)
    }

    pub(super) fn start(&self, service: Service) -> Result<Instance> {
        let site = Site {
            dir: self.base.join(service.name()),
            port: *self.ports.get(service.name()).context("a port was chosen")?,
            password: self.passwords.get(&service).context("a password was chosen")?,
            account: self.accounts.get(&service),
            test: self.purpose == Purpose::Test,
            tied: self.lifetime == Lifetime::Parent,
            progress: &self.progress,
        };
        site.make_dir(&site.dir)?;
        match service {
            Service::Postgres => postgres::start(&site, &self.programs),
            Service::Rabbitmq => {
                let distribution = *self.ports.get("rabbitmq.distribution").context("a port was chosen")?;
                let epmd = *self.ports.get("rabbitmq.epmd").context("a port was chosen")?;
                let ports = rabbitmq::Ports { distribution, epmd };
                rabbitmq::start(&site, &self.programs, ports, &self.definitions)
            }
            Service::Redis => redis::start(&site, &self.programs),
        }
    }
}

/// One service's place.
struct Site<'a> {
    dir: PathBuf,
    port: u16,
    password: &'a str,
    /// The user to run as; only when we are root.
    account: Option<&'a Account>,
    test: bool,
    tied: bool,
    progress: &'a Progress,
}

impl Site<'_> {
    /// Makes a directory that only the service's user enters.
    fn make_dir(&self, path: &Path) -> Result<()> {
        std::fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))?;
        self.give(path, 0o700)
    }

    /// Writes a file that only the service's user reads.
    fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        crate::state::write_private(path, content)?;
        self.give(path, 0o600)
    }

    fn give(&self, path: &Path, mode: u32) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        if let Some(account) = self.account {
            std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid))
                .with_context(|| format!("giving {} to {}", path.display(), account.name))?;
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// The recorded instance of a started server.
    fn instance(&self, url: String, process: ProcessId, helper: Option<ProcessId>) -> Instance {
        let tied_to = if self.tied { ProcessId::own() } else { None };
        Instance {
            source: Source::Local,
            url,
            process: Some(process),
            helper,
            container: None,
            log: Some(self.log()),
            tied_to,
        }
    }
}

/// Deletes data that lie outside the state directory.
pub(super) fn remove_data(dir: &StateDir) -> Result<()> {
    let pointer = dir.path().join(POINTER);
    if let Ok(place) = std::fs::read_to_string(&pointer) {
        let place = PathBuf::from(place);
        // The file is ours, and still: nothing but the directory we make there is ever deleted.
        if place.starts_with("/var/lib/globcrm-dev") && place.exists() {
            std::fs::remove_dir_all(&place).with_context(|| format!("deleting {}", place.display()))?;
        }
    }
    Ok(())
}
