//! System users for servers that refuse root, or should not have it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::backing::Service;

/// A user of the system.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The user made where a package brings none of its own.
const OWN: &str = "globcrm-dev";

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The package's user, or one of our own.
pub(super) fn for_service(service: Service) -> Result<Account> {
    for name in [service.name(), OWN] {
        if let Some(account) = find(name)? {
            return Ok(account);
        }
    }
    let made = Command::new("useradd")
        .args(["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", OWN])
        .status()
        .context("running useradd")?;
    match find(OWN)? {
        Some(account) => Ok(account),
        None => bail!("useradd {OWN}: {made}"),
    }
}

fn find(name: &str) -> Result<Option<Account>> {
    let users = std::fs::read_to_string("/etc/passwd").context("reading the list of users")?;
    Ok(users.lines().find_map(|line| parse(line, name)))
}

/// `name:x:uid:gid:…`
fn parse(line: &str, name: &str) -> Option<Account> {
    let mut fields = line.split(':');
    if fields.next()? != name {
        return None;
    }
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    // Never root under another name.
    (uid != 0).then(|| Account { name: name.to_owned(), uid, gid })
}

/// Whether any user may enter `path`: every directory on the way has the search bit for others.
pub(super) fn reachable(path: &Path) -> bool {
    path.ancestors()
        .all(|dir| std::fs::metadata(dir).is_ok_and(|found| found.permissions().mode() & 0o001 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_from_its_line_and_root_is_refused() {
        let account = parse("redis:x:113:120::/var/lib/redis:/usr/sbin/nologin", "redis").unwrap();
        assert_eq!((account.uid, account.gid), (113, 120));
        assert!(parse("redis-sentinel:x:113:120::/:/bin/sh", "redis").is_none());
        assert!(parse("redis:x:0:0::/:/bin/sh", "redis").is_none());
    }

    #[test]
    fn a_path_below_a_closed_directory_is_not_reachable() {
        let dir = crate::state::scratch("reachable");
        let inner = dir.join("closed/inner");
        std::fs::create_dir_all(&inner).unwrap();
        let closed = dir.join("closed");
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!reachable(&inner));
        assert!(reachable(Path::new("/usr/bin")));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
