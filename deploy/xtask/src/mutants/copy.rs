//! A copy of the working tree, uncommitted changes included, in which mutants are tried: whatever ends a run, the tree that
//! somebody works in is never the broken one.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A copy, held by one run at a time.
pub(super) struct Copy {
    original: PathBuf,
    dir: PathBuf,
    _lock: File,
}

impl Copy {
    /// The copy of the tree at `original` in `dir`, brought up to date. What has not changed is not written again, so that cargo
    /// builds only what differs.
    pub(super) fn open(original: &Path, dir: &Path) -> Result<Self> {
        let files = files(original)?;
        let copy = Self::holding(original, dir)?;
        let kept: BTreeSet<PathBuf> =
            files.into_iter().filter(|file| original.join(file).is_file()).collect();
        copy.remove_others(Path::new(""), &kept)?;
        for file in &kept {
            copy.restore(file)?;
        }
        Ok(copy)
    }

    /// The copy as it is, once nobody else works in it.
    fn holding(original: &Path, dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir.join("tree")).with_context(|| format!("making {}", dir.display()))?;
        std::fs::create_dir_all(dir.join("logs"))?;
        let file = dir.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&file)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { original: original.to_owned(), dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!("mutants are being tried already, in {}", dir.display()),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("locking {}", file.display()))
            }
        }
    }

    /// Where the copy lies.
    pub(super) fn root(&self) -> PathBuf {
        self.dir.join("tree")
    }

    /// The file of what a run of this name has said.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.dir.join("logs").join(name.replace('/', "-")).with_extension("txt")
    }

    pub(super) fn read(&self, file: &Path) -> Result<String> {
        std::fs::read_to_string(self.root().join(file)).with_context(|| format!("reading {}", file.display()))
    }

    pub(super) fn write(&self, file: &Path, text: &str) -> Result<()> {
        std::fs::write(self.root().join(file), text).with_context(|| format!("writing {}", file.display()))
    }

    /// Makes a file what it is in the original.
    fn restore(&self, file: &Path) -> Result<()> {
        let (from, to) = (self.original.join(file), self.root().join(file));
        let copy = || -> std::io::Result<()> {
            if std::fs::read(&to).ok().as_deref() == Some(&*std::fs::read(&from)?) {
                return Ok(());
            }
            if let Some(parent) = to.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::copy(&from, &to).map(drop)
        };
        copy().with_context(|| format!("copying {}", file.display()))
    }

    /// Removes what is not in the original (any more), but for what was built.
    fn remove_others(&self, below: &Path, kept: &BTreeSet<PathBuf>) -> Result<()> {
        for entry in std::fs::read_dir(self.root().join(below))? {
            let entry = entry?;
            let (path, file) = (entry.path(), below.join(entry.file_name()));
            if file == Path::new("target") {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.remove_others(&file, kept)?;
            } else if !kept.contains(&file) {
                std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// What git has of the tree, and what it would take.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).current_dir(root).output().context("git")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| PathBuf::from(OsStr::from_bytes(name))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(dir: &Path, arguments: &[&str]) {
        assert!(Command::new("git").args(arguments).current_dir(dir).status().unwrap().success());
    }

    #[test]
    fn what_an_interrupted_run_left_is_put_right_and_the_rest_is_not_touched() {
        let scratch = crate::root().join(format!("target/tmp/xtask-mutants-{}", std::process::id()));
        let (original, dir) = (scratch.join("original"), scratch.join("copy"));
        std::fs::create_dir_all(original.join("src")).unwrap();
        git(&original, &["init", "--quiet"]);
        for (file, text) in [("src/a.rs", "a"), ("b.rs", "b"), ("c.rs", "c"), (".gitignore", "/target")] {
            std::fs::write(original.join(file), text).unwrap();
        }
        git(&original, &["add", "src/a.rs", "c.rs"]);
        let copy = Copy::open(&original, &dir).unwrap();
        assert_eq!(
            (copy.read(Path::new("src/a.rs")).unwrap(), copy.read(Path::new("b.rs")).unwrap()),
            ("a".into(), "b".into())
        );
        assert!(Copy::open(&original, &dir).is_err(), "one run at a time");
        copy.write(Path::new("src/a.rs"), "a mutant").unwrap();
        std::fs::create_dir(copy.root().join("target")).unwrap();
        copy.write(Path::new("target/built"), "").unwrap();
        copy.write(Path::new("stray.rs"), "").unwrap();
        let untouched = std::fs::metadata(copy.root().join("b.rs")).unwrap().modified().unwrap();
        drop(copy);
        std::fs::remove_file(original.join("c.rs")).unwrap();
        let copy = Copy::open(&original, &dir).unwrap();
        assert_eq!(copy.read(Path::new("src/a.rs")).unwrap(), "a");
        assert_eq!(std::fs::metadata(copy.root().join("b.rs")).unwrap().modified().unwrap(), untouched);
        let there = ["c.rs", "stray.rs", "target/built"].map(|file| copy.root().join(file).exists());
        assert_eq!(there, [false, false, true]);
        assert_eq!(std::fs::read_to_string(original.join("src/a.rs")).unwrap(), "a");
        std::fs::remove_dir_all(scratch).unwrap();
    }
}
