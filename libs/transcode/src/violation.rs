//! What is wrong with a well-formed body, where, and where the reader stands.

use std::borrow::Cow;
use std::fmt;

/// So many violations are kept; a body can hold far more.
pub const MAX_VIOLATIONS: usize = 256;

/// Why a value was refused; printed as its SCREAMING_SNAKE name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The object has no such member.
    UnknownField,
    /// The method has no such query parameter.
    UnknownParameter,
    /// A query parameter that holds one value was sent again.
    RepeatedParameter,
    /// Not percent-encoded UTF-8.
    MalformedParameter,
    /// Another JSON type is wanted.
    TypeMismatch,
    /// A number outside its limits.
    OutOfRange,
    /// None of the named values.
    EnumValueUnknown,
    /// Text with U+0000.
    NulCharacter,
    /// Not sent, or empty where something must stand.
    Required,
    /// Too few characters.
    TooShort,
    /// Too many characters or bytes.
    TooLong,
    /// Not 8-4-4-4-12.
    UuidInvalid,
    /// Not RFC 3339.
    TimestampInvalid,
    /// Not base64.
    Base64Invalid,
    /// A list that is too short.
    TooFewItems,
    /// A list or map that is too long.
    TooManyItems,
    /// An element that stands in the list before.
    ItemsNotUnique,
}

impl Reason {
    /// The name clients see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownField => "UNKNOWN_FIELD",
            Self::UnknownParameter => "UNKNOWN_PARAMETER",
            Self::RepeatedParameter => "REPEATED_PARAMETER",
            Self::MalformedParameter => "MALFORMED_PARAMETER",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::EnumValueUnknown => "ENUM_VALUE_UNKNOWN",
            Self::NulCharacter => "NUL_CHARACTER",
            Self::Required => "REQUIRED",
            Self::TooShort => "TOO_SHORT",
            Self::TooLong => "TOO_LONG",
            Self::UuidInvalid => "UUID_INVALID",
            Self::TimestampInvalid => "TIMESTAMP_INVALID",
            Self::Base64Invalid => "BASE64_INVALID",
            Self::TooFewItems => "TOO_FEW_ITEMS",
            Self::TooManyItems => "TOO_MANY_ITEMS",
            Self::ItemsNotUnique => "ITEMS_NOT_UNIQUE",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
