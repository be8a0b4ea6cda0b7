//! A setting, as documents and checks know it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::PREFIX;

/// What a value is, for documents and generated schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `host:port` to listen on.
    Address,
    /// A duration in seconds, fractions allowed.
    Seconds,
    /// A path.
    Path,
    /// A file whose contents are read again when they change.
    File,
    /// A secret: also read from the file named by `<NAME>_FILE`.
    Secret,
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

/// A setting whose name only the fleet's list knows: no field can be called so.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// The name without prefix and role, e.g. `IDENTITY_URL`.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Must be given.
    pub required: bool,
}

/// The text as one that lives as long as the process. Each is kept once: there are as many as names and descriptions of settings.
pub(crate) fn lasting(text: &str) -> &'static str {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(text) {
        return known;
    }
    let text: &'static str = Box::leak(text.into());
    kept.insert(text);
    text
}
