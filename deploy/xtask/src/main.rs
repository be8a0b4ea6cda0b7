//! `cargo xtask`: the front door of the project, the same for people, CI and measurements.
#![allow(clippy::print_stdout, reason = "a command-line tool speaks on standard output")]

#[cfg(test)]
mod arrows;
mod bench;
mod cargo;
mod chart;
mod check;
mod dashboards;
mod docs;
mod engine;
mod go_tools;
mod image;
mod interrupt;
#[cfg(test)]
mod members;
mod migrations;
mod mutants;
mod proto;
#[cfg(test)]
mod raised;
#[cfg(test)]
mod statements;
mod suites;
#[cfg(test)]
mod telemetry;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use testkit::{Progress, Unavailable};

#[derive(Parser, Debug)]
#[command(name = "cargo xtask", about = "Runs, tests, measures and regenerates GlobCRM")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Build and run the fleet with its backing services, until Ctrl-C
    Up(up::Options),
    /// Stop a fleet that `up --detach` left running, and its backing services; data are kept
    Down,
    /// Stop the fleet and forget its data
    Reset,
    /// Run test suites; without a name, all of them but `compose`, `upgrade` and `mutants`
    Test(suites::Options),
    /// Measure; one JSON object a line on standard output
    Bench {
        #[command(subcommand)]
        bench: bench::Bench,
    },
    /// Build the container image, check what is in it, write its bill of materials
    Image(image::Options),
    /// Formatting, lints, documentation, dependencies, generated files, file sizes
    Check,
    /// Regenerate what the program says of itself: documents, docker-compose.yml, the generated files of helm/globcrm
    Docs {
        /// Change nothing; fail when the checked-in documents differ
        #[arg(long)]
        check: bool,
    },
    /// Regenerate libs/proto from proto/
    Proto {
        /// Change nothing; fail when the checked-in code differs
        #[arg(long)]
        check: bool,
    },
}

/// The root of the workspace.
pub(crate) fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(command: Command, progress: &Progress) -> anyhow::Result<()> {
    match command {
        Command::Up(options) => up::up(&options, progress),
        Command::Down => up::down(progress),
        Command::Reset => up::reset(progress),
        Command::Test(options) => suites::run(&options, progress),
        Command::Bench { bench } => bench::run(&bench, progress),
        Command::Image(options) => image::run(&options, progress),
        Command::Check => check::run(progress),
        Command::Docs { check } => docs::run(check, progress),
        Command::Proto { check } => proto::run(check),
    }
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let progress = Progress::audible();
    let result = interrupt::watch(&progress).and_then(|()| run(command, &progress));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if progress.is_cancelled() {
                ExitCode::from(130)
            } else if error.downcast_ref::<Unavailable>().is_some() {
                ExitCode::from(3)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
