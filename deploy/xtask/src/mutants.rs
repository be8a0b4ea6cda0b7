//! `test mutants`: takes one promise after the other out of a copy of the tree and looks whether its tests notice.
//!
//! A test that was never red may be unable to fail. The list in `tests/mutants` says for each mutant what it takes away and which
//! tests must fail then. Not part of `test` without names: every mutant is a build.

mod copy;
mod list;
mod trial;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use testkit::{Progress, Workspace};

use copy::Copy;
use list::{Home, Mutant};
use trial::Verdict;

/// How many mutants ended how.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Noticed by every test that had to.
    pub(crate) killed: u64,
    /// Not noticed, or not to be judged.
    pub(crate) alive: u64,
}

/// Tries the mutants with one of `words` in their names, all of them without words, and prints a line for each.
pub(crate) fn run(words: &[String], progress: &Progress) -> Result<Tally> {
    let root = crate::root();
    let mut chosen = list::read(&root)?;
    chosen.retain(|mutant| words.is_empty() || words.iter().any(|word| mutant.name.contains(word)));
    let copy = Copy::open(&root, &Workspace::here()?.target().join("mutants"))?;
    let mut tally = Tally::default();
    let mut sound = Vec::new();
    for mutant in &chosen {
        match mutant.check(&root) {
            Ok(()) => sound.push(mutant),
            Err(error) => tally.add(mutant, &Verdict::Stale(format!("{error:#}"))),
        }
    }
    // Those of one crate or suite in a row: they share what is built.
    sound.sort_by(|a, b| a.home.cmp(&b.home));
    for group in sound.chunk_by(|a, b| a.home == b.home) {
        try_all(group, &copy, &mut tally, progress)?;
    }
    println!("{} killed, {} not killed", tally.killed, tally.alive);
    Ok(tally)
}

/// Tries mutants that the tests of one home must kill.
fn try_all(group: &[&Mutant], copy: &Copy, tally: &mut Tally, progress: &Progress) -> Result<()> {
    let Some(first) = group.first() else { return Ok(()) };
    let mut tests: Vec<&str> = group.iter().flat_map(|mutant| mutant.tests()).collect();
    tests.sort_unstable();
    tests.dedup();
    progress.say(format!("{}: {} tests without a mutant", first.home, tests.len()));
    // Red by itself, a test would seem to kill everything.
    let unfit = match tests.as_slice() {
        [] => BTreeMap::new(),
        tests => trial::unfit(&first.home, tests, copy, progress)?,
    };
    for mutant in group {
        progress.check()?;
        let verdict = match mutant.tests().find_map(|test| unfit.get(test)) {
            Some(why) => Verdict::Unclear(why.clone()),
            None => try_one(mutant, copy, progress)?,
        };
        tally.add(mutant, &verdict);
    }
    Ok(())
}

fn try_one(mutant: &Mutant, copy: &Copy, progress: &Progress) -> Result<Verdict> {
    progress.say(format!("{}: {}", mutant.name, mutant.takes));
    let file = Path::new(&mutant.file);
    let source = copy.read(file)?;
    copy.write(file, &mutant.applied(&source)?)?;
    let verdict = trial::judge(mutant, copy, progress);
    // After an interruption too, though the next run would put it right. Not from the original, which may be another by now.
    copy.write(file, &source)?;
    verdict
}

impl Tally {
    fn add(&mut self, mutant: &Mutant, verdict: &Verdict) {
        match verdict {
            Verdict::Killed(_) => self.killed += 1,
            Verdict::Survived(_) | Verdict::Unclear(_) | Verdict::Stale(_) => self.alive += 1,
        }
        println!("{}", verdict.line(&mutant.name));
    }
}

/// The tests of a crate by the name of its package, or those of a suite.
impl std::fmt::Display for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Package(name) => write!(f, "{name}"),
            Self::Suite(name) => write!(f, "suite {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cheap enough for every run: nothing is built.
    #[test]
    fn every_mutant_of_the_list_can_be_applied_and_names_tests_that_are_there() {
        let root = crate::root();
        let all = list::read(&root).unwrap();
        let stale: Vec<String> = all
            .iter()
            .filter_map(|mutant| Some(format!("{}: {:#}", mutant.name, mutant.check(&root).err()?)))
            .collect();
        assert!(stale.is_empty(), "{}", stale.join("\n"));
        assert!(!all.is_empty());
    }
}
