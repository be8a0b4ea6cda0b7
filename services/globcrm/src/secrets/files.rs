//! Secrets as files, one each.
//!
//! A file can be read by everybody (0444) and its directory be entered by its owner only (0700): in a container the reader
//! is another user than the owner on the host (65532 for ours, another for each server), and an engine mounts a file with
//! the owner and the mode that it has. On the host nobody but the owner gets past the directory.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use config::{ExposeSecret, SecretString};

use super::needs::{Need, readers};
use super::resolve::{Kept, Secret};

/// The largest file that is read back.
const MAX_BYTES: u64 = 64 * 1024;

/// Where the files are.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) dir: PathBuf,
    /// `<dir>/<reader>/<name>` instead of `<dir>/<name>`.
    pub(super) by_reader: bool,
}

impl Layout {
    /// What is there already. A secret that several readers have a file of must be the same in each.
    pub(super) fn read(&self, needs: &[Need]) -> anyhow::Result<Kept> {
        let mut kept: BTreeMap<String, SecretString> = BTreeMap::new();
        for need in needs {
            for path in self.paths(need) {
                let Some(value) = read(&path)? else { continue };
                if let Some(other) = kept.insert(need.name.clone(), value.clone())
                    && other.expose_secret() != value.expose_secret()
                {
                    bail!("{} differs from the file of another reader: remove the wrong one", path.display());
                }
            }
        }
        Ok(kept)
    }

    /// Writes what is not there, and says how many files that were.
    pub(super) fn write(&self, secrets: &[Secret<'_>]) -> anyhow::Result<usize> {
        make_dir(&self.dir, 0o700)?;
        let needs: Vec<Need> = secrets.iter().map(|secret| secret.need.clone()).collect();
        if self.by_reader {
            for reader in readers(&needs) {
                make_dir(&self.dir.join(reader), 0o755)?;
            }
        }
        let mut written = 0;
        for secret in secrets {
            for path in self.paths(secret.need) {
                written += usize::from(write(&path, secret.value.expose_secret())?);
            }
        }
        Ok(written)
    }

    fn paths(&self, need: &Need) -> Vec<PathBuf> {
        if self.by_reader {
            need.readers.iter().map(|reader| self.dir.join(reader).join(&need.name)).collect()
        } else {
            vec![self.dir.join(&need.name)]
        }
    }
}

/// The secret in a file; `None` where there is no file.
pub(super) fn read(path: &Path) -> anyhow::Result<Option<SecretString>> {
    let shown = || format!("reading {}", path.display());
    match fs::metadata(path) {
        Ok(found) if found.len() > MAX_BYTES => bail!("{} is too large for a secret", path.display()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(shown),
    }
    let text = fs::read_to_string(path).with_context(shown)?;
    if text.trim().is_empty() {
        // A write that was cut off: what would be read later is not a secret.
        bail!("{} is empty: remove it", path.display());
    }
    // As the configuration reads it: editors end a file with a line break.
    Ok(Some(SecretString::from(text.trim_end_matches(['\r', '\n']))))
}

fn make_dir(path: &Path, mode: u32) -> anyhow::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.with_context(|| format!("making the directory {}", path.display())),
    }
}

/// Writes a file that is not there; false when it is.
fn write(path: &Path, value: &str) -> anyhow::Result<bool> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o444).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        opened => opened.with_context(|| format!("making {}", path.display()))?,
    };
    let written = file.write_all(value.as_bytes()).and_then(|()| file.sync_all());
    written.with_context(|| format!("writing {}", path.display()))?;
    Ok(true)
}
