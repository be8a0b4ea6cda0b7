//! Everything that is wrong with what was sent.

use std::borrow::Cow;

use error::{Error, Reason, Violation};
use field_types::FieldError;

/// The violations of one stage, each with its pointer into the body. All are collected before the call is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Notes a violation at a pointer.
    pub fn note(&mut self, pointer: impl Into<String>, reason: Reason, detail: impl Into<Cow<'static, str>>) {
        self.0.push(Violation::new(pointer, reason, detail));
    }

    /// Notes what is wrong with a value at a pointer; the error says where within the value.
    pub fn refuse(&mut self, pointer: impl AsRef<str>, error: FieldError) {
        self.note(format!("{}{}", pointer.as_ref(), error.pointer), error.reason, error.detail);
    }

    /// The value, or `None` and a violation at the pointer.
    pub fn take<T>(&mut self, pointer: impl AsRef<str>, read: Result<T, FieldError>) -> Option<T> {
        read.map_err(|error| self.refuse(pointer, error)).ok()
    }

    /// Notes a member that does not exist, or not for the caller: the same bytes.
    pub fn unknown(&mut self, pointer: impl Into<String>) {
        self.note(pointer, Reason::UNKNOWN_FIELD, "no such field");
    }

    /// Adds a violation.
    pub fn push(&mut self, violation: Violation) {
        self.0.push(violation);
    }

    /// The violations so far.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.0.iter()
    }

    /// Whether one is about the value at a pointer, or about something inside it.
    pub fn concern(&self, pointer: &str) -> bool {
        let mut rests = self.0.iter().filter_map(|v| v.pointer.strip_prefix(pointer));
        rests.any(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// 422 with all violations.
    pub fn into_error(self) -> Error {
        Error::validation(self.0)
    }

    /// `Ok` when nothing is wrong, else 422 with all violations.
    pub fn into_result(self) -> error::Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::validation(self.0)) }
    }
}

impl Extend<Violation> for Violations {
    fn extend<I: IntoIterator<Item = Violation>>(&mut self, more: I) {
        self.0.extend(more);
    }
}

impl IntoIterator for Violations {
    type Item = Violation;
    type IntoIter = std::vec::IntoIter<Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Violations {
    type Item = &'a Violation;
    type IntoIter = std::slice::Iter<'a, Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Violations> for Vec<Violation> {
    fn from(violations: Violations) -> Self {
        violations.0
    }
}

/// The JSON pointer (RFC 6901) of a path: `custom.seats` -> `/custom/seats`.
pub fn pointer(path: &str) -> String {
    path.split('.').flat_map(|name| ["/".to_owned(), escaped(name)]).collect()
}

/// A member's name within a JSON pointer.
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_below_a_value_keeps_its_place() {
        let mut violations = Violations::default();
        let error = FieldError::new(Reason::CURRENCY_UNKNOWN, "no such currency").at("/currency");
        assert_eq!(violations.take("/budget", Err::<(), _>(error)), None);
        assert_eq!(violations.take("/seats", Ok(5)), Some(5));
        let found: Vec<_> = violations.iter().map(|v| (v.pointer.as_str(), v.reason.as_ref())).collect();
        assert_eq!(found, [("/budget/currency", "CURRENCY_UNKNOWN")]);
        assert_eq!(violations.into_result().unwrap_err().violations().len(), 1);
        assert!(Violations::default().into_result().is_ok());
    }

    #[test]
    fn a_violation_concerns_what_it_is_in_and_no_neighbour() {
        let mut violations = Violations::default();
        violations.unknown("/custom/tier_2/0");
        for (pointer, concerned) in
            [("/custom/tier_2/0", true), ("/custom/tier_2", true), ("/custom", true), ("/custom/tier", false)]
        {
            assert_eq!(violations.concern(pointer), concerned, "{pointer}");
        }
        assert!(!Violations::default().concern("/custom"));
    }

    #[test]
    fn a_path_is_a_pointer_whatever_its_names_hold() {
        assert_eq!(pointer("display_name"), "/display_name");
        assert_eq!(pointer("custom.a/b~c"), "/custom/a~1b~0c");
        assert_eq!(pointer("*"), "/*");
    }
}
