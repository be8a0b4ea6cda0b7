//! Reading sections of settings: all problems at once, each by the variable's name.

use std::fmt;

use crate::value::{Kind, Value};
use crate::{Env, PREFIX};

/// A group of settings that one role or library reads.
///
/// `read` asks the reader for every setting before it uses any (`?` only at the end), so that one run finds every problem
/// and the same function describes the settings for documents.
pub trait Section: Sized {
    /// Reads the section; `None` when a problem was noted.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

/// One setting, as documents show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The role that reads it, e.g. `RECORDS`.
    pub role: &'static str,
    /// The name without prefix and role, e.g. `DATABASE_URL`.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Must be given.
    pub required: bool,
    /// The value when none is given.
    pub default: Option<String>,
    /// What it does.
    pub doc: &'static str,
}

impl Setting {
    /// Every variable that can give it.
    pub fn variables(&self) -> Vec<String> {
        let mut names: Vec<String> =
            [self.role, "FLEET"].iter().map(|role| format!("{PREFIX}{role}_{}", self.name)).collect();
        if self.kind == Kind::Secret {
            names.extend(names.clone().into_iter().map(|n| format!("{n}_FILE")));
        }
        names
    }
}

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub variable: String,
    /// What is wrong, without the value.
    pub text: String,
}

/// Everything wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} problem(s) in the configuration:", self.0.len())?;
        for problem in &self.0 {
            write!(f, "\n  {} {}", problem.variable, problem.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Reads settings of one role and remembers what it saw.
#[derive(Debug)]
pub struct Reader<'a> {
    env: &'a Env,
    role: &'static str,
    problems: Vec<Problem>,
    settings: Vec<Setting>,
}

impl<'a> Reader<'a> {
    fn new(env: &'a Env, role: &'static str) -> Self {
        Self { env, role, problems: Vec::new(), settings: Vec::new() }
    }

    /// A setting that must be given.
    pub fn required<T: Value>(&mut self, name: &'static str, doc: &'static str) -> Option<T> {
        self.declare::<T>(name, doc, true, None);
        match self.find::<T>(name) {
            Ok(Some(value)) => Some(value),
            Ok(None) => {
                self.problem(format!("{PREFIX}{}_{name}", self.role), "is missing");
                None
            }
            Err(()) => None,
        }
    }

    /// A setting with a default.
    pub fn with_default<T: Value>(
        &mut self,
        name: &'static str,
        default: &str,
        doc: &'static str,
    ) -> Option<T> {
        self.declare::<T>(name, doc, false, Some(default.to_owned()));
        match self.find::<T>(name) {
            Ok(Some(value)) => Some(value),
            Ok(None) => match T::read(default) {
                Ok(value) => Some(value),
                Err(text) => {
                    self.problem(
                        format!("{PREFIX}{}_{name}", self.role),
                        format!("has a wrong default: {text}"),
                    );
                    None
                }
            },
            Err(()) => None,
        }
    }

    /// A setting that may be absent.
    #[allow(clippy::option_option, reason = "outer: a problem was noted; inner: not given")]
    pub fn optional<T: Value>(&mut self, name: &'static str, doc: &'static str) -> Option<Option<T>> {
        self.declare::<T>(name, doc, false, None);
        self.find::<T>(name).ok()
    }

    /// Notes a problem that concerns more than one value.
    pub fn refuse(&mut self, name: &str, text: impl Into<String>) {
        self.problem(format!("{PREFIX}{}_{name}", self.role), text);
    }

    /// The role being read, lower case.
    pub fn role(&self) -> String {
        self.role.to_ascii_lowercase()
    }

    fn declare<T: Value>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        required: bool,
        default: Option<String>,
    ) {
        self.settings.push(Setting { role: self.role, name, kind: T::KIND, required, default, doc });
    }

    fn problem(&mut self, variable: String, text: impl Into<String>) {
        self.problems.push(Problem { variable, text: text.into() });
    }

    fn find<T: Value>(&mut self, name: &str) -> Result<Option<T>, ()> {
        for role in [self.role, "FLEET"] {
            let variable = format!("{PREFIX}{role}_{name}");
            let direct = self.env.get(&variable).map(str::to_owned);
            let file_variable = format!("{variable}_FILE");
            let file =
                (T::KIND == Kind::Secret).then(|| self.env.get(&file_variable).map(str::to_owned)).flatten();
            let (from, text) = match (direct, file) {
                (Some(_), Some(_)) => {
                    self.problem(variable, "is given twice: directly and by _FILE");
                    return Err(());
                }
                (Some(text), None) => (variable, text),
                (None, Some(path)) => match std::fs::read_to_string(&path) {
                    Ok(text) => (file_variable, text.trim_end_matches(['\r', '\n']).to_owned()),
                    Err(error) => {
                        self.problem(
                            file_variable,
                            format!("names a file that cannot be read: {}", error.kind()),
                        );
                        return Err(());
                    }
                },
                (None, None) => continue,
            };
            return match T::read(&text) {
                Ok(value) => Ok(Some(value)),
                Err(wanted) => {
                    self.problem(from, wanted);
                    Err(())
                }
            };
        }
        Ok(None)
    }
}

/// Reads a section of `role` (upper case), or says everything that is wrong with it.
pub fn load<S: Section>(env: &Env, role: &'static str) -> Result<S, Problems> {
    let mut reader = Reader::new(env, role);
    match S::read(&mut reader) {
        Some(section) if reader.problems.is_empty() => Ok(section),
        _ => Err(Problems(reader.problems)),
    }
}

/// The settings of a section, without reading any.
pub fn describe<S: Section>(role: &'static str) -> Vec<Setting> {
    let env = Env::default();
    let mut reader = Reader::new(&env, role);
    drop(S::read(&mut reader));
    reader.settings
}

impl<A: Section, B: Section> Section for (A, B) {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (a, b) = (A::read(reader), B::read(reader));
        Some((a?, b?))
    }
}
