//! `bench neighbours`: what a quiet organisation feels of a hostile one on the same fleet, pattern by pattern.
//!
//! Each pattern is set beside the quiet one alone and beside a control, in the same run and in turns, so that a slow minute of the
//! machine falls on all three. In the control no hostile one calls, but a program that only computes keeps half of the processors
//! busy: what the fleet gives to one tenant at most. Latencies count from when a request was due: one that is kept waiting does not
//! hide those behind it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use testkit::backing::Backing;
use testkit::fleet::{self, Fleet, Launch, Places, Ports};
use testkit::neighbours::{Day, Pattern, Tally, quiet, work};
use testkit::{Progress, Purpose, Workspace};

use super::Measured;
use super::hostile::{Computing, Hostile};
use super::load::Latencies;
use crate::up;

/// Contacts of the hostile one, of 15 kB each: as in the review.
const CONTACTS: usize = 3_000;
/// Each of the four people asks this often, four times a round.
const EVERY: Duration = Duration::from_millis(50);
const ROUNDS: usize = 30;
/// How often the quiet one alone, beside the control and beside a pattern take turns.
const TURNS: usize = 5;
/// The quiet one's p99 beside a pattern may be this many times its p99 alone, or that beside the control if it is higher
/// (ADR 0012).
const GOAL: f64 = 1.2;
/// Before the quiet one is timed, a pattern has this long to come into force.
const IN_FORCE: Duration = Duration::from_secs(2);

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Patterns to measure; none means all
    #[arg(value_parser = pattern)]
    patterns: Vec<Pattern>,
}

pub(super) fn pattern(name: &str) -> Result<Pattern> {
    let names = || Pattern::ALL.map(Pattern::name).join(", ");
    Pattern::ALL.into_iter().find(|p| p.name() == name).with_context(|| format!("one of {}", names()))
}

pub(super) fn run(options: &Options, progress: &Progress) -> Result<()> {
    let workspace = Workspace::here()?;
    let program = up::build(&workspace, true, progress)?;
    Backing::wipe(&workspace, Purpose::Bench, progress)?;
    let backing = Backing::start(&workspace, Purpose::Bench, progress)?;
    let measured = with_fleet(&workspace, &backing, program, options, progress);
    let stopped = backing.stop_started();
    measured.and(stopped)
}

fn with_fleet(
    workspace: &Workspace,
    backing: &Backing,
    program: std::path::PathBuf,
    options: &Options,
    progress: &Progress,
) -> Result<()> {
    let places = Places::beside(backing, Ports::fresh()?)?;
    // The limits are those of an installation that sets none: they are part of what protects the quiet one.
    let environments = fleet::environments(backing, &places)?;
    fleet::run_once(&program, "migrate", &environments.migrate, progress)?;
    let logs = workspace.state_dir(Purpose::Bench).join("logs");
    let launch =
        Launch { program, arguments: Vec::new(), logs, lifetime: testkit::backing::Lifetime::Parent };
    let mut fleet = Fleet::start(launch, &environments, progress)?;
    let address = fleet.gateway_url().trim_start_matches("http://").to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let measured = runtime.block_on(measure(&address, options, progress));
    let stopped = fleet.stop();
    measured.and(stopped)
}

async fn measure(address: &str, options: &Options, progress: &Progress) -> Result<()> {
    progress.say("two organisations settle");
    let mut quiet = quiet(address).await?;
    let mut hostile = Hostile::start(address, CONTACTS).await?;
    // In their own order whatever was asked for: after the guesses the hostile one cannot log in for some minutes.
    let is_asked = |pattern: &Pattern| options.patterns.is_empty() || options.patterns.contains(pattern);
    let patterns = Pattern::ALL.into_iter().filter(is_asked);
    // The first of all requests pay for connections and caches.
    work(&mut quiet, ROUNDS, Some(EVERY)).await?;
    for name in patterns.map(Pattern::name) {
        let (mut alone, mut control, mut beside) = (Days::default(), Days::default(), Days::default());
        let mut tally = Tally::default();
        for turn in 1..=TURNS {
            progress.check()?;
            progress.say(format!("{name}: turn {turn} of {TURNS}"));
            alone.add(work(&mut quiet, ROUNDS, Some(EVERY)).await?);
            let computing = Computing::begin(std::thread::available_parallelism()?.get().div_ceil(2));
            control.add(work(&mut quiet, ROUNDS, Some(EVERY)).await?);
            drop(computing);
            hostile.begin(name).await?;
            tokio::time::sleep(IN_FORCE).await;
            beside.add(work(&mut quiet, ROUNDS, Some(EVERY)).await?);
            tally = hostile.end().await?;
        }
        if alone.failed + control.failed > 0 {
            bail!("the quiet one alone was not served: {:?} {:?}", alone.failures, control.failures);
        }
        print(name, (&alone, &control), &beside, tally, progress)?;
    }
    Ok(())
}

/// What the quiet one met, turn by turn.
#[derive(Default)]
struct Days {
    turns: Vec<Latencies>,
    failed: u64,
    failures: Vec<String>,
}

impl Days {
    fn add(&mut self, day: Day) {
        self.turns.push(Latencies::new(day.latencies));
        self.failed += day.failed;
        self.failures.extend(day.failures);
    }

    /// The median of the turns' percentiles: a disk that stands still for a moment falls on one turn, and says nothing of the others.
    fn percentile(&self, share: f64) -> f64 {
        let mut turns: Vec<f64> = self.turns.iter().map(|turn| turn.percentile(share)).collect();
        turns.sort_by(f64::total_cmp);
        let upper = turns.len() / 2;
        let lower = turns.len().saturating_sub(1) / 2;
        match (turns.get(lower), turns.get(upper)) {
            (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
            _ => 0.0,
        }
    }
}

fn print(
    name: &str,
    (alone, control): (&Days, &Days),
    beside: &Days,
    tally: Tally,
    progress: &Progress,
) -> Result<()> {
    progress.say(format!(
        "{name}: the hostile one began {} requests in the last turn, was served {} and refused {}",
        tally.begun, tally.served, tally.refused
    ));
    for failure in &beside.failures {
        progress.say(format!("{name}: {failure}"));
    }
    Measured::new("neighbours", &format!("errors_beside_{name}"), beside.failed as f64, "requests")
        .goal(0.0)
        .print()?;
    for (share, figure) in [(0.5, "p50"), (0.99, "p99")] {
        let (reference, busy) = (alone.percentile(share), control.percentile(share));
        Measured::new("neighbours", &format!("{figure}_control_of_{name}"), busy, "ms")
            .reference(Some(reference))
            .print()?;
        Measured::new("neighbours", &format!("{figure}_beside_{name}"), beside.percentile(share), "ms")
            .goal(((reference * GOAL).max(busy) * 100.0).round() / 100.0)
            .reference(Some(reference))
            .print()?;
    }
    Ok(())
}
