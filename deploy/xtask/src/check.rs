//! `check`: everything that is wrong with the tree without running it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use testkit::Progress;

use crate::cargo::{cargo, run as run_command};
use crate::go_tools::on_path;
use crate::{docs, migrations, proto};

/// The longest source file, in lines.
const LINES: usize = 800;

type Step = fn(&Progress) -> Result<()>;

/// Runs every step, also after one has failed: one run shows all there is to mend.
pub(crate) fn run(progress: &Progress) -> Result<()> {
    let steps: [(&str, Step); 9] = [
        ("format", |progress| run_command(cargo(&["fmt", "--all", "--check"]), progress)),
        ("sizes", |_| sizes(&crate::root())),
        ("generated files", |_| proto::run(true)),
        ("dependencies", dependencies),
        ("migrations", migrations::lint),
        ("lints", |progress| {
            // With the example that nothing else here builds.
            let mut command = cargo(&["clippy", "--workspace", "--all-targets"]);
            command.args(["--features", "globcrm-gateway/byte_proxy", "--", "--deny", "warnings"]);
            run_command(command, progress)
        }),
        // Nothing else compiles it where no Docker engine runs.
        ("lints of testcontainers", |progress| {
            let lints = ["clippy", "--package", "globcrm-testkit", "--features", "testcontainers"];
            let mut command = cargo(&lints);
            command.args(["--all-targets", "--", "--deny", "warnings"]);
            run_command(command, progress)
        }),
        ("generated documents", |progress| docs::run(true, progress)),
        ("documentation", |progress| {
            let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
            command.env("RUSTDOCFLAGS", "-D warnings");
            run_command(command, progress)
        }),
    ];
    let mut failed = Vec::new();
    for (name, step) in steps {
        let begin = Instant::now();
        let result = step(progress);
        progress.check()?;
        let took = begin.elapsed().as_secs_f64();
        match result {
            Ok(()) => progress.say(format!("{name}: good ({took:.1} s)")),
            Err(error) => {
                progress.say(format!("{name}: {error:#} ({took:.1} s)"));
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// cargo-deny with the rules of deny.toml, installed below target/ where it is missing.
fn dependencies(progress: &Progress) -> Result<()> {
    let tools = crate::root().join("target/tools");
    let own = tools.join("bin/cargo-deny");
    let program = match on_path("cargo-deny") {
        Some(found) => found,
        None if own.exists() => own,
        None => {
            progress.say("installing cargo-deny below target/tools (once, some minutes)");
            let mut install = cargo(&["install", "cargo-deny", "--locked", "--root"]);
            install.arg(&tools);
            run_command(install, progress)?;
            own
        }
    };
    let mut command = Command::new(program);
    command.args(["check", "bans", "licenses", "sources"]).current_dir(crate::root());
    run_command(command, progress)
}

/// No written source file is longer than [`LINES`].
fn sizes(root: &Path) -> Result<()> {
    let mut long = Vec::new();
    let mut open: Vec<PathBuf> = ["libs", "services", "tests", "deploy"].map(|dir| root.join(dir)).to_vec();
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                if !path.ends_with("libs/proto/src/generated") {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = std::fs::read_to_string(&path)?.lines().count();
                if lines > LINES {
                    let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                    long.push(format!("{name} has {lines} lines"));
                }
            }
        }
    }
    long.sort();
    if !long.is_empty() {
        bail!("more than {LINES} lines: {}", long.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found_and_generated_code_is_not_counted() {
        let root = crate::root().join(format!("target/tmp/xtask-sizes-{}", std::process::id()));
        for dir in ["libs/proto/src/generated", "services", "tests", "deploy"] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        let long = "//\n".repeat(LINES + 1);
        std::fs::write(root.join("libs/proto/src/generated/x.rs"), &long).unwrap();
        assert!(sizes(&root).is_ok());
        std::fs::write(root.join("services/x.rs"), &long).unwrap();
        let error = sizes(&root).unwrap_err().to_string();
        assert!(error.contains("services/x.rs has 801 lines"), "{error}");
        std::fs::remove_dir_all(root).unwrap();
    }
}
