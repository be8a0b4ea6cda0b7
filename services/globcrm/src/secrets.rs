//! `globcrm secrets`: makes every secret that a fleet needs, once.

mod files;
mod kubernetes;
mod needs;
mod resolve;
mod seal_keys;
mod values;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use config::{Env, ExposeSecret};

use crate::configuration::all_settings;

pub(crate) use needs::{Need, file_variables, needs, readers};

/// Where to put what is made.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Write a file for each secret that DIR has none for; files that are there stay
    Files {
        /// A directory; it is made with access for its owner only
        dir: PathBuf,
        /// A directory below DIR for each that reads secrets, with those that it reads: one volume each
        #[arg(long)]
        by_reader: bool,
        #[command(flatten)]
        places: Places,
    },
    /// Print a Secret, for `kubectl create --filename -`
    Kubernetes {
        /// The name of the Secret
        #[arg(long, value_parser = kubernetes::name)]
        name: String,
        /// A directory that `files` wrote: its values are printed, and only what it lacks is made
        #[arg(long)]
        from: Option<PathBuf>,
        #[command(flatten)]
        places: Places,
    },
    /// Print the keys that seal secrets at rest (`SEAL_KEYS`) with a new one behind them, for their exchange
    SealKeys {
        /// The file of the keys in use; a new key alone is printed without it
        #[arg(long)]
        from: Option<PathBuf>,
    },
}

/// Where the servers are whose URLs are made. A URL that the environment gives (`GLOBCRM_MIGRATE_ADMIN_URL`,
/// `GLOBCRM_FLEET_AMQP_URL`, `GLOBCRM_FLEET_REDIS_URL`, each also as `_FILE`) is taken as it is.
#[derive(Args, Clone, Debug)]
pub(crate) struct Places {
    /// PostgreSQL
    #[arg(long, value_name = "HOST:PORT", default_value = "postgres:5432", value_parser = address)]
    pub(crate) postgres: String,
    /// RabbitMQ
    #[arg(long, value_name = "HOST:PORT", default_value = "rabbitmq:5672", value_parser = address)]
    pub(crate) rabbitmq: String,
    /// Redis
    #[arg(long, value_name = "HOST:PORT", default_value = "redis:6379", value_parser = address)]
    pub(crate) redis: String,
}

/// Runs the command. What is printed names secrets and shows none, but for what was asked for: the Secret, the keys.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    let (env, needs) = (Env::process(), needs(&all_settings())?);
    match command {
        Command::Files { dir, by_reader, places } => {
            let layout = files::Layout { dir, by_reader };
            let secrets = resolve::resolve(&needs, &env, &layout.read(&needs)?, &places)?;
            let written = layout.write(&secrets)?;
            println!("{} secrets, {written} files written", secrets.len());
        }
        Command::Kubernetes { name, from, places } => {
            let kept = match from {
                Some(dir) => files::Layout { dir, by_reader: false }.read(&needs)?,
                None => resolve::Kept::new(),
            };
            let secrets = resolve::resolve(&needs, &env, &kept, &places)?;
            print!("{}", kubernetes::manifest(&name, &secrets)?);
        }
        Command::SealKeys { from } => {
            println!("{}", seal_keys::with_another(from.as_deref())?.expose_secret());
        }
    }
    Ok(())
}

/// `host`, `host:port` or `[address]:port`, with nothing in it that would end the host of a URL.
fn address(text: &str) -> Result<String, String> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if text.is_empty() || !text.chars().all(is_fine) {
        return Err("a host and a port are expected, like db.example:5432".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
