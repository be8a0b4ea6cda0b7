//! This tree beside another commit in one run: both fleets are up, and bursts of the same load go to the one and to the other in turn.
//! What else the machine does in a second falls on both; between two whole runs it was up to a fifth.
//!
//! Each tree builds, migrates and fills its own fleet with its own `cargo xtask bench slice --hold`: its settings and its schema are its
//! own too.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testkit::Progress;

use super::hold::Held;
use super::{CONNECTIONS, bring_in, data, list_path, usage};
use crate::bench::api::{self, Organisation};
use crate::bench::baseline::{self, Line, check_out, median};
use crate::bench::{Measured, load, round};
use crate::cargo;

/// How long a list is asked for before it is the other side's turn.
const BURST: Duration = Duration::from_secs(2);
/// Contacts of an import before it is the other side's turn.
const ROWS: u64 = 5_000;
/// Rows that an import brings in a second, on a machine that does nothing else.
const PACE: f64 = 2_500.0;
/// Imports of a side are fewer than its bursts of lists, as each takes longer.
const BURSTS_PER_IMPORT: u8 = 3;

/// Measures both, `turns` bursts each; the reference is the other commit's. `false` when the other commit cannot be held.
pub(super) fn run(commit: &str, turns: u8, progress: &Progress) -> Result<bool> {
    let tree = check_out(commit, progress)?;
    let Some(other) = Side::start(&tree, commit, progress)? else { return Ok(false) };
    let own = Side::start(&crate::root(), "this tree", progress)?.context("this tree cannot be held")?;
    let mut sides = [other, own];
    progress.say(format!("{turns} bursts of lists each"));
    for side in &mut sides {
        side.list(progress)?;
        side.used = Used::default();
    }
    for turn in 0..turns {
        alternate(&mut sides, turn, |side| side.list(progress))?;
    }
    let imports = turns.div_ceil(BURSTS_PER_IMPORT);
    progress.say(format!("{imports} imports of {ROWS} contacts each"));
    for turn in 0..imports {
        alternate(&mut sides, turn, |side| side.import(progress))?;
    }
    let [other, own] = &sides;
    let others = other.figures();
    for line in own.figures() {
        let reference = others.iter().find(|other| other.figure == line.figure).map(|other| other.value);
        let mut measured = Measured::new("slice", &line.figure, line.value, &line.unit).reference(reference);
        measured.goal = line.goal;
        measured.print()?;
    }
    Ok(true)
}

/// Imports alone, `turns` of them, beside those of another commit if one is named.
pub(in crate::bench) fn imports(commit: Option<&str>, turns: u8, progress: &Progress) -> Result<()> {
    let other = match commit {
        Some(commit) => {
            let side = Side::start(&check_out(commit, progress)?, commit, progress)?;
            Some(side.with_context(|| format!("the bench of {commit} holds no fleet"))?)
        }
        None => None,
    };
    let own = Side::start(&crate::root(), "this tree", progress)?.context("this tree cannot be held")?;
    let mut sides: Vec<Side> = other.into_iter().chain([own]).collect();
    progress.say(format!("{turns} imports of {ROWS} contacts each"));
    for _ in 0..turns {
        for side in &mut sides {
            side.import(progress)?;
        }
        // Whoever was second is first in the next turn.
        sides.rotate_left(1);
    }
    if turns % 2 == 1 {
        sides.rotate_left(1);
    }
    let Some((own, others)) = sides.split_last() else { return Ok(()) };
    let other = others.first().map(Side::of_imports);
    for (at, line) in own.of_imports().iter().enumerate() {
        let reference = other.as_ref().map(|lines| lines[at].value);
        let mut measured = Measured::new("import", &line.figure, line.value, &line.unit).reference(reference);
        measured.goal = line.goal;
        measured.print()?;
    }
    Ok(())
}

/// Whoever was second is first in the next turn.
fn alternate(sides: &mut [Side; 2], turn: u8, mut burst: impl FnMut(&mut Side) -> Result<()>) -> Result<()> {
    let [other, own] = sides;
    let (first, second) = if turn.is_multiple_of(2) { (other, own) } else { (own, other) };
    burst(first)?;
    burst(second)
}

/// What the bursts have used and taken.
#[derive(Default)]
struct Used {
    pages: usize,
    gateway_cpu: f64,
    records_cpu: f64,
    /// Of each burst.
    p50: Vec<f64>,
    per_second: Vec<f64>,
    rows: u64,
    seconds: f64,
    import_cpu: f64,
}

