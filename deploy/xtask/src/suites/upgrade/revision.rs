//! The revision that is upgraded from, and its program.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use testkit::{Progress, Unavailable, Workspace};

use super::{ask, place};
use crate::cargo;

pub(super) struct Revision {
    /// As it was named.
    name: String,
    /// Its hash.
    hash: String,
}

impl Revision {
    /// The one that is named, or that of the newest tag before this one.
    pub(super) fn find(words: &[String]) -> Result<Self> {
        let named = words.iter().find(|word| !word.starts_with('-')).cloned();
        let name = match named {
            Some(name) => name,
            None => ask(git(&["describe", "--tags", "--abbrev=0", "HEAD^"])).map_err(|_| {
                Unavailable::new("there is no tag to upgrade from: name a revision, as in `cargo xtask test upgrade -- HEAD~20`")
            })?,
        };
        let commit = format!("{name}^{{commit}}");
        let hash = ask(git(&["rev-parse", "--verify", "--quiet", &commit]))
            .map_err(|_| Unavailable::new(format!("git knows no revision {name}")))?;
        Ok(Self { name, hash })
    }

    /// The program, built once from a copy of the revision. Its dependencies are those of this tree where the versions are the same.
    pub(super) fn program(&self, progress: &Progress) -> Result<PathBuf> {
        let kept = place()?.join(format!("globcrm-{}", self.hash));
        if kept.exists() {
            return Ok(kept);
        }
        progress.say(format!("building globcrm of {} ({})", self.name, &self.hash));
        let tree = place()?.join("tree");
        if tree.exists() {
            std::fs::remove_dir_all(&tree)?;
        }
        std::fs::create_dir_all(&tree)?;
        let mut archive = git(&["archive", "--format=tar", &self.hash]);
        let mut archive = archive.current_dir(crate::root()).stdout(Stdio::piped()).spawn()?;
        let tar = archive.stdout.take().context("standard output is piped")?;
        // With the time of now: by that of the commit cargo would take what was built of a later revision for built of this one.
        let unpacked = Command::new("tar").args(["-x", "-m"]).current_dir(&tree).stdin(tar).status()?;
        if !archive.wait()?.success() || !unpacked.success() {
            bail!("git archive {}: {unpacked}", self.hash);
        }
        let target = Workspace::here()?.target().to_owned();
        let mut build = cargo::cargo(&["build", "--package", "globcrm"]);
        build.current_dir(&tree).env("CARGO_TARGET_DIR", &target);
        cargo::run(build, progress)?;
        // The next build of this tree puts its own there.
        std::fs::copy(target.join("debug/globcrm"), &kept)?;
        std::fs::remove_dir_all(&tree)?;
        Ok(kept)
    }
}

fn git(arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_revision_is_a_machine_that_cannot_run_the_suite() {
        let error = Revision::find(&["--nocapture".to_owned(), "no-such-revision".to_owned()]).err().unwrap();
        assert!(error.downcast_ref::<Unavailable>().is_some(), "{error:#}");
    }
}
