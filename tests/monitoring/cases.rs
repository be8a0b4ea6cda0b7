//! The rules as promtool takes them, and their cases.

use std::path::PathBuf;
use std::process::Command;

use super::{files, programs};

/// Runs promtool; what it said where it complains.
fn promtool(words: &[&str], files: &[PathBuf]) -> Result<(), String> {
    let output = Command::new(programs().promtool).args(words).args(files).output().expect("promtool");
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn every_rule_can_be_read() {
    if let Err(said) = promtool(&["check", "rules"], &files("alerts", ".yaml")) {
        panic!("{said}");
    }
}

#[test]
fn every_alert_fires_when_it_should_and_not_otherwise() {
    if let Err(said) = promtool(&["test", "rules"], &files("alerts/tests", ".yaml")) {
        panic!("{said}");
    }
}
