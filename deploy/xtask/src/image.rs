//! `image`: builds the container image, checks what is in it, and writes its bill of materials.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;
use testkit::Progress;

use crate::cargo::{self, cargo};
use crate::engine::{self, ask, docker};

/// The largest image, unpacked.
const MAX_BYTES: u64 = 60_000_000;
/// The name of a bill of materials, where its tool writes it, without the format.
const SBOM: &str = "sbom.cdx";
/// Programs that take commands from whoever gets in.
const SHELLS: [&str; 8] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "busybox", "toybox"];

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The name of the image
    #[arg(long, default_value = TAG)]
    tag: String,
    /// The network of the build's downloads
    #[arg(long, default_value = "host")]
    network: String,
    /// Build only: no bill of materials, which needs cargo-cyclonedx (installed below target/ the first time)
    #[arg(long)]
    no_sbom: bool,
}

/// What compose and the chart take where they are not told otherwise.
pub(crate) const TAG: &str = "globcrm:dev";

impl Default for Options {
    fn default() -> Self {
        Self { tag: TAG.to_owned(), network: "host".to_owned(), no_sbom: true }
    }
}

pub(crate) fn run(options: &Options, progress: &Progress) -> Result<()> {
    engine::require()?;
    let begin = Instant::now();
    cargo::run(build(options), progress)?;
    let took = begin.elapsed().as_secs();
    let sbom = if options.no_sbom { None } else { Some(sbom(progress)?) };
    let found = look(&options.tag)?;
    println!(
        "{} {} bytes, {} files, {} set-uid, {} shells; built in {took} s",
        options.tag,
        found.bytes,
        found.files,
        found.set_uid.len(),
        found.shells.len()
    );
    if let Some(sbom) = sbom {
        println!("SBOM (CycloneDX): {}", sbom.display());
    }
    found.refuse_what_must_not_be()
}

/// The command that builds it.
fn build(options: &Options) -> Command {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(crate::root());
        // A tree without its history has no revision, and its files no time.
        ask(command).map(|text| text.trim().to_owned())
    };
    let revision = git(&["rev-parse", "HEAD"]).unwrap_or_else(|_| "unknown".to_owned());
    let time = git(&["log", "-1", "--format=%ct"]).unwrap_or_else(|_| "0".to_owned());
    let mut command = docker(&["build", "--file", "deploy/Dockerfile", "--progress", "plain"]);
    command.args(["--tag", &options.tag, "--network", &options.network]);
    for (name, value) in [
        ("SOURCE_DATE_EPOCH", &time),
        ("REVISION", &revision),
        ("VERSION", &env!("CARGO_PKG_VERSION").to_owned()),
    ] {
        command.args(["--build-arg", &format!("{name}={value}")]);
    }
    for (id, file) in secrets() {
        command.args(["--secret", &format!("id={id},src={}", file.display())]);
    }
    command.arg(".");
    command
}

/// What the host downloads with: the build is in the same network.
fn secrets() -> Vec<(&'static str, PathBuf)> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let configuration = home.map(|home| ("cargo", home.join("config.toml")));
    let authorities = ("ca", PathBuf::from("/etc/ssl/certs/ca-certificates.crt"));
    configuration.into_iter().chain([authorities]).filter(|(_, file)| file.is_file()).collect()
}

/// What is in an image.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    bytes: u64,
    files: usize,
    set_uid: Vec<String>,
    shells: Vec<String>,
    user: String,
}

impl Found {
    /// A line of `tar --list --verbose`: mode, owner, size, date, time, name.
    fn add(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let (Some(mode), Some(name)) = (words.next(), words.nth(4)) else { return };
        if !mode.starts_with(['-', 'l', 'h']) {
            return;
        }
        self.files += 1;
        let mode = mode.as_bytes();
        if [3, 6].iter().any(|at| matches!(mode.get(*at), Some(b's' | b'S'))) {
            self.set_uid.push(name.to_owned());
        }
        let base = name.rsplit('/').next().unwrap_or_default();
        if SHELLS.contains(&base) {
            self.shells.push(name.to_owned());
        }
    }

    fn refuse_what_must_not_be(&self) -> Result<()> {
        let mut wrong = Vec::new();
        if self.bytes > MAX_BYTES {
            wrong.push(format!("{} bytes are more than {MAX_BYTES}", self.bytes));
        }
        if !self.set_uid.is_empty() {
            wrong.push(format!("set-uid: {}", self.set_uid.join(", ")));
        }
        if !self.shells.is_empty() {
            wrong.push(format!("shells: {}", self.shells.join(", ")));
        }
        if matches!(self.user.split(':').next(), None | Some("" | "0" | "root")) {
            wrong.push("it runs as root".to_owned());
        }
        if !wrong.is_empty() {
            bail!("the image is not what it must be: {}", wrong.join("; "));
        }
        Ok(())
    }
}

