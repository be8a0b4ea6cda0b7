//! The list of mutants: a file for each area in `tests/mutants`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// A change that takes one promise away, and who must notice.
#[derive(Clone, Debug)]
pub(super) struct Mutant {
    /// `area/name`.
    pub(super) name: String,
    /// What it takes away.
    pub(super) takes: String,
    /// From the root of the tree.
    pub(super) file: String,
    find: String,
    replace: String,
    pub(super) home: Home,
    pub(super) kill: Kill,
}

/// Where the tests are that must kill a mutant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Home {
    /// Tests inside a crate, by the name of its package.
    Package(String),
    /// A suite that needs real parts.
    Suite(String),
}

/// What must happen to a mutant.
#[derive(Clone, Debug)]
pub(super) enum Kill {
    /// All of these tests fail.
    Tests(Vec<String>),
    /// The compiler refuses it, and says this.
    Compiler(String),
}

/// A file of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Area {
    mutant: Vec<Entry>,
}

/// A mutant as it is written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    takes: String,
    file: String,
    find: String,
    replace: String,
    package: Option<String>,
    suite: Option<String>,
    #[serde(default)]
    tests: Vec<String>,
    compiler: Option<String>,
}

/// Every mutant, by area and in the order in which they are written down.
pub(super) fn read(root: &Path) -> Result<Vec<Mutant>> {
    let dir = root.join("tests/mutants");
    let entries = std::fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let area = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        all.extend(parse(&area, &text).with_context(|| format!("tests/mutants/{area}.toml"))?);
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = all.iter().find(|mutant| !names.insert(&mutant.name)) {
        bail!("two mutants have the name {}", twice.name);
    }
    Ok(all)
}

fn parse(area: &str, text: &str) -> Result<Vec<Mutant>> {
    let Area { mutant: entries } = toml::from_str(text)?;
    entries.into_iter().map(|entry| Mutant::new(area, entry)).collect()
}

impl Mutant {
    fn new(area: &str, entry: Entry) -> Result<Self> {
        let name = format!("{area}/{}", entry.name);
        let home = match (entry.package, entry.suite) {
            (Some(package), None) => Home::Package(package),
            (None, Some(suite)) => Home::Suite(suite),
            _ => bail!("{name}: give either the package or the suite whose tests must fail"),
        };
        let kill = match (entry.tests.is_empty(), entry.compiler) {
            (false, None) => Kill::Tests(entry.tests),
            (true, Some(says)) => Kill::Compiler(says),
            _ => bail!("{name}: give either the tests that must fail or what the compiler must say"),
        };
        if let (Home::Suite(_), Kill::Compiler(_)) = (&home, &kill) {
            bail!("{name}: the compiler refuses a package");
        }
        Ok(Self {
            name,
            takes: entry.takes,
            file: entry.file,
            find: entry.find,
            replace: entry.replace,
            home,
            kill,
        })
    }

    /// The tests that must fail; none where the compiler must refuse.
    pub(super) fn tests(&self) -> impl Iterator<Item = &str> {
        let tests: &[String] = match &self.kill {
            Kill::Tests(tests) => tests,
            Kill::Compiler(_) => &[],
        };
        tests.iter().map(String::as_str)
    }

    /// `source` with the change. The text to be replaced must be there once: twice would be another change than the one that was
    /// tried when it was written down.
    pub(super) fn applied(&self, source: &str) -> Result<String> {
        ensure!(self.find != self.replace, "it changes nothing");
        match source.matches(&self.find).count() {
            1 => Ok(source.replacen(&self.find, &self.replace, 1)),
            count => bail!("the text to be replaced occurs {count} times in {}, not once", self.file),
        }
    }

    /// Whether it still fits the tree at `root`: its file, the text to be replaced, and its tests.
    pub(super) fn check(&self, root: &Path) -> Result<()> {
        let source = std::fs::read_to_string(root.join(&self.file))
            .with_context(|| format!("reading {}", self.file))?;
        self.applied(&source)?;
        let folder = self.home.folder(root)?;
        let mut sources = String::new();
        collect(&folder, &mut sources)?;
        for test in self.tests() {
            if let Home::Suite(suite) = &self.home {
                ensure!(test.starts_with(&format!("{suite}::")), "{test} is not a test of the suite {suite}");
            }
            let function = test.rsplit("::").next().unwrap_or(test);
            ensure!(sources.contains(&format!("fn {function}(")), "there is no test {test} any more");
        }
        Ok(())
    }
}

impl Home {
    /// Where its sources are.
    fn folder(&self, root: &Path) -> Result<PathBuf> {
        let (name, candidates) = match self {
            Self::Package(name) => {
                let folder = name.strip_prefix("globcrm-").unwrap_or(name);
                (name, ["libs", "services", "deploy", ""].map(|dir| root.join(dir).join(folder)).to_vec())
            }
            Self::Suite(name) => (name, vec![root.join("tests").join(name)]),
        };
        candidates.into_iter().find(|dir| dir.is_dir()).with_context(|| format!("there is no {name}"))
    }
}

/// Adds all Rust sources below a folder.
fn collect(dir: &Path, sources: &mut String) -> Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that fits this file.
    const SOUND: &str = r#"
        [[mutant]]
        name = "own"
        takes = "nothing, it is only read"
        file = "deploy/xtask/src/mutants/list.rs"
        find = "one that is\u0020there once"
        replace = "another one"
        package = "globcrm-xtask"
        tests = ["mutants::list::tests::an_entry_that_no_longer_fits_is_refused_by_name_and_reason"]
    "#;

    // It is there: one that is there once.
    fn checked(text: &str) -> Result<()> {
        parse("test", text)?.iter().try_for_each(|mutant| mutant.check(&crate::root()))
    }

    fn refused(from: &str, to: &str) -> String {
        assert!(SOUND.contains(from), "{from}");
        format!("{:#}", checked(&SOUND.replace(from, to)).unwrap_err())
    }

    #[test]
    fn an_entry_that_no_longer_fits_is_refused_by_name_and_reason() {
        checked(SOUND).unwrap();
        for (from, to, why) in [
            ("mutants/list.rs", "mutants/gone.rs", "reading deploy/xtask/src/mutants/gone.rs"),
            (r"one that is\u0020there once", r"no\u0020such text", "occurs 0 times in deploy/"),
            (r"one that is\u0020there once", "fn ", "times in deploy/xtask/src/mutants/list.rs, not once"),
            ("another one", r"one that is\u0020there once", "it changes nothing"),
            ("refused_by_name", "refused_by_nobody", "there is no test mutants::list::tests::an_entry"),
            ("globcrm-xtask", "globcrm-nobody", "there is no globcrm-nobody"),
            ("package = \"globcrm-xtask\"", "suite = \"api\"", "is not a test of the suite api"),
        ] {
            let error = refused(from, to);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn an_entry_names_one_home_and_one_end() {
        for (from, to, why) in [
            ("package =", "suite = \"api\"\npackage =", "test/own: give either the package or the suite"),
            ("package = \"globcrm-xtask\"", "", "test/own: give either the package or the suite"),
            ("tests =", "compiler = \"E0599\"\ntests =", "test/own: give either the tests"),
            ("takes =", "take =", "take"),
        ] {
            let error = refused(from, to);
            assert!(error.contains(why), "{error}");
        }
    }
}
