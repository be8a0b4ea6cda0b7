//! `test`: the suites of the project, each by its name.

mod chart;
mod compose;
mod selection;
mod upgrade;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use clap::builder::PossibleValue;
use fleet::{FLEET, Role};
use testkit::backing::Backing;
use testkit::fleet::{Places, Ports};
use testkit::{Progress, Purpose, Unavailable, Workspace};

use crate::go_tools::VERSITYGW;
use crate::{cargo, mutants, up};
use selection::Selection;

/// A suite. All but `unit`, `compose`, `upgrade` and `mutants` are modules of a test binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    /// One that is about the whole
    Whole(Whole),
    /// The suite of a service with a schema
    Service(Role),
    /// The image and the fleet in containers
    Compose,
    /// An earlier program on this schema, and the other way round
    Upgrade,
    /// Tests of the tests
    Mutants,
}

/// A suite that belongs to no service.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    /// Tests inside the crates; needs nothing
    Unit,
    /// Small libraries by what they make public; needs nothing
    Libraries,
    /// Uploaded files in a directory and on an S3 server, and an import from there
    Blobs,
    /// One user's way through the public API
    Journey,
    /// Two tenants, every RPC
    Isolation,
    /// Killed, paused and cut-off processes
    Faults,
    /// Every RPC dropped at every point where it waits
    Cancellation,
    /// What a hostile caller tries, one test a finding
    Attacks,
    /// What people of this trade run into, one test a kind
    Findings,
    /// What a busy tenant takes from a quiet one, by counts
    Fairness,
    /// Answers and plans that must not change unseen
    Golden,
    /// The REST contract
    Api,
    /// Rules of every schema, read from the catalog of a migrated database
    Catalog,
    /// Filters, orders and pages against PostgreSQL
    Query,
    /// Every rule of pipelines on every way to write a deal, and random histories against a model
    Pipelines,
    /// Certificates between services and at the public port, exchanged under load
    Tls,
    /// Backup and restore to a moment, by the commands of docs/operate.md
    Restore,
    /// One trace through the whole fleet, as a collector sees it
    Traces,
    /// Outbox, relay and inbox against PostgreSQL and RabbitMQ
    Events,
    /// Alerts by promtool, and every panel and alert on a Prometheus that reads a fleet
    Monitoring,
    /// The helm chart: schema, manifests, rules; where a cluster is named, an installation, an upgrade and a rollback
    Chart,
}

/// Those about the whole, with those of the services before the last two.
static SUITES: LazyLock<Vec<Suite>> = LazyLock::new(|| {
    let mut suites: Vec<Suite> = Whole::value_variants().iter().copied().map(Suite::Whole).collect();
    let services = FLEET.iter().filter(|member| member.has_schema).map(|member| Suite::Service(member.role));
    let at = suites.iter().position(|suite| *suite == Suite::Whole(Whole::Traces)).unwrap_or(suites.len());
    suites.splice(at..at, services);
    suites.extend(BY_NAME_ONLY);
    suites
});

/// What runs when it is named, and not otherwise: it needs an engine, an earlier program, or hours.
const BY_NAME_ONLY: [Suite; 3] = [Suite::Compose, Suite::Upgrade, Suite::Mutants];

impl ValueEnum for Suite {
    fn value_variants<'a>() -> &'a [Self] {
        &SUITES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Whole(whole) => whole.to_possible_value(),
            Self::Service(role) => {
                let about = role.member().about;
                let (first, rest) = about.split_at_checked(1).unwrap_or_default();
                let help = format!("{}{rest} against PostgreSQL", first.to_uppercase());
                Some(PossibleValue::new(role.name()).help(help))
            }
            Self::Compose => {
                let help = "The image, and the fleet in containers of a Docker engine, up and down. Runs by its name only";
                Some(PossibleValue::new("compose").help(help))
            }
            Self::Upgrade => {
                let help = "The program of an earlier revision (an argument, or the newest tag) on this schema, and this program on that one. Runs by its name only";
                Some(PossibleValue::new("upgrade").help(help))
            }
            Self::Mutants => {
                let help = "Breaks a copy of the tree, one promise at a time: a test must notice. Runs by its name only";
                Some(PossibleValue::new("mutants").help(help))
            }
        }
    }
}

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Take the backing services from testcontainers: containers that are thrown away, where a Docker engine runs
    #[arg(long)]
    testcontainers: bool,
    /// Suites to run; none means all but `compose`, `upgrade` and `mutants`
    #[arg(value_enum)]
    suites: Vec<Suite>,
    /// Parts of tests' names, and options of the test binaries
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Tests that ran, by their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    /// Number of `test result:` lines: a binary that dies prints none.
    results: u64,
}

