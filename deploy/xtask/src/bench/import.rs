//! `bench import`: how many rows an import brings in a second, into an organisation of 90,000 contacts, and what they cost the
//! service. The fleet is that of `bench slice`.

use anyhow::Result;
use testkit::Progress;

use super::slice;

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Set this tree beside another commit: both fleets are up, and imports go to them in turn
    #[arg(long, value_name = "COMMIT")]
    baseline: Option<String>,
    /// Imports that each gets
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=100))]
    turns: u8,
}

pub(super) fn run(options: &Options, progress: &Progress) -> Result<()> {
    slice::imports(options.baseline.as_deref(), options.turns, progress)
}
