//! A private PostgreSQL: `initdb` once, then the postmaster in the foreground.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::packages::Programs;
use super::{Instance, Site};
use crate::spawner::Daemon;

/// Server settings beside port and directories.
///
/// Tests give up `fsync` and full page writes, which only a crash of the machine needs. They keep synchronous commit:
/// a fault test that kills the postmaster must find every committed row.
pub(in crate::backing) fn settings(test: bool) -> Vec<&'static str> {
    let mut settings = vec![
        "max_connections=200",
        "shared_buffers=256MB",
        "max_wal_size=2GB",
        "max_locks_per_transaction=256",
        "random_page_cost=1.1",
        "jit=off",
        "autovacuum=on",
        "timezone=UTC",
        "log_timezone=UTC",
    ];
    if test {
        settings.extend(["fsync=off", "full_page_writes=off"]);
    }
    settings
}

pub(super) fn start(site: &Site<'_>, programs: &Programs) -> Result<Instance> {
    let data = site.dir.join("data");
    if !data.exists() {
        initialise(site, programs, &data)?;
    }
    let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
    let mut set = |setting: &str| arguments.extend(["-c".to_owned(), setting.to_owned()]);
    set("listen_addresses=127.0.0.1");
    set(&format!("port={}", site.port));
    // A socket's path holds 107 bytes at most; nothing here needs the socket.
    let socket = site.dir.display().to_string();
    set(&format!("unix_socket_directories={}", if socket.len() < 85 { socket.as_str() } else { "" }));
    settings(site.test).into_iter().for_each(&mut set);
    site.progress.say(format!("starting PostgreSQL on port {}", site.port));
    let daemon = Daemon {
        program: &programs.postgres_bin.join("postgres"),
        arguments,
        environment: Vec::new(),
        directory: &site.dir,
        log: &site.log(),
        account: site.account,
        tied: site.tied.then_some("INT"),
    };
    let process = daemon.start()?;
    let url = format!("postgres://postgres:{}@127.0.0.1:{}/postgres", site.password, site.port);
    Ok(site.instance(url, process, None))
}

fn initialise(site: &Site<'_>, programs: &Programs, data: &Path) -> Result<()> {
    site.progress.say("initialising a PostgreSQL cluster");
    // Built beside its place and moved there: an interrupted initdb leaves nothing that looks like a cluster.
    let unfinished = site.dir.join("data.unfinished");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished)?;
    }
    let password_file = site.dir.join("password");
    site.write(&password_file, site.password.as_bytes())?;
    let mut command = Command::new(programs.postgres_bin.join("initdb"));
    command.arg("--pgdata").arg(&unfinished).arg("--pwfile").arg(&password_file);
    command.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]);
    if site.test {
        command.arg("--no-sync");
    }
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8").current_dir(&site.dir);
    if let Some(account) = site.account {
        use std::os::unix::process::CommandExt;
        command.uid(account.uid).gid(account.gid);
    }
    let output = command.stdin(Stdio::null()).output().context("running initdb")?;
    std::fs::remove_file(&password_file)?;
    if !output.status.success() {
        bail!("initdb failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    std::fs::rename(&unfinished, data)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn tests_lose_no_committed_row_when_the_postmaster_is_killed() {
        assert!(super::settings(true).contains(&"fsync=off"));
        assert!(!super::settings(true).iter().any(|setting| setting.starts_with("synchronous_commit")));
        assert!(!super::settings(false).contains(&"fsync=off"));
    }
}
