//! Settings that may change while the process runs: from a file of variables, and from the files of secrets.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::env::hint;
use crate::{Env, Kind, Problem, Problems, Setting};

/// The value in force, and who follows it. Cheap to clone; all clones are one.
pub struct Hot<T>(Arc<Inner<T>>);

type Follower<T> = Box<dyn Fn(&T) + Send + Sync>;

struct Inner<T> {
    now: RwLock<Arc<T>>,
    followers: Mutex<Vec<Follower<T>>>,
}

impl<T> Hot<T> {
    /// A value that nothing changes yet.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Inner { now: RwLock::new(Arc::new(value)), followers: Mutex::default() }))
    }

    /// The value in force.
    pub fn get(&self) -> Arc<T> {
        self.0.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls `tell` with every value to come. It must be quick and may not block.
    pub fn follow(&self, tell: impl Fn(&T) + Send + Sync + 'static) {
        self.0.followers.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(tell));
    }

    /// Puts another value in force and tells those who follow.
    pub fn set(&self, value: T) {
        let value = Arc::new(value);
        *self.0.now.write().unwrap_or_else(PoisonError::into_inner) = value.clone();
        for tell in self.0.followers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            tell(&value);
        }
    }
}

impl<T> From<T> for Hot<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for Hot<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Clone for Hot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: fmt::Debug> fmt::Debug for Hot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// What is said of a variable in the file that only a start reads.
const FIXED: &str = "is not a setting that can change while the process runs";

/// Puts values in force that were checked before.
pub(crate) type Apply = Box<dyn FnOnce() + Send>;

/// Reads one group again.
pub(crate) type Check = Box<dyn Fn(&Env) -> Result<Apply, Problems> + Send + Sync>;

/// The groups of a section that may change, and how each is read again.
#[derive(Default)]
pub struct Reloads {
    pub(crate) settings: Vec<Setting>,
    pub(crate) checks: Vec<Check>,
}

impl Reloads {
    /// Adds those of another section.
    pub fn extend(&mut self, other: Self) {
        self.settings.extend(other.settings);
        self.checks.extend(other.checks);
    }
}

impl fmt::Debug for Reloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.settings.iter().map(|setting| setting.name)).finish()
    }
}

/// Looks whether files have changed, and reads again what may change. All or nothing: one bad value, and the old ones stay.
#[derive(Debug)]
pub struct Reloader {
    env: Env,
    file: Option<PathBuf>,
    /// What the file may have: of every role, as one file serves all.
    may: BTreeSet<String>,
    reloads: Reloads,
    seen: u64,
    hash: u64,
}

impl Reloader {
    /// For a process with the environment `env`, and a file that may have the settings `may`.
    pub fn new(env: Env, file: Option<PathBuf>, may: &[Setting]) -> Self {
        let may = may.iter().flat_map(Setting::variables).collect();
        Self { env, file, may, reloads: Reloads::default(), seen: 0, hash: 0 }
    }

    /// From now on it is these that are read again; they were read from [`Self::env`].
    pub fn follow(&mut self, reloads: Reloads) {
        self.reloads = reloads;
        if let Ok(now) = self.env() {
            (self.seen, self.hash) = (self.digest(&now, true), self.digest(&now, false));
        }
    }

    /// Names the values in force of settings that may change, without secrets: the same in instances that have the same. 48 bits, which a
    /// metric holds exactly.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Looks once. `true` when other values are in force than before; with problems nothing has changed.
    pub fn look(&mut self) -> Result<bool, Problems> {
        let now = self.env()?;
        let seen = self.digest(&now, true);
        if seen == self.seen {
            return Ok(false);
        }
        let (mut problems, mut apply) = (Vec::new(), Vec::new());
        for check in &self.reloads.checks {
            match check(&now) {
                Ok(ready) => apply.push(ready),
                Err(found) => problems.extend(found.0),
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        for apply in apply {
            apply();
        }
        (self.seen, self.hash) = (seen, self.digest(&now, false));
        Ok(true)
    }

    /// The environment with the file's variables, as it is now.
    pub fn env(&self) -> Result<Env, Problems> {
        let Some(file) = &self.file else { return Ok(self.env.clone()) };
        let env = self.env.with_file(file)?;
        let wrong =
            env.names().filter(|name| self.env.get(name) != env.get(name) && !self.may.contains(*name));
        let problems: Vec<Problem> = wrong
            .map(|name| Problem { variable: name.to_owned(), text: hint(name, &self.may, FIXED) })
            .collect();
        if problems.is_empty() { Ok(env) } else { Err(Problems(problems)) }
    }

    /// Of the texts in force, and of what is in files that they name.
    fn digest(&self, env: &Env, with_secrets: bool) -> u64 {
        let mut hasher = DefaultHasher::new();
        for setting in
            self.reloads.settings.iter().filter(|setting| with_secrets || setting.kind != Kind::Secret)
        {
            for variable in setting.variables() {
                let Some(text) = env.get(&variable) else { continue };
                (&variable, text).hash(&mut hasher);
                let is_secret_file = setting.kind == Kind::Secret && variable.ends_with("_FILE");
                if is_secret_file || (with_secrets && setting.kind == Kind::File) {
                    // One that cannot be read is told when the group is read.
                    std::fs::read(text).map_err(|error| error.kind()).hash(&mut hasher);
                }
            }
        }
        hasher.finish() & ((1 << 48) - 1)
    }
}
