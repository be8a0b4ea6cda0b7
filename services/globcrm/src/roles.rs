//! Which role is which crate, and how one process runs one or all of them.

use clap::ValueEnum;
use config::{Env, Problems, Setting};
use host::{HostConfig, LifeConfig, Process};
use ids::Clock;

/// A service of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Organisations, users, roles, sessions, keys.
    Identity,
    /// Custom-field definitions.
    Fields,
    /// Contacts, companies, imports.
    Records,
    /// The public REST API.
    Gateway,
}

/// A role's configuration, read and checked.
enum Ready {
    Identity(Box<identity::Config>, HostConfig),
    Fields(Box<fields::Config>, HostConfig),
    Records(Box<records::Config>, HostConfig),
    Gateway(Box<gateway::Config>, LifeConfig),
}

impl Role {
    /// Callees before callers.
    pub(crate) const ALL: [Self; 4] = [Self::Identity, Self::Fields, Self::Records, Self::Gateway];

    /// Lower case.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Fields => "fields",
            Self::Records => "records",
            Self::Gateway => "gateway",
        }
    }

    /// Every setting it reads.
    pub(crate) fn settings(self) -> Vec<Setting> {
        match self {
            Self::Identity => config::describe::<(identity::Config, HostConfig)>(identity::ROLE),
            Self::Fields => config::describe::<(fields::Config, HostConfig)>(fields::ROLE),
            Self::Records => config::describe::<(records::Config, HostConfig)>(records::ROLE),
            Self::Gateway => config::describe::<(gateway::Config, LifeConfig)>(gateway::ROLE),
        }
    }

    /// Every problem of its configuration.
    pub(crate) fn check(self, env: &Env) -> Result<(), Problems> {
        self.load(env).map(drop)
    }

    fn load(self, env: &Env) -> Result<Ready, Problems> {
        Ok(match self {
            Self::Identity => {
                let (own, host) = config::load(env, identity::ROLE)?;
                Ready::Identity(Box::new(own), host)
            }
            Self::Fields => {
                let (own, host) = config::load(env, fields::ROLE)?;
                Ready::Fields(Box::new(own), host)
            }
            Self::Records => {
                let (own, host) = config::load(env, records::ROLE)?;
                Ready::Records(Box::new(own), host)
            }
            Self::Gateway => {
                let (own, life) = config::load(env, gateway::ROLE)?;
                Ready::Gateway(Box::new(own), life)
            }
        })
    }
}

impl Ready {
    fn life(&self) -> &LifeConfig {
        match self {
            Self::Identity(_, host) | Self::Fields(_, host) | Self::Records(_, host) => &host.life,
            Self::Gateway(_, life) => life,
        }
    }

    async fn serve(self, process: Process) -> anyhow::Result<()> {
        match self {
            Self::Identity(own, host) => identity::serve(*own, host, process).await?,
            Self::Fields(own, host) => fields::serve(*own, host, process).await?,
            Self::Records(own, host) => records::serve(*own, host, process).await?,
            Self::Gateway(own, life) => gateway::serve(*own, life, process).await?,
        }
        Ok(())
    }
}

/// Runs roles in this process until it is told to stop; one that fails ends all.
pub(crate) async fn run(roles: &[Role]) -> anyhow::Result<()> {
    let env = Env::process();
    config::refuse_unknown(&env, &crate::configuration::all_settings())?;
    let mut problems = Vec::new();
    let mut ready = Vec::new();
    for role in roles {
        match role.load(&env) {
            Ok(loaded) => ready.push((*role, loaded)),
            Err(found) => problems.extend(found.0),
        }
    }
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    let Some(life) = ready.first().map(|(_, loaded)| loaded.life().clone()) else { return Ok(()) };
    let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
    let _telemetry = host::telemetry::init(&names, &life)?;
    let process = Process::start(if let [one] = roles { one.name() } else { "globcrm" }, Clock::system())?;
    let alone = roles.len() == 1;
    let serving = ready.into_iter().map(|(role, loaded)| {
        let own = if alone { process.clone() } else { process.child(role.name()) };
        let stop = process.shutdown.clone();
        async move {
            let served = Box::pin(loaded.serve(own)).await;
            // Whoever ends, ends all: a fleet without one of its roles is no fleet.
            stop.cancel();
            served.map_err(|error| error.context(role.name()))
        }
    });
    let served = futures_util::future::join_all(serving).await;
    let finished = process.finish(life.shutdown_grace).await;
    for result in served {
        result?;
    }
    Ok(finished?)
}
