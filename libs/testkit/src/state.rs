//! What is running and where, in `state.json` of a state directory, under a lock between processes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::backing::{Instance, Service};
use crate::fleet::Role;
use crate::process::ProcessId;

/// Everything a later command must know to reuse or stop what an earlier one started.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct State {
    /// Live (or once live) backing services.
    #[serde(default)]
    pub(crate) instances: BTreeMap<Service, Instance>,
    /// Ports by name, kept so that URLs stay the same from one start to the next.
    #[serde(default)]
    pub(crate) ports: BTreeMap<String, u16>,
    /// The roles of the product.
    #[serde(default)]
    pub(crate) fleet: BTreeMap<Role, ProcessId>,
}

/// A state directory. Changes go through [`StateDir::lock`].
#[derive(Clone, Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
}

/// Holds the directory's lock until dropped.
#[derive(Debug)]
pub(crate) struct Locked {
    _lock: File,
}

impl StateDir {
    /// The directory at `path`, made when missing.
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for other commands that start or stop things here.
    pub(crate) fn lock(&self) -> Result<Locked> {
        let file = self.path.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&file)?;
        lock.lock().with_context(|| format!("locking {}", file.display()))?;
        Ok(Locked { _lock: lock })
    }

    pub(crate) fn load(&self) -> Result<State> {
        Ok(read_json(&self.path.join("state.json"))?.unwrap_or_default())
    }

    pub(crate) fn save(&self, state: &State) -> Result<()> {
        write_private(&self.path.join("state.json"), &serde_json::to_vec_pretty(state)?)
    }

    /// Loads, changes and saves.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) -> Result<()> {
        let mut state = self.load()?;
        change(&mut state);
        self.save(&state)
    }
}

/// The JSON in `file`, `None` when there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(file: &Path) -> Result<Option<T>> {
    match std::fs::read(file) {
        Ok(bytes) => {
            let value = serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is not what we wrote", file.display()))?;
            Ok(Some(value))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

/// Writes `file` with mode 0600 in one step: a reader sees the old or the new content, never a part.
pub fn write_private(file: &Path, content: &[u8]) -> Result<()> {
    let next = file.with_extension("next");
    let write = || -> std::io::Result<()> {
        // A leftover with a wider mode would keep that mode.
        if next.exists() {
            std::fs::remove_file(&next)?;
        }
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
        out.write_all(content)?;
        out.sync_all()?;
        std::fs::rename(&next, file)
    };
    write().with_context(|| format!("writing {}", file.display()))
}

/// A fresh directory for one test, below the build output.
#[cfg(test)]
pub(crate) fn scratch(name: &str) -> PathBuf {
    let here = crate::Workspace::here().unwrap();
    let dir = here.target().join("tmp").join(format!("testkit-{name}-{}", std::process::id()));
    if dir.exists() {
        std::fs::remove_dir_all(&dir).unwrap();
    }
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_by_the_next_reader() {
        let dir = StateDir::open(scratch("state")).unwrap();
        let lock = dir.lock().unwrap();
        dir.change(|state| state.ports.extend([("gateway".to_owned(), 8080)])).unwrap();
        drop(lock);
        assert_eq!(dir.load().unwrap().ports.get("gateway"), Some(&8080));
        std::fs::remove_dir_all(dir.path()).unwrap();
    }

    #[test]
    fn a_damaged_state_is_an_error_and_not_an_empty_one() {
        let dir = StateDir::open(scratch("damaged")).unwrap();
        std::fs::write(dir.path().join("state.json"), "{").unwrap();
        assert!(dir.load().is_err());
        std::fs::remove_dir_all(dir.path()).unwrap();
    }
}