/// A fleet that is held ready; it ends with the standard input of its command.
struct Side {
    child: Child,
    held: Held,
    organisation: Organisation,
    /// What was measured while it was made ready.
    lines: Vec<Line>,
    used: Used,
}

impl Side {
    /// Makes a fleet of `tree` ready; `None` when its bench does not know how to hold one.
    fn start(tree: &Path, name: &str, progress: &Progress) -> Result<Option<Self>> {
        progress.say(format!("making {name} ready"));
        let mut command = cargo::cargo(&["xtask", "bench", "slice", "--hold"]);
        // Each tree builds where it lies.
        command.current_dir(tree).env_remove("CARGO_TARGET_DIR").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stdout.take().context("standard output is piped")?;
        let (lines, held) = until_held(&mut BufReader::new(output).lines())?;
        let Some(held) = held else {
            child.wait()?;
            progress.check()?;
            return Ok(None);
        };
        let organisation = Organisation::log_in(&held.gateway, held.slug.clone(), held.tenant.clone())?;
        Ok(Some(Self { child, held, organisation, lines, used: Used::default() }))
    }

    fn list(&mut self, progress: &Progress) -> Result<()> {
        let address = &self.held.gateway;
        let request = api::head(address, "GET", &list_path(), self.organisation.token()?, None);
        let before = (usage::cpu(self.held.gateway_pid)?, usage::cpu(self.held.records_pid)?);
        let loaded = load::run(address, &request, CONNECTIONS, BURST, progress)?;
        self.used.gateway_cpu += usage::cpu(self.held.gateway_pid)? - before.0;
        self.used.records_cpu += usage::cpu(self.held.records_pid)? - before.1;
        self.used.pages += loaded.latencies.count();
        self.used.p50.push(loaded.latencies.percentile(0.5));
        self.used.per_second.push(loaded.per_second);
        Ok(())
    }

    fn import(&mut self, progress: &Progress) -> Result<()> {
        // Behind those that it has been filled with, each with an address of its own.
        let from = super::BIG + self.used.rows;
        let csv = data::csv(from..from + ROWS);
        let (cpu, begin) = (usage::cpu(self.held.records_pid)?, Instant::now());
        bring_in(&mut self.organisation, &csv, ROWS, progress)?;
        self.used.seconds += begin.elapsed().as_secs_f64();
        self.used.import_cpu += usage::cpu(self.held.records_pid)? - cpu;
        self.used.rows += ROWS;
        Ok(())
    }

    /// What was measured while it was made ready, and by bursts.
    fn figures(&self) -> Vec<Line> {
        let used = &self.used;
        let pages = used.pages as f64;
        let bursts = [
            line("list_p50", round(median(&used.p50)), "ms"),
            line("list_throughput", round(median(&used.per_second)), "1/s"),
            line("gateway_cpu_per_page", micros(used.gateway_cpu, pages), "µs"),
            line("records_cpu_per_page", micros(used.records_cpu, pages), "µs"),
        ];
        self.lines.iter().cloned().chain(bursts).chain(self.of_imports()).collect()
    }

    /// What imports took.
    fn of_imports(&self) -> [Line; 2] {
        let (used, rows) = (&self.used, self.used.rows as f64);
        let pace = line("import", round(rows / used.seconds.max(0.01)), "rows/s");
        let cpu = line("import_cpu_of_records", micros(used.import_cpu, rows), "µs/row");
        [Line { goal: Some(PACE), ..pace }, cpu]
    }
}

fn micros(seconds: f64, of: f64) -> f64 {
    round(seconds * 1e6 / of.max(1.0))
}

fn line(figure: &str, value: f64, unit: &str) -> Line {
    Line { figure: figure.to_owned(), value, unit: unit.to_owned(), goal: None }
}

/// Reads the figures that a command prints until it holds its fleet, and what it holds.
fn until_held(output: &mut Lines<BufReader<ChildStdout>>) -> Result<(Vec<Line>, Option<Held>)> {
    let mut lines = Vec::new();
    for line in output {
        let line = line?;
        match serde_json::from_str(&line) {
            Ok(held) => return Ok((lines, Some(held))),
            Err(_) => lines.push(baseline::read(&line)?),
        }
    }
    Ok((lines, None))
}

impl Drop for Side {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            eprintln!("a fleet was not stopped: {error}");
        }
    }
}
