//! `cargo xtask`: the front door of the project, the same for people, CI and measurements.
#![allow(clippy::print_stdout, reason = "a command-line tool speaks on standard output")]

mod proto;

use clap::{Parser, Subcommand};

#[derive(Parser, Debug)]
#[command(name = "cargo xtask", about = "Runs, tests, measures and regenerates GlobCRM")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
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

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Proto { check } => proto::run(check),
    }
}
