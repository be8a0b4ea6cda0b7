//! The commands of docs/operate.md: each block of shell below a mark `<!-- drill: name -->` is run as it stands there.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

const DOCUMENT: &str = include_str!("../../docs/operate.md");

/// Who runs them, and with which variables.
#[derive(Debug)]
pub(super) struct Shell {
    /// The user to whom the server's files belong.
    pub(super) owner: (u32, u32),
    pub(super) directory: PathBuf,
    pub(super) variables: BTreeMap<&'static str, String>,
}

/// The text of the block of this name.
fn block(name: &str) -> Result<&'static str> {
    let mark = format!("<!-- drill: {name} -->\n\n```sh\n");
    let (_, rest) =
        DOCUMENT.split_once(&mark).with_context(|| format!("docs/operate.md has no block {name}"))?;
    Ok(rest.split_once("```\n").context("the end of the block")?.0)
}

impl Shell {
    fn command(&self, name: &str) -> Result<Command> {
        let mut command = Command::new("bash");
        // As people run it: what must end at an error says so itself.
        command.args(["-c", block(name)?]).current_dir(&self.directory);
        command.env_clear().envs(&self.variables).env("PATH", path(&self.directory)).env("LANG", "C.UTF-8");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if is_root() {
            command.uid(self.owner.0).gid(self.owner.1);
        }
        Ok(command)
    }

    /// Runs the block to its end; what it printed.
    pub(super) fn run(&self, name: &str) -> Result<String> {
        let output = self.command(name)?.output().with_context(|| name.to_owned())?;
        if !output.status.success() {
            bail!("{name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts a block that runs until it is told to end.
    pub(super) fn start(&self, name: &str) -> Result<Running> {
        let mut command = self.command(name)?;
        // A group of its own: the shell's children end with it.
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Ok(Running(command.spawn()?))
    }
}

/// A started block; it ends with this value.
#[derive(Debug)]
pub(super) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        // Fails where it has ended already.
        drop(Command::new("kill").args(["-TERM", "--", &group]).status());
        drop(self.0.wait());
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0)
}

/// The programs of the server's own version come first: Debian has them outside of the path.
fn path(directory: &Path) -> String {
    let version = std::fs::read_to_string(directory.join("data/PG_VERSION"));
    let own =
        version.map(|version| format!("/usr/lib/postgresql/{}/bin:", version.trim())).unwrap_or_default();
    format!("{own}/usr/local/bin:/usr/bin:/bin")
}

#[test]
fn a_block_is_what_stands_below_its_mark() {
    assert!(block("basebackup").unwrap().contains("pg_basebackup"));
    assert!(block("nothing").is_err());
}

#[test]
fn every_block_ends_at_its_first_error() {
    let names: Vec<&str> = DOCUMENT
        .split("<!-- drill: ")
        .skip(1)
        .map(|rest| rest.split_once(" -->").expect("the end of a mark").0)
        .collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        assert!(block(name).unwrap().starts_with("set -eu\n"), "{name}");
    }
}
