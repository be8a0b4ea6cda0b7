//! What operators look at: alerts by promtool, and every panel and every alert on a real Prometheus that reads a real fleet. That each alert has
//! cases and a page is looked at by the suite `chart`, which needs nothing of this.

mod cases;
mod live;
mod panels;
mod traffic;

use std::path::{Path, PathBuf};

use testkit::Progress;
use testkit::prometheus::Programs;

/// The programs, which `cargo xtask test monitoring` has installed.
fn programs() -> Programs {
    Programs::provide(&Progress::silent()).unwrap_or_else(|error| panic!("{error:#}"))
}

/// The chart.
fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a root").join("helm/globcrm")
}

/// Files of the chart in `folder` that end so, in the order of their names.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let dir = std::fs::read_dir(chart().join(folder)).expect("a folder of the chart");
    let paths = dir.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.to_string_lossy().ends_with(end)).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has no {end}");
    files
}
