//! The environment as a value, and the refusal of variables that nothing reads.

use std::collections::{BTreeMap, BTreeSet};

use crate::{PREFIX, Problem, Problems, Setting};

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
        .map(|name| Problem { variable: name.to_owned(), text: hint(name, &known) })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

fn hint(name: &str, known: &BTreeSet<String>) -> String {
    let near = known.iter().map(|k| (strsim::levenshtein(name, k), k)).min().filter(|(d, _)| *d <= 4);
    match near {
        Some((_, k)) => format!("is not a setting of any role; did you mean {k}?"),
        None => "is not a setting of any role".to_owned(),
    }
}
