//! Builds the copy, runs the tests of a mutant and judges by what they say.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use testkit::Progress;

use super::copy::Copy;
use super::list::{Home, Kill, Mutant};
use crate::cargo::cargo;

/// The longest build, from nothing.
const BUILD: Duration = Duration::from_secs(3600);
/// The longest run of a crate's tests, and of a suite's, which starts its backing services first.
const UNIT: Duration = Duration::from_secs(180);
const SUITE: Duration = Duration::from_secs(600);
/// How long an interrupted run may take to clear up.
const GRACE: Duration = Duration::from_secs(60);

/// How it ended for a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// By these tests, or by the compiler.
    Killed(String),
    /// These tests passed.
    Survived(String),
    /// The tests did not come to an end that says something of the mutant.
    Unclear(String),
    /// It does not fit the tree.
    Stale(String),
}

impl Verdict {
    /// As it is told.
    pub(super) fn line(&self, name: &str) -> String {
        match self {
            Self::Killed(by) => format!("killed    {name}  by {by}"),
            Self::Survived(why) => format!("SURVIVED  {name}  {why}"),
            Self::Unclear(why) => format!("UNCLEAR   {name}  {why}"),
            Self::Stale(why) => format!("STALE     {name}  {why}"),
        }
    }
}

/// Judges a mutant that has been written into the copy.
pub(super) fn judge(mutant: &Mutant, copy: &Copy, progress: &Progress) -> Result<Verdict> {
    let log = copy.log(&mutant.name);
    let built = match build(&mutant.home, &mutant.kill, copy, &log, progress)? {
        End::Status(success) => success,
        End::Overdue => return Ok(Verdict::Unclear(format!("its build did not end; see {}", log.display()))),
    };
    match &mutant.kill {
        Kill::Compiler(says) => Ok(refused(built, &std::fs::read_to_string(&log)?, says)),
        Kill::Tests(_) if !built => {
            Ok(Verdict::Unclear(format!("it does not compile; see {}", log.display())))
        }
        Kill::Tests(_) => {
            let tests: Vec<&str> = mutant.tests().collect();
            let end = test(&mutant.home, &tests, copy, &log, progress)?;
            let verdict = by_tests(&std::fs::read_to_string(&log)?, &tests);
            Ok(match (verdict, end) {
                (Verdict::Unclear(why), End::Overdue) => Verdict::Unclear(format!("overdue; {why}")),
                (verdict, _) => verdict,
            })
        }
    }
}

/// The tests of a home that say nothing of a mutant, and why: they do not build or do not pass without one.
pub(super) fn unfit<'a>(
    home: &Home,
    tests: &[&'a str],
    copy: &Copy,
    progress: &Progress,
) -> Result<BTreeMap<&'a str, String>> {
    let log = copy.log(&home.to_string().replace(' ', "-"));
    let seen = format!("without the mutant; see {}", log.display());
    if build(home, &Kill::Tests(Vec::new()), copy, &log, progress)? != End::Status(true) {
        return Ok(tests.iter().map(|test| (*test, format!("{test} does not compile {seen}"))).collect());
    }
    test(home, tests, copy, &log, progress)?;
    let said = std::fs::read_to_string(&log)?;
    let bad = tests.iter().filter_map(|test| match result(&said, test) {
        Some("ok") => None,
        Some(other) => Some((*test, format!("{test} is {other} {seen}"))),
        None => Some((*test, format!("{test} did not run {seen}"))),
    });
    Ok(bad.collect())
}

fn build(home: &Home, kill: &Kill, copy: &Copy, log: &Path, progress: &Progress) -> Result<End> {
    // As `test` below will ask for it, so that nothing is built then.
    let steps: Vec<Vec<&str>> = match (home, kill) {
        (Home::Package(name), Kill::Compiler(_)) => vec![vec!["check", "--package", name]],
        (Home::Package(name), Kill::Tests(_)) => vec![vec!["test", "--package", name, "--tests", "--no-run"]],
        (Home::Suite(_), _) => vec![
            vec!["build", "--package", "globcrm"],
            vec!["test", "--package", "globcrm-tests", "--test", "it", "--no-run"],
        ],
    };
    File::create(log).with_context(|| format!("making {}", log.display()))?;
    for step in steps {
        let end = ended(inside(cargo(&step), copy), log, BUILD, progress)?;
        if end != End::Status(true) {
            return Ok(end);
        }
    }
    Ok(End::Status(true))
}

fn test(home: &Home, tests: &[&str], copy: &Copy, log: &Path, progress: &Progress) -> Result<End> {
    let (mut command, bound) = match home {
        Home::Package(name) => (cargo(&["test", "--package", name, "--tests"]), UNIT),
        // With backing services of its own: the copy is a checkout like any other.
        Home::Suite(name) => (cargo(&["xtask", "test", name]), SUITE),
    };
    command.args(["--", "--exact"]).args(tests);
    ended(inside(command, copy), log, bound, progress)
}

/// The command in the copy, which has its own build output.
fn inside(mut command: Command, copy: &Copy) -> Command {
    command.current_dir(copy.root()).env_remove("CARGO_TARGET_DIR").env("CARGO_TERM_COLOR", "never");
    command
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By itself, and whether well.
    Status(bool),
    /// Not in time.
    Overdue,
}

