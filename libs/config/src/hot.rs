//! Settings that may change while the process runs: from a file of variables, and from the files of secrets.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::env::hint;
use crate::file;
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

/// A group that may change.
pub(crate) struct Group {
    /// Those of its settings that are looked at.
    pub(crate) settings: Vec<Setting>,
    /// How it is read again.
    pub(crate) check: Check,
    /// The settings stay as they are: only what is in the files that they name may change.
    pub(crate) is_fixed: bool,
    /// The digest of what is in force, taken before that was read: what changes in between is found by the next look.
    pub(crate) seen: u64,
}

/// The groups of a section that may change, and how each is read again.
#[derive(Default)]
pub struct Reloads(pub(crate) Vec<Group>);

impl Reloads {
    /// Adds those of another section.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter().flat_map(|group| &group.settings)
    }
}

impl fmt::Debug for Reloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.settings().map(|setting| setting.name)).finish()
    }
}

/// Looks whether files have changed, and reads again what may change. Of the file of variables and the secrets it is all or nothing: one
/// bad value, and the old ones stay. Groups of other files ([`crate::Reader::watched`]) are each for themselves: a certificate that is
/// refused keeps neither another one nor a password from being renewed.
#[derive(Debug)]
pub struct Reloader {
    env: Env,
    file: Option<PathBuf>,
    /// What the file may have: of every role, as one file serves all.
    may: BTreeSet<String>,
    reloads: Reloads,
    changes: u64,
    hash: u64,
}

impl Reloader {
    /// For a process with the environment `env`, and a file that may have the settings `may`.
    pub fn new(env: Env, file: Option<PathBuf>, may: &[Setting]) -> Self {
        let may = may.iter().flat_map(Setting::variables).collect();
        Self { env, file, may, reloads: Reloads::default(), changes: 0, hash: 0 }
    }

    /// From now on it is these that are read again; they were read from [`Self::env`].
    pub fn follow(&mut self, reloads: Reloads) {
        self.reloads = reloads;
        if let Ok(now) = self.env() {
            self.hash = digest(self.reloads.settings(), &now, false);
        }
    }

    /// Names the values in force of settings that may change, without secrets: the same in instances that have the same. 48 bits, which a
    /// metric holds exactly.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many groups were put in force since the start.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Looks once. `true` when other values are in force than before. What is wrong has changed nothing; [`Self::changes`] says whether
    /// something else has.
    pub fn look(&mut self) -> Result<bool, Problems> {
        let (before, mut problems) = (self.changes, Vec::new());
        for group in self.reloads.0.iter_mut().filter(|group| group.is_fixed) {
            // The file of variables has none of their settings.
            let seen = digest(&group.settings, &self.env, true);
            if seen == group.seen {
                continue;
            }
            match (group.check)(&self.env) {
                Ok(apply) => {
                    apply();
                    group.seen = seen;
                    self.changes += 1;
                }
                Err(found) => problems.extend(found.0),
            }
        }
        if let Err(found) = self.look_at_variables() {
            problems.extend(found.0);
        }
        if problems.is_empty() { Ok(self.changes > before) } else { Err(Problems(problems)) }
    }

    fn look_at_variables(&mut self) -> Result<(), Problems> {
        let now = self.env()?;
        let (mut problems, mut ready) = (Vec::new(), Vec::new());
        for group in self.reloads.0.iter_mut().filter(|group| !group.is_fixed) {
            let seen = digest(&group.settings, &now, true);
            if seen == group.seen {
                continue;
            }
            match (group.check)(&now) {
                Ok(apply) => ready.push((group, seen, apply)),
                Err(found) => problems.extend(found.0),
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        for (group, seen, apply) in ready {
            apply();
            group.seen = seen;
            self.changes += 1;
        }
        self.hash = digest(self.reloads.settings(), &now, false);
        Ok(())
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
}

/// Of the texts in force, and of what is in files that they name.
pub(crate) fn digest<'a>(
    settings: impl IntoIterator<Item = &'a Setting>,
    env: &Env,
    with_secrets: bool,
) -> u64 {
    let mut hasher = DefaultHasher::new();
    for setting in settings.into_iter().filter(|setting| with_secrets || setting.kind != Kind::Secret) {
        for variable in setting.variables() {
            let Some(text) = env.get(&variable) else { continue };
            (&variable, text).hash(&mut hasher);
            let is_secret_file = setting.kind == Kind::Secret && variable.ends_with("_FILE");
            if is_secret_file || (with_secrets && setting.kind == Kind::File) {
                // One that cannot be read is told when the group is read.
                file::bytes(Path::new(text), file::LONGEST).hash(&mut hasher);
            }
        }
    }
    hasher.finish() & ((1 << 48) - 1)
}
