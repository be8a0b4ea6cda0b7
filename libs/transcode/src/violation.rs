//! What is wrong with a well-formed body, where, and where the reader stands.

use std::borrow::Cow;

use reasons::Reason;

/// So many violations are kept; a body can hold far more.
pub const MAX_VIOLATIONS: usize = 256;

/// One thing wrong with a body or a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// In a body: a JSON pointer (RFC 6901). In a query: the parameter's name.
    pub place: String,
    /// What programs tell violations apart by.
    pub reason: Reason,
    /// For people; never repeats the value.
    pub detail: String,
}

/// A step from a value to one inside it.
#[derive(Debug)]
enum Segment<'a> {
    Name(Cow<'a, str>),
    Index(usize),
}

/// The violations found so far and the place of the reader.
#[derive(Debug, Default)]
pub(crate) struct Violations<'a> {
    path: Vec<Segment<'a>>,
    found: Vec<Violation>,
}

impl<'a> Violations<'a> {
    pub(crate) fn enter_name(&mut self, name: Cow<'a, str>) {
        self.path.push(Segment::Name(name));
    }

    pub(crate) fn enter_index(&mut self, index: usize) {
        self.path.push(Segment::Index(index));
    }

    pub(crate) fn leave(&mut self) {
        self.path.pop();
    }

    /// Notes a violation of the value the reader stands at.
    pub(crate) fn add(&mut self, reason: Reason, detail: impl Into<String>) {
        if self.found.len() < MAX_VIOLATIONS {
            let place = self.pointer();
            self.found.push(Violation { place, reason, detail: detail.into() });
        }
    }

    pub(crate) fn into_found(self) -> Vec<Violation> {
        self.found
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for segment in &self.path {
            pointer.push('/');
            match segment {
                Segment::Name(name) => escape(name, &mut pointer),
                Segment::Index(index) => pointer.push_str(itoa::Buffer::new().format(*index)),
            }
        }
        pointer
    }
}

/// Writes a name as a pointer's segment (RFC 6901).
fn escape(name: &str, pointer: &mut String) {
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}
