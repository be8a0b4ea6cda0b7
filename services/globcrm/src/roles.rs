//! A role as an argument, and how one process runs one or all of them.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::error::ErrorKind;
use clap::{ArgMatches, Command, FromArgMatches, Subcommand, ValueEnum};
use config::{Env, Problems, Reloader, Reloads};
use fleet::FLEET;
use host::{LifeConfig, Process};
use ids::Clock;

use crate::programs::{self, Ready};

/// A service of the fleet, as the command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Role(pub(crate) fleet::Role);

impl Role {
    /// Callees before callers.
    pub(crate) const ALL: [Self; FLEET.len()] = {
        let mut all = [Self(fleet::Role::Identity); FLEET.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = Self(fleet::Role::ALL[at]);
            at += 1;
        }
        all
    };
}

/// `globcrm config check <role>`
impl ValueEnum for Role {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()).help(self.0.member().about))
    }
}

/// `globcrm <role>`
impl Subcommand for Role {
    fn augment_subcommands(command: Command) -> Command {
        FLEET.iter().fold(command, |command, member| {
            let about = format!("Run {}: {}", member.names.title, member.about);
            command.subcommand(Command::new(member.names.name).about(about))
        })
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        fleet::Role::named(name).is_some()
    }
}

impl FromArgMatches for Role {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let named = matches.subcommand_name().and_then(fleet::Role::named);
        named.map(Self).ok_or_else(|| clap::Error::new(ErrorKind::InvalidSubcommand))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Runs roles in this process until it is told to stop; one that fails ends all.
pub(crate) async fn run(roles: &[Role]) -> anyhow::Result<()> {
    let env = Env::process();
    let file = reload_file(&env, roles);
    let mut reloader = Reloader::new(env, file, &crate::configuration::hot_settings());
    let mut loaded = load(&reloader.env()?, roles)?;
    let Some(life) = loaded.first().map(|(_, loaded)| loaded.life.clone()) else { return Ok(()) };
    let names: Vec<&str> = roles.iter().map(|role| role.0.name()).collect();
    let _telemetry = host::telemetry::init(&names, &life)?;
    let process = Process::start(if let [one] = roles { one.0.name() } else { "globcrm" }, Clock::system())?;
    let mut reloads = Reloads::default();
    for (_, ready) in &mut loaded {
        reloads.extend(std::mem::take(&mut ready.reloads));
    }
    reloader.follow(reloads);
    host::reload::start(&process, reloader, host::reload::EVERY);
    serve(loaded, process).await
}

/// The file of variables that the first of the roles names; what is wrong with its settings is said when all are read.
fn reload_file(env: &Env, roles: &[Role]) -> Option<PathBuf> {
    let first = roles.first()?.0.upper();
    config::load::<LifeConfig>(env, first).ok()?.reload_file
}

/// Reads the settings of roles, or says every problem.
pub(crate) fn load(env: &Env, roles: &[Role]) -> Result<Vec<(fleet::Role, Ready)>, Problems> {
    config::refuse_unknown(env, &crate::configuration::all_settings())?;
    let mut problems = Vec::new();
    let mut loaded = Vec::new();
    for role in roles {
        match (programs::of(role.0).load)(env) {
            Ok(ready) => loaded.push((role.0, ready)),
            Err(found) => problems.extend(found.0),
        }
    }
    if problems.is_empty() { Ok(loaded) } else { Err(Problems(problems)) }
}

/// Runs them until the process stops; one that fails ends all.
pub(crate) async fn serve(loaded: Vec<(fleet::Role, Ready)>, process: Process) -> anyhow::Result<()> {
    let Some(grace) = loaded.first().map(|(_, ready)| ready.life.shutdown_grace.0) else { return Ok(()) };
    let alone = loaded.len() == 1;
    let serving = loaded.into_iter().map(|(role, loaded)| {
        let own = if alone { process.clone() } else { process.child(role.name()) };
        let stop = process.shutdown.clone();
        async move {
            let served = (loaded.serve)(own).await;
            // Whoever ends, ends all: a fleet without one of its roles is no fleet.
            stop.cancel();
            served.map_err(|error| error.context(role.name()))
        }
    });
    let served = futures_util::future::join_all(serving).await;
    let finished = process.finish(grace).await;
    for result in served {
        result?;
    }
    Ok(finished?)
}