fn look(tag: &str) -> Result<Found> {
    let inspect = |format: &str| ask(docker(&["image", "inspect", "--format", format, tag]));
    let mut found = Found {
        bytes: inspect("{{.Size}}")?.trim().parse().context("the size of the image")?,
        user: inspect("{{.Config.User}}")?.trim().to_owned(),
        ..Found::default()
    };
    // Made, never started: only its files are wanted.
    let container = ask(docker(&["create", tag]))?.trim().to_owned();
    let listed = list(&container);
    ask(docker(&["rm", "--volumes", &container]))?;
    for line in listed?.lines() {
        found.add(line);
    }
    if found.files == 0 {
        bail!("{tag} has no files that could be listed");
    }
    Ok(found)
}

fn list(container: &str) -> Result<String> {
    let mut export = docker(&["export", container]).stdout(std::process::Stdio::piped()).spawn()?;
    let files = export.stdout.take().context("its output is piped")?;
    let mut tar = Command::new("tar");
    tar.args(["--list", "--verbose", "--numeric-owner", "--file", "-"]).stdin(files);
    let listed = ask(tar);
    if !export.wait()?.success() {
        bail!("docker export of {container} failed");
    }
    listed
}

/// The bill of materials of the program, as the image has it.
fn sbom(progress: &Progress) -> Result<PathBuf> {
    let tools = crate::root().join("target/tools");
    if !tools.join("bin/cargo-cyclonedx").exists() {
        progress.say("installing cargo-cyclonedx below target/tools (once, some minutes)");
        let mut install = cargo(&["install", "cargo-cyclonedx", "--locked", "--root"]);
        install.arg(&tools);
        cargo::run(install, progress)?;
    }
    let mut command = Command::new(tools.join("bin/cargo-cyclonedx"));
    command.args(["cyclonedx", "--manifest-path", "services/globcrm/Cargo.toml", "--format", "json"]);
    command.args(["--features", "jemalloc", "--no-build-deps", "--target", "x86_64-unknown-linux-gnu"]);
    command.args(["--override-filename", SBOM, "--quiet"]);
    command.current_dir(crate::root());
    let made = cargo::run(command, progress);
    let kept = crate::root().join("target/image/globcrm.cdx.json");
    std::fs::create_dir_all(crate::root().join("target/image"))?;
    let moved = made.and_then(|()| {
        let written = crate::root().join(format!("services/globcrm/{SBOM}.json"));
        std::fs::rename(&written, &kept).with_context(|| format!("{} was not written", written.display()))
    });
    // It writes one next to every manifest of the workspace.
    let workspace = MetadataCommand::new().current_dir(crate::root()).no_deps().exec()?;
    for package in workspace.packages {
        match std::fs::remove_file(package.manifest_path.with_file_name(format!("{SBOM}.json"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    moved?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[&str]) -> Found {
        let mut found = Found { user: "65532:65532".to_owned(), ..Found::default() };
        for line in lines {
            found.add(line);
        }
        found
    }

    #[test]
    fn what_must_not_be_in_an_image_is_found_by_name_and_mode() {
        let good = found(&[
            "drwxr-xr-x 0/0               0 2026-11-29 00:00 usr/bin/",
            "-r-xr-xr-x 0/0        20000000 2026-11-29 00:00 usr/local/bin/globcrm",
            "lrwxrwxrwx 0/0               0 2026-11-29 00:00 bin -> usr/bin",
        ]);
        assert_eq!((good.files, good.refuse_what_must_not_be().is_ok()), (2, true));
        for (line, said) in [
            ("-rwsr-xr-x 0/0 1 2026-11-29 00:00 usr/bin/su", "set-uid: usr/bin/su"),
            ("-rwxr-sr-x 0/0 1 2026-11-29 00:00 usr/bin/wall", "set-uid: usr/bin/wall"),
            ("-rwxr-xr-x 0/0 1 2026-11-29 00:00 bin/busybox", "shells: bin/busybox"),
            ("lrwxrwxrwx 0/0 0 2026-11-29 00:00 bin/sh -> dash", "shells: bin/sh"),
        ] {
            let error = found(&[line]).refuse_what_must_not_be().unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn an_image_that_is_too_large_or_runs_as_root_is_refused() {
        let large = Found { bytes: MAX_BYTES + 1, ..found(&[]) };
        assert!(large.refuse_what_must_not_be().unwrap_err().to_string().contains("are more than"));
        for user in ["", "0", "root", "0:0"] {
            let root = Found { user: user.to_owned(), ..found(&[]) };
            assert!(root.refuse_what_must_not_be().unwrap_err().to_string().contains("as root"));
        }
    }

    #[test]
    fn the_build_names_no_secret_that_is_not_there() {
        assert!(secrets().iter().all(|(_, file)| file.is_file()));
    }
}
