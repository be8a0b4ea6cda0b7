//! A reason, and what the list says about it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Why something was refused: one of the listed words. Each is an associated constant of its own name.
#[derive(Clone, Copy)]
pub struct Reason(&'static Entry);

/// What the list says about a reason.
pub(crate) struct Entry {
    pub(crate) word: &'static str,
    pub(crate) title: &'static str,
    pub(crate) uses: &'static [Use],
    pub(crate) meaning: &'static [&'static str],
    pub(crate) remedy: &'static str,
}

/// Where a client meets a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// The `reason` of a problem with this HTTP status.
    Status(u16),
    /// The `reason` of an entry of a problem's `errors`, or of a row of an import.
    Violation,
    /// The `failure` of an operation.
    Operation,
    /// The `reason` of one of an answer's `warnings`.
    Warning,
}

impl Reason {
    /// For the list alone.
    pub(crate) const fn of(entry: &'static Entry) -> Self {
        Self(entry)
    }

    /// The word, in capitals.
    pub const fn as_str(self) -> &'static str {
        self.0.word
    }

    /// The listed reason of this word.
    pub fn find(word: &str) -> Option<Self> {
        Self::all().find(|reason| reason.as_str() == word)
    }

    /// Every reason, by the parts of the list.
    pub fn all() -> impl Iterator<Item = Self> {
        crate::list::PARTS.iter().flat_map(|part| part.iter().copied())
    }

    /// A few words for people.
    pub const fn title(self) -> &'static str {
        self.0.title
    }

    /// What it means.
    pub fn meaning(self) -> String {
        self.0.meaning.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }

    /// What a client can do.
    pub const fn remedy(self) -> &'static str {
        self.0.remedy
    }

    /// Where a client meets it.
    pub const fn uses(self) -> &'static [Use] {
        self.0.uses
    }

    /// Whether it may be the reason of a problem with this HTTP status.
    pub fn has_status(self, status: u16) -> bool {
        self.0.uses.contains(&Use::Status(status))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Reason {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Reason {}

impl PartialOrd for Reason {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reason {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Reason {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

// A reason that came over the wire is text.
impl PartialEq<str> for Reason {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Reason {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<Reason> for str {
    fn eq(&self, other: &Reason) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<Reason> for &str {
    fn eq(&self, other: &Reason) -> bool {
        *self == other.as_str()
    }
}
