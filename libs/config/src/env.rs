//! The environment as a value, and the refusal of variables that nothing reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::file;
use crate::{PREFIX, Problem, Problems, Setting};

/// Most bytes of a file of variables.
const LONGEST_FILE: u64 = 64 << 10;

/// Environment variables: the process's, or a test's own.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The `GLOBCRM_` variables of this process. A name or value that is not UTF-8 is left out, and so found missing.
    pub fn process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .filter(|(k, _)| k.starts_with(PREFIX))
                .collect(),
        )
    }

    /// The value of a variable; an empty one counts as unset, as an empty chart value means "not given".
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// With the variables of a file over those that are there: one `NAME=value` a line, as `docker run --env-file` has them. Lines that are
    /// empty or begin with `#` count for nothing.
    pub fn with_file(&self, path: &Path) -> Result<Self, Problems> {
        let problem = |line: Option<usize>, text: String| Problem {
            variable: line
                .map_or_else(|| path.display().to_string(), |line| format!("{}:{line}", path.display())),
            text,
        };
        let text = file::text(path, LONGEST_FILE)
            .map_err(|kind| Problems(vec![problem(None, format!("cannot be read: {kind}"))]))?;
        let (mut all, mut problems) = (self.clone(), Vec::new());
        for (at, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once('=') {
                Some((name, value)) if name.trim_end().starts_with(PREFIX) => {
                    all.0.insert(name.trim_end().to_owned(), value.trim_start().to_owned());
                }
                _ => problems.push(problem(Some(at), "must be GLOBCRM_<ROLE>_<NAME>=<value>".to_owned())),
            }
        }
        if problems.is_empty() { Ok(all) } else { Err(Problems(problems)) }
    }

    /// The names that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

impl std::fmt::Debug for Env {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Refuses `GLOBCRM_` variables that no setting of any role reads: a typing error must not become a default.
pub fn refuse_unknown(env: &Env, settings: &[Setting]) -> Result<(), Problems> {
    let known: BTreeSet<String> = settings.iter().flat_map(Setting::variables).collect();
    let problems: Vec<Problem> = env
        .names()
        .filter(|name| !known.contains(*name))
        .map(|name| Problem {
            variable: name.to_owned(),
            text: hint(name, &known, "is not a setting of any role"),
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

/// Why this name is none of the known ones, and which it may have been meant to be.
pub(crate) fn hint(name: &str, known: &BTreeSet<String>, text: &str) -> String {
    let near = known.iter().map(|k| (strsim::levenshtein(name, k), k)).min().filter(|(d, _)| *d <= 4);
    match near {
        Some((_, k)) => format!("{text}; did you mean {k}?"),
        None => text.to_owned(),
    }
}