impl Count {
    /// Adds a line like `test result: ok. 3 passed; 1 failed; 0 ignored; …`; other lines change nothing.
    fn add(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else {
            return;
        };
        self.results += 1;
        for part in rest.split([';', '.']) {
            let mut words = part.split_whitespace();
            match (words.next().and_then(|number| number.parse::<u64>().ok()), words.next()) {
                (Some(number), Some("passed")) => self.passed += number,
                (Some(number), Some("failed")) => self.failed += number,
                _ => {}
            }
        }
    }
}

/// What became of a suite.
enum End {
    Passed,
    Failed,
    CannotRun(String),
}

pub(crate) fn run(options: &Options, progress: &Progress) -> Result<()> {
    if options.testcontainers && !TESTCONTAINERS {
        return again_with_testcontainers(progress);
    }
    let mut parts = Parts::default();
    let ran = run_all(options, &mut parts, progress);
    // Also after an error and an interruption.
    let stopped = parts.held.iter().map(Backing::stop_started).collect::<Result<Vec<()>>>();
    ran.and(stopped.map(drop))
}

/// Whether testcontainers is compiled into this command.
const TESTCONTAINERS: bool = cfg!(feature = "testcontainers");

/// Becomes the same command with testcontainers compiled in: nobody else shall wait for its many crates.
fn again_with_testcontainers(progress: &Progress) -> Result<()> {
    progress.say("building xtask with testcontainers");
    let mut command = cargo::cargo(&["run", "--quiet", "--package", "globcrm-xtask"]);
    command.args(["--features", "testcontainers", "--"]).args(std::env::args_os().skip(1));
    // Asked for by name, so no local processes where no engine answers.
    command.env("GLOBCRM_TESTKIT_BACKING", "docker");
    Err(command.exec()).context("running xtask with testcontainers")
}

