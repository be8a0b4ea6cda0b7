//! `bench build`: what a change costs whoever makes it. In a target directory of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use testkit::{Progress, Workspace};

use super::Measured;
use crate::cargo;

pub(super) fn run(progress: &Progress) -> Result<()> {
    let workspace = Workspace::here()?;
    let target = workspace.target().join("bench-build");
    if target.exists() {
        std::fs::remove_dir_all(&target).with_context(|| format!("deleting {}", target.display()))?;
    }
    let cargo = |arguments: &[&str]| -> Command {
        let mut command = cargo::cargo(arguments);
        command.env("CARGO_TARGET_DIR", &target);
        command
    };
    // Only what this platform compiles: the lock file also holds crates of others.
    let platform = ["--filter-platform".to_owned(), host()?];
    let metadata = MetadataCommand::new()
        .manifest_path(workspace.root().join("Cargo.toml"))
        .other_options(platform.to_vec())
        .exec()?;
    Measured::new("build", "dependencies_of_the_binary", closure(&metadata, "globcrm")? as f64, "crates")
        .print()?;
    let resolve = metadata.resolve.as_ref().context("cargo metadata gives the resolved graph")?;
    let foreign = resolve.nodes.len() - metadata.workspace_members.len();
    Measured::new("build", "dependencies_of_the_workspace", foreign as f64, "crates").print()?;

    // Downloads are not part of a build.
    cargo::run(cargo(&["fetch", "--locked"]), progress)?;
    progress.say("clean build");
    let clean = timed(cargo(&["build", "--locked", "--package", "globcrm"]), progress)?;
    Measured::new("build", "clean_build", clean, "s").print()?;

    progress.say("check after a one-line edit");
    cargo::run(cargo(&["check", "--locked", "--package", "globcrm"]), progress)?;
    let edit = Edit::make(&workspace.root().join("services/records/src/lib.rs"))?;
    let check = timed(cargo(&["check", "--locked", "--package", "globcrm"]), progress);
    edit.undo()?;
    Measured::new("build", "check_after_edit", check?, "s").goal(10.0).print()?;

    progress.say("linking every test");
    let mut executables = BTreeSet::new();
    let command = cargo(&["test", "--locked", "--workspace", "--no-run", "--message-format=json"]);
    let built = cargo::lines(command, progress, |line| {
        executables.extend(executable(line));
    })?;
    if !built {
        bail!("the tests do not build");
    }
    Measured::new("build", "linked_artefacts", executables.len() as f64, "files").goal(24.0).print()
}

fn timed(command: Command, progress: &Progress) -> Result<f64> {
    let begin = Instant::now();
    cargo::run(command, progress)?;
    Ok((begin.elapsed().as_secs_f64() * 100.0).round() / 100.0)
}

/// The platform of this machine, as the compiler names it.
fn host() -> Result<String> {
    let output =
        Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names its host")?.to_owned())
}

/// The file a message of cargo says it linked.
fn executable(line: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(message.get("executable")?.as_str()?.to_owned())
}

/// Number of foreign crates that `package` needs at run time and to build.
fn closure(metadata: &Metadata, package: &str) -> Result<usize> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata gives the resolved graph")?;
    let start =
        metadata.packages.iter().find(|found| found.name.as_str() == package).context("no such package")?;
    let mut seen: BTreeSet<&PackageId> = BTreeSet::new();
    let mut open = vec![&start.id];
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let Some(node) = resolve.nodes.iter().find(|node| &node.id == id) else {
            continue;
        };
        let needed = |dep: &&cargo_metadata::NodeDep| {
            dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
        };
        open.extend(node.deps.iter().filter(needed).map(|dep| &dep.pkg));
    }
    Ok(seen.into_iter().filter(|id| !metadata.workspace_members.contains(id)).count())
}

/// One more item at the end of a source file, which a comment would not be; taken back when dropped.
struct Edit {
    file: PathBuf,
    before: Vec<u8>,
    after: Vec<u8>,
    undone: bool,
}

impl Edit {
    fn make(file: &Path) -> Result<Self> {
        let before = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        let mut after = before.clone();
        after.extend_from_slice(b"\n/// Measured edit.\npub const MEASURED_EDIT: u8 = 1;\n");
        std::fs::write(file, &after)?;
        Ok(Self { file: file.to_owned(), before, after, undone: false })
    }

    /// Restores the file, unless somebody else has changed it meanwhile.
    fn undo(mut self) -> Result<()> {
        self.restore()
    }

    fn restore(&mut self) -> Result<()> {
        if !self.undone {
            self.undone = true;
            if std::fs::read(&self.file)? != self.after {
                bail!(
                    "{} was changed during the measurement: remove the last line by hand",
                    self.file.display()
                );
            }
            std::fs::write(&self.file, &self.before)?;
        }
        Ok(())
    }
}

impl Drop for Edit {
    fn drop(&mut self) {
        if let Err(error) = self.restore() {
            eprintln!("{error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = crate::root().join("target/tmp");
        std::fs::create_dir_all(&dir).unwrap();
        dir.join(format!("xtask-{name}-{}", std::process::id()))
    }

    #[test]
    fn an_edit_is_taken_back_also_when_the_measurement_fails() {
        let file = scratch("edit");
        std::fs::write(&file, "fn a() {}\n").unwrap();
        let edit = Edit::make(&file).unwrap();
        assert!(std::fs::read_to_string(&file).unwrap().ends_with("MEASURED_EDIT: u8 = 1;\n"));
        drop(edit);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "fn a() {}\n");
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn an_edit_of_somebody_else_is_not_overwritten() {
        let file = scratch("conflict");
        std::fs::write(&file, "one\n").unwrap();
        let edit = Edit::make(&file).unwrap();
        std::fs::write(&file, "other\n").unwrap();
        assert!(edit.undo().is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "other\n");
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn only_linked_files_count() {
        assert_eq!(
            executable(r#"{"reason":"compiler-artifact","executable":"/a/it"}"#),
            Some("/a/it".to_owned())
        );
        assert_eq!(executable(r#"{"reason":"compiler-artifact","executable":null}"#), None);
        assert_eq!(executable("   Compiling"), None);
    }
}
