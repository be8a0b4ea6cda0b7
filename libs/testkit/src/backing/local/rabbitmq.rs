//! A private RabbitMQ: own node name, own epmd, own ports, own directories.
//!
//! An Erlang node starts epmd by itself as a daemon that outlives it. We start it first, in the foreground and on a
//! port of its own, so that it is ours to stop and no other node of the machine is registered with it.

use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use super::packages::Programs;
use super::{Instance, Site};
use crate::process::ProcessId;
use crate::spawner::Daemon;

/// Ports beside the one of AMQP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) distribution: u16,
    pub(super) epmd: u16,
}

/// The user of the fleet, in the private broker's own definitions.
const USER: &str = "globcrm";

pub(super) fn start(
    site: &Site<'_>,
    programs: &Programs,
    ports: Ports,
    definitions: &Path,
) -> Result<Instance> {
    for name in ["mnesia", "logs", "generated"] {
        site.make_dir(&site.dir.join(name))?;
    }
    let loaded = site.dir.join("definitions.json");
    let text = std::fs::read(definitions).with_context(|| format!("reading {}", definitions.display()))?;
    site.write(&loaded, &with_user(&text, site.password)?)?;
    let config = site.dir.join("rabbitmq.conf");
    site.write(&config, configuration(site.port, &loaded).as_bytes())?;
    let plugins = site.dir.join("enabled_plugins");
    site.write(&plugins, b"[].\n")?;

    let epmd = match programs.live_epmd {
        Some(epmd) => epmd,
        None => start_epmd(site, programs, ports.epmd)?,
    };
    site.progress.say(format!("starting RabbitMQ on port {}", site.port));
    let daemon = Daemon {
        program: &programs.rabbitmq_server,
        arguments: Vec::new(),
        environment: environment(site, ports),
        directory: &site.dir,
        log: &site.log(),
        account: site.account,
        tied: site.tied.then_some("TERM"),
    };
    match daemon.start() {
        Ok(process) => {
            let url = format!("amqp://{USER}:{}@127.0.0.1:{}/%2f", site.password, site.port);
            Ok(site.instance(url, process, Some(epmd)))
        }
        Err(error) => {
            epmd.kill()?;
            Err(error)
        }
    }
}

fn start_epmd(site: &Site<'_>, programs: &Programs, port: u16) -> Result<ProcessId> {
    let daemon = Daemon {
        program: &programs.epmd,
        arguments: vec!["-port".to_owned(), port.to_string(), "-address".to_owned(), "127.0.0.1".to_owned()],
        environment: Vec::new(),
        directory: &site.dir,
        log: &site.log(),
        account: site.account,
        tied: site.tied.then_some("TERM"),
    };
    let epmd = daemon.start()?;
    let listening = || Ok(TcpStream::connect(("127.0.0.1", port)).is_ok());
    if let Err(error) = site.progress.wait("epmd", Duration::from_secs(20), listening) {
        epmd.kill()?;
        return Err(error);
    }
    Ok(epmd)
}

fn environment(site: &Site<'_>, ports: Ports) -> Vec<(String, String)> {
    let path = |name: &str| site.dir.join(name).display().to_string();
    let pairs = [
        // Without the port: data are filed under the node's name and must outlive a change of port. The epmd of its own
        // keeps two nodes of one name apart.
        ("RABBITMQ_NODENAME", "globcrm@localhost".to_owned()),
        ("RABBITMQ_DIST_PORT", ports.distribution.to_string()),
        ("ERL_EPMD_PORT", ports.epmd.to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_MNESIA_BASE", path("mnesia")),
        ("RABBITMQ_LOG_BASE", path("logs")),
        ("RABBITMQ_GENERATED_CONFIG_DIR", path("generated")),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config")),
        ("RABBITMQ_CONF_ENV_FILE", path("rabbitmq-env.conf")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
        ("RABBITMQ_PID_FILE", path("pid")),
        // The script then replaces itself by the Erlang VM, so that the process we know is the broker.
        ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}".to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn configuration(port: u16, definitions: &Path) -> String {
    format!(
        "listeners.tcp.1 = 127.0.0.1:{port}\n\
         load_definitions = {}\n\
         log.console = false\n\
         vm_memory_high_watermark.absolute = 1GB\n\
         disk_free_limit.absolute = 200MB\n\
         raft.wal_max_size_bytes = 64000000\n",
        definitions.display()
    )
}

/// The committed definitions with the fleet's user, whose password is never committed.
fn with_user(definitions: &[u8], password: &str) -> Result<Vec<u8>> {
    let mut definitions: Value = serde_json::from_slice(definitions).context("the broker's definitions")?;
    let all = definitions.as_object_mut().ok_or_else(|| anyhow!("the broker's definitions are no object"))?;
    all.insert("users".to_owned(), json!([{"name": USER, "password": password, "tags": "administrator"}]));
    let rights = json!([{"user": USER, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}]);
    all.insert("permissions".to_owned(), rights);
    Ok(serde_json::to_vec_pretty(&definitions)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_definitions_hold_no_user_and_gain_one() {
        let here = crate::Workspace::here().unwrap();
        let committed = std::fs::read(here.root().join("deploy/rabbitmq/definitions.json")).unwrap();
        let before: Value = serde_json::from_slice(&committed).unwrap();
        assert!(before.get("users").is_none());
        assert_eq!(before["vhosts"][0]["name"], "/");
        let after: Value = serde_json::from_slice(&with_user(&committed, "secret").unwrap()).unwrap();
        assert_eq!(after["users"][0]["name"], USER);
        assert_eq!(after["policies"], before["policies"]);
    }
}
