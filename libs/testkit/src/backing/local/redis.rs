//! A private Redis.

use anyhow::Result;

use super::packages::Programs;
use super::{Instance, Site};
use crate::spawner::Daemon;

pub(super) fn start(site: &Site<'_>, programs: &Programs) -> Result<Instance> {
    let config = site.dir.join("redis.conf");
    site.write(&config, configuration(site).as_bytes())?;
    site.progress.say(format!("starting Redis on port {}", site.port));
    let daemon = Daemon {
        program: &programs.redis_server,
        arguments: vec![config.display().to_string()],
        environment: Vec::new(),
        directory: &site.dir,
        log: &site.log(),
        account: site.account,
        tied: site.tied.then_some("TERM"),
    };
    let process = daemon.start()?;
    let url = format!("redis://:{}@127.0.0.1:{}/0", site.password, site.port);
    Ok(site.instance(url, process, None))
}

/// Nothing in Redis is the only copy of anything, so tests keep nothing; a developer's limits survive a restart.
fn configuration(site: &Site<'_>) -> String {
    let keep = if site.test { "save \"\"\nappendonly no" } else { "save \"\"\nappendonly yes" };
    format!(
        "bind 127.0.0.1\nport {}\nrequirepass {}\ndir \"{}\"\ndaemonize no\n{keep}\nmaxmemory 256mb\nmaxmemory-policy volatile-lru\n",
        site.port,
        site.password,
        site.dir.display()
    )
}