fn run_all(options: &Options, parts: &mut Parts, progress: &Progress) -> Result<()> {
    let every = unnamed();
    let suites = if options.suites.is_empty() { &every } else { &options.suites };
    let mut total = Count::default();
    let mut failed = Vec::new();
    let mut cannot = Vec::new();
    for &suite in suites {
        progress.say(format!("suite {}", name(suite)));
        let mut count = Count::default();
        let end = run_suite(suite, &options.arguments, parts, &mut count, progress)?;
        match end {
            End::Passed => {}
            End::Failed => {
                // A suite that did not build, or died, counts as a failure too.
                count.failed = count.failed.max(1);
                failed.push(name(suite));
            }
            End::CannotRun(reason) => cannot.push(format!("{}: {reason}", name(suite))),
        }
        total.passed += count.passed;
        total.failed += count.failed;
        progress.say(format!("suite {}: {} passed, {} failed", name(suite), count.passed, count.failed));
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    if !cannot.is_empty() {
        return Err(Unavailable::new(format!("could not run: {}", cannot.join("; "))).into());
    }
    Ok(())
}

/// What runs without a name.
fn unnamed() -> Vec<Suite> {
    Suite::value_variants().iter().copied().filter(|suite| !BY_NAME_ONLY.contains(suite)).collect()
}

fn name(suite: Suite) -> String {
    suite.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn run_suite(
    suite: Suite,
    arguments: &[String],
    parts: &mut Parts,
    count: &mut Count,
    progress: &Progress,
) -> Result<End> {
    if suite == Suite::Mutants {
        let tally = mutants::run(arguments, progress)?;
        *count = Count { passed: tally.killed, failed: tally.alive, results: 1 };
        return Ok(match (tally.killed, tally.alive) {
            (0, 0) => End::CannotRun("no mutant has this in its name".to_owned()),
            (_, 0) => End::Passed,
            _ => End::Failed,
        });
    }
    if suite == Suite::Compose || suite == Suite::Upgrade {
        let ended = if suite == Suite::Compose {
            compose::run(arguments, count, progress)
        } else {
            upgrade::run(arguments, count, progress)
        };
        return match ended {
            Err(error) => {
                error.downcast::<Unavailable>().map(|unavailable| End::CannotRun(unavailable.reason))
            }
            ended => ended,
        };
    }
    if suite == Suite::Whole(Whole::Unit) {
        let mut command = cargo::cargo(&["test", "--workspace", "--lib", "--bins", "--no-fail-fast"]);
        if !arguments.is_empty() {
            command.arg("--").args(arguments);
        }
        return count_tests(command, count, progress);
    }
    let selection = Selection::of(arguments);
    let mut listed = Vec::new();
    let mut list = tests(suite);
    list.args(["--", "--list", "--format", "terse"]);
    if !cargo::lines(list, progress, |line| listed.push(line.to_owned()))? {
        return Ok(End::Failed);
    }
    let mut chosen = selection.choose(&name(suite), &listed);
    if chosen.is_empty() {
        return Ok(End::CannotRun("it has no test that matches".to_owned()));
    }
    if suite == Suite::Whole(Whole::Chart)
        && let Some(reason) = chart::leave_out(&mut chosen, progress)
    {
        return Ok(End::CannotRun(reason));
    }
    if suite == Suite::Whole(Whole::Monitoring)
        && let Err(error) = testkit::prometheus::Programs::provide(progress)
    {
        return Ok(End::CannotRun(error.downcast::<Unavailable>()?.reason));
    }
    let mut command = tests(suite);
    command.args(["--", "--exact"]).args(chosen).args(selection.options);
    if suite == Suite::Whole(Whole::Libraries) {
        return count_tests(command, count, progress);
    }
    if suite == Suite::Whole(Whole::Chart) {
        return match chart::prepare(&mut command, progress) {
            Ok(()) => count_tests(command, count, progress),
            Err(error) => Ok(End::CannotRun(error.downcast::<Unavailable>()?.reason)),
        };
    }
    let (program, admin_url, amqp_url) = match parts.ready(progress) {
        Ok(ready) => ready,
        Err(error) => match error.downcast::<Unavailable>() {
            Ok(unavailable) => return Ok(End::CannotRun(unavailable.reason)),
            Err(error) => return Err(error),
        },
    };
    // The test binary finds the backing services by their state, and starts its own fleet on them. Suites that need
    // only a database or a broker take its address.
    command
        .env("GLOBCRM_TEST_BINARY", program)
        .env("GLOBCRM_TEST_POSTGRES_ADMIN_URL", admin_url)
        .env("GLOBCRM_TEST_AMQP_URL", amqp_url);
    if suite == Suite::Whole(Whole::Restore) {
        // It destroys a server's files, so the server is a process of its own here, whatever others are.
        command.env("GLOBCRM_TESTKIT_BACKING", "local");
        for named in ["GLOBCRM_POSTGRES_ADMIN_URL", "GLOBCRM_FLEET_AMQP_URL", "GLOBCRM_FLEET_REDIS_URL"] {
            command.env_remove(named);
        }
    }
    if suite == Suite::Whole(Whole::Blobs) {
        match VERSITYGW.find(progress) {
            Ok(server) => command.env("GLOBCRM_TEST_S3_SERVER", server),
            Err(error) => return Ok(End::CannotRun(error.downcast::<Unavailable>()?.reason)),
        };
    }
    count_tests(command, count, progress)
}

/// The test binary that has the suite, run by cargo.
fn tests(suite: Suite) -> std::process::Command {
    let binary = if suite == Suite::Whole(Whole::Chart) { "operators" } else { "it" };
    let mut command = cargo::cargo(&["test", "--package", "globcrm-tests", "--test", binary]);
    if TESTCONTAINERS {
        // Fault tests start backing services of their own.
        command.args(["--features", "testcontainers"]);
    }
    command
}

/// The built binary and the backing services, made ready by the first suite that needs them.
#[derive(Default)]
struct Parts {
    program: Option<PathBuf>,
    held: Vec<Backing>,
}

impl Parts {
    /// The binary, an administrator's URL of PostgreSQL, and the URL of RabbitMQ.
    fn ready(&mut self, progress: &Progress) -> Result<(PathBuf, String, String)> {
        let workspace = Workspace::here()?;
        let first = self.program.is_none();
        let program = match self.program.take() {
            Some(program) => program,
            None => up::build(&workspace, false, progress)?,
        };
        self.program = Some(program.clone());
        if first {
            // Tests begin with nothing: what an older tree left behind must neither help nor hinder them.
            Backing::wipe(&workspace, Purpose::Test, progress)?;
        }
        // Before every suite: the one before may have killed what it needed.
        let backing = Backing::start(&workspace, Purpose::Test, progress)?;
        let (admin_url, amqp_url) = (backing.postgres_admin_url().to_owned(), backing.amqp_url().to_owned());
        self.held.push(backing);
        if first && let Some(backing) = self.held.last() {
            // Before the tests, so that a broken migration is told once and not by every test.
            let places = Places::beside(backing, Ports::fresh()?)?;
            let environments = testkit::fleet::environments(backing, &places)?;
            testkit::fleet::run_once(&program, "migrate", &environments.migrate, progress)?;
        }
        Ok((program, admin_url, amqp_url))
    }
}

fn count_tests(command: std::process::Command, count: &mut Count, progress: &Progress) -> Result<End> {
    let ok = cargo::lines(command, progress, |line| {
        println!("{line}");
        count.add(line);
    })?;
    Ok(if ok && count.results > 0 { End::Passed } else { End::Failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_binaries_add_up_and_other_lines_do_not_count() {
        let mut count = Count::default();
        count.add(
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.00s",
        );
        count.add("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
        count.add("9 passed; 9 failed");
        assert_eq!(count, Count { passed: 5, failed: 1, results: 2 });
    }

    #[test]
    fn a_binary_that_prints_no_result_has_failed() {
        let mut count = Count::default();
        let end = count_tests(std::process::Command::new("true"), &mut count, &Progress::silent()).unwrap();
        assert!(matches!(end, End::Failed));
    }

    #[test]
    fn every_folder_of_tests_is_a_suite() {
        let known: Vec<_> = Suite::value_variants().iter().map(|suite| name(*suite)).collect();
        for folder in below(&crate::root().join("tests")).iter().filter(|path| path.join("mod.rs").exists()) {
            if known.iter().any(|name| folder.ends_with(name)) {
                continue;
            }
            // What suites have in common: a test in it would never run.
            for file in below(folder) {
                let text = std::fs::read_to_string(&file).unwrap();
                assert!(!text.contains("test]"), "{} has tests, and no suite runs them", file.display());
            }
        }
    }

    fn below(dir: &std::path::Path) -> Vec<PathBuf> {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn what_needs_an_engine_an_earlier_program_or_hours_runs_by_its_name_only_and_everything_else_without_one()
     {
        let left_out: Vec<_> =
            Suite::value_variants().iter().filter(|suite| !unnamed().contains(suite)).collect();
        assert_eq!(left_out, [&Suite::Compose, &Suite::Upgrade, &Suite::Mutants]);
    }

    #[test]
    fn an_unknown_suite_is_refused_with_the_names_of_the_known_ones() {
        use clap::Parser;
        let error = crate::Cli::try_parse_from(["xtask", "test", "nothing"]).unwrap_err().to_string();
        for suite in Suite::value_variants() {
            assert!(error.contains(&name(*suite)), "{error}");
        }
    }
}