/// Runs a command until it ends or `bound` has gone by; what it says is added to `log`.
fn ended(mut command: Command, log: &Path, bound: Duration, progress: &Progress) -> Result<End> {
    let file = File::options().append(true).open(log)?;
    // A group of its own: what it has started ends with it.
    command.stdout(file.try_clone()?).stderr(file).process_group(0);
    let mut child = command.spawn().context("cargo")?;
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(End::Status(status.success()));
        }
        let interrupted = progress.check();
        if interrupted.is_err() || begin.elapsed() > bound {
            end(&mut child)?;
            return interrupted.map(|()| End::Overdue);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Ends a child and its group: asked first, for a suite has backing services to stop.
fn end(child: &mut Child) -> Result<()> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process id")?;
    let begin = Instant::now();
    kill_process_group(group, Signal::TERM)?;
    while child.try_wait()?.is_none() {
        if begin.elapsed() > GRACE {
            kill_process_group(group, Signal::KILL)?;
            child.wait()?;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    // Whoever of the group has outlived its leader.
    let _gone = kill_process_group(group, Signal::KILL);
    Ok(())
}

/// `ok`, `FAILED` or `ignored`: what is said of a test.
fn result<'a>(said: &'a str, test: &str) -> Option<&'a str> {
    let mut told = said.lines().filter_map(|line| {
        let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
        (name.trim_end_matches(" - should panic") == test).then_some(result.trim())
    });
    told.next_back().map(|result| result.split([' ', ',']).next().unwrap_or(result))
}

fn by_tests(said: &str, tests: &[&str]) -> Verdict {
    let of = |wanted: &[&str]| -> Vec<&str> {
        tests
            .iter()
            .copied()
            .filter(|test| result(said, test).is_some_and(|end| wanted.contains(&end)))
            .collect()
    };
    let (failed, passed) = (of(&["FAILED"]), of(&["ok", "ignored"]));
    if !passed.is_empty() {
        Verdict::Survived(format!("{} passed", passed.join(", ")))
    } else if failed.len() == tests.len() {
        Verdict::Killed(failed.join(", "))
    } else {
        Verdict::Unclear(format!("not all tests came to their end: {}", last_line(said)))
    }
}

fn refused(built: bool, said: &str, wanted: &str) -> Verdict {
    if built {
        Verdict::Survived("it compiles".to_owned())
    } else if said.contains(wanted) {
        Verdict::Killed(format!("the compiler: {wanted}"))
    } else {
        Verdict::Unclear(format!("the compiler refuses it for another reason: {}", last_line(said)))
    }
}

fn last_line(said: &str) -> &str {
    said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing was said")
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use testkit::ProcessId;

    use super::*;

    const SAID: &str = "
running 3 tests
test a::is_red ... FAILED
test a::is_green ... ok
test a::panics - should panic ... FAILED
test b::is_left_out ... ignored, for a reason

failures:
error: test failed
";

    fn killed(by: &str) -> Verdict {
        Verdict::Killed(by.to_owned())
    }

    #[test]
    fn killed_is_what_all_its_tests_notice() {
        assert_eq!(by_tests(SAID, &["a::is_red"]), killed("a::is_red"));
        assert_eq!(by_tests(SAID, &["a::is_red", "a::panics"]), killed("a::is_red, a::panics"));
        for green in ["a::is_green", "b::is_left_out"] {
            let verdict = by_tests(SAID, &["a::is_red", green]);
            assert_eq!(verdict, Verdict::Survived(format!("{green} passed")));
        }
    }

    #[test]
    fn a_test_that_has_no_result_kills_nothing() {
        for said in [SAID, "", "test a::is_red ... \nkilled by signal 6"] {
            let verdict = by_tests(said, &["a::is_red", "a::is_gone"]);
            assert!(matches!(verdict, Verdict::Unclear(_)), "{verdict:?}");
        }
    }

    #[test]
    fn what_does_not_end_is_ended_with_all_that_it_has_started() {
        let log = crate::root().join(format!("target/tmp/xtask-trial-{}.txt", std::process::id()));
        std::fs::create_dir_all(log.parent().unwrap()).unwrap();
        File::create(&log).unwrap();
        let endless = || {
            let mut command = Command::new("sh");
            // The inner one does not hear that it is asked.
            command.args(["-c", "(trap '' TERM; exec sleep 60) & echo $!; wait"]);
            command
        };
        let (progress, started) = (Progress::silent(), OnceLock::new());
        let interrupted = std::thread::scope(|scope| {
            let run = scope.spawn(|| ended(endless(), &log, BUILD, &progress));
            while started.get().is_none() && !run.is_finished() {
                let id = std::fs::read_to_string(&log).unwrap().trim().parse();
                id.ok().and_then(ProcessId::of).map(|process| started.set(process));
            }
            progress.cancel();
            run.join().unwrap()
        });
        assert_eq!(interrupted.unwrap_err().to_string(), "interrupted");
        let (process, begin) = (started.get().unwrap(), Instant::now());
        while process.alive() && begin.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!process.alive(), "{process:?}");
        assert_eq!(ended(endless(), &log, Duration::ZERO, &Progress::silent()).unwrap(), End::Overdue);
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn the_compiler_kills_by_what_it_says_and_not_by_any_error() {
        let said = "error[E0599]: no associated item named `GONE`\nerror: could not compile";
        assert_eq!(refused(false, said, "named `GONE`"), killed("the compiler: named `GONE`"));
        assert!(matches!(refused(false, said, "named `OTHER`"), Verdict::Unclear(_)));
        assert!(matches!(refused(true, "", "named `GONE`"), Verdict::Survived(_)));
    }
}
