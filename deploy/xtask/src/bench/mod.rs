//! `bench`: measurements. One JSON object a line on standard output, progress on standard error.

mod api;
mod baseline;
mod board;
mod build;
pub(crate) mod database;
mod hostile;
mod import;
mod load;
mod neighbours;
mod slice;

use anyhow::Result;
use serde::Serialize;
use testkit::Progress;

/// A measurement, by name.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Bench {
    /// Clean build, check after a one-line edit, linked artefacts, dependencies
    Build,
    /// One page of a list and one import, end to end, on 100,000 contacts: latency, processor time, memory
    Slice(slice::Options),
    /// The board, a move, reports, a timeline and bulk changes on 100,000 deals with a million stage entries and a million activities
    Board,
    /// Rows of imports in a second, and what they cost
    Import(import::Options),
    /// A quiet organisation beside each pattern of a hostile one: errors, and latency set beside its latency alone
    Neighbours(neighbours::Options),
    /// The hostile side of `neighbours`, which starts it
    #[command(hide = true)]
    Hostile(hostile::Options),
}

/// Two decimals are all that any of these figures holds.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// One measured figure. What was not measured is not printed.
#[derive(Serialize, Debug)]
pub(crate) struct Measured<'a> {
    bench: &'a str,
    figure: &'a str,
    value: f64,
    unit: &'a str,
    /// The value to stay within (or to reach).
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<f64>,
    /// What it is set beside, measured in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<f64>,
}

impl<'a> Measured<'a> {
    pub(crate) fn new(bench: &'a str, figure: &'a str, value: f64, unit: &'a str) -> Self {
        Self { bench, figure, value, unit, goal: None, reference: None }
    }

    pub(crate) fn goal(self, goal: f64) -> Self {
        Self { goal: Some(goal), ..self }
    }

    pub(crate) fn reference(self, reference: Option<f64>) -> Self {
        Self { reference, ..self }
    }

    pub(crate) fn print(&self) -> Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

pub(crate) fn run(bench: &Bench, progress: &Progress) -> Result<()> {
    match bench {
        Bench::Build => build::run(progress),
        Bench::Slice(options) => slice::run(options, progress),
        Bench::Board => board::run(progress),
        Bench::Import(options) => import::run(options, progress),
        Bench::Neighbours(options) => neighbours::run(options, progress),
        Bench::Hostile(options) => hostile::run(options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_one_line_and_leaves_out_what_was_not_measured() {
        let figure = Measured::new("build", "check_after_edit", 4.25, "s").goal(10.0);
        let text = serde_json::to_string(&figure).unwrap();
        assert_eq!(
            text,
            r#"{"bench":"build","figure":"check_after_edit","value":4.25,"unit":"s","goal":10.0}"#
        );
    }
}
