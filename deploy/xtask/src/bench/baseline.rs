//! Another commit beside this tree: its checkout, and whole runs of a bench in alternation, so that a slow minute of the machine falls
//! on both.
//!
//! The other commit is checked out and built under `target/baseline/<commit>`, and measures itself with its own `cargo xtask`: its
//! settings and its schema are its own too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use testkit::{Progress, Workspace};

use super::Measured;
use crate::cargo;

/// A line that a bench prints ([`Measured`]).
#[derive(Deserialize, Clone)]
pub(super) struct Line {
    pub(super) figure: String,
    pub(super) value: f64,
    pub(super) unit: String,
    pub(super) goal: Option<f64>,
}

/// Reads a figure.
pub(super) fn read(line: &str) -> Result<Line> {
    serde_json::from_str(line).with_context(|| format!("not a figure: {line}"))
}

/// What was measured of a figure, turn by turn.
#[derive(Default)]
struct Turns {
    values: Vec<f64>,
    unit: String,
    goal: Option<f64>,
}

type Figures = BTreeMap<String, Turns>;

/// Measures `bench` here and at `commit`, `turns` times each, and prints the medians; the reference is the other commit's.
pub(super) fn run(bench: &str, commit: &str, turns: u8, progress: &Progress) -> Result<()> {
    let there = check_out(commit, progress)?;
    let (mut own, mut others) = (Figures::new(), Figures::new());
    let root = crate::root();
    for turn in 1..=turns {
        for (tree, figures, name) in [(&there, &mut others, commit), (&root, &mut own, "this tree")] {
            progress.say(format!("turn {turn} of {turns}: {name}"));
            measure(bench, tree, figures, progress)?;
        }
    }
    for (figure, turns) in &own {
        let mut measured = Measured::new(bench, figure, median(&turns.values), &turns.unit)
            .reference(others.get(figure).map(|other| median(&other.values)));
        measured.goal = turns.goal;
        measured.print()?;
    }
    Ok(())
}

/// A tree of `commit` of its own, made at the first use and kept: its build is long.
pub(super) fn check_out(commit: &str, progress: &Progress) -> Result<PathBuf> {
    let hash = git(&["rev-parse", "--verify", &format!("{commit}^{{commit}}")])?;
    let tree = Workspace::here()?.target().join("baseline").join(&hash);
    if !tree.exists() {
        progress.say(format!("checking {hash} out"));
        git(&["worktree", "add", "--force", "--detach", &tree.display().to_string(), &hash])?;
    }
    Ok(tree)
}

fn git(arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").args(arguments).current_dir(crate::root()).output().context("git")?;
    if !output.status.success() {
        bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn measure(bench: &str, tree: &Path, figures: &mut Figures, progress: &Progress) -> Result<()> {
    let mut command = cargo::cargo(&["xtask", "bench", bench]);
    // Each tree builds where it lies.
    command.current_dir(tree).env_remove("CARGO_TARGET_DIR");
    let mut unread = Vec::new();
    let done = cargo::lines(command, progress, |line| match read(line) {
        Ok(Line { figure, value, unit, goal }) => {
            let turns = figures.entry(figure).or_default();
            turns.values.push(value);
            (turns.unit, turns.goal) = (unit, goal);
        }
        Err(error) => unread.push(format!("{error:#}")),
    })?;
    if !done {
        bail!("bench {bench} failed in {}", tree.display());
    }
    if !unread.is_empty() {
        bail!("bench {bench} printed lines that are not figures: {}", unread.join("; "));
    }
    Ok(())
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[9.0, 1.0, 2.0]).to_string(), "2");
        assert_eq!(median(&[4.0, 1.0]).to_string(), "2.5");
        assert!(median(&[]).is_nan());
    }
}
