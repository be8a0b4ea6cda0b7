//! The standard fields of a record as they were sent.

use std::collections::BTreeMap;

use error::Reason;
use field_types::{FieldError, text};
use serde_json::{Map, Value};

use crate::{Violations, escaped, line, required_line, value};

/// Values read so far, and what is wrong with the others. An explicit `null` is kept: it clears.
#[derive(Debug, Default)]
pub struct Input {
    /// Values by name; `null` clears.
    pub fields: Map<String, Value>,
    /// Objects by name, of which the members are merged into those that are there (RFC 7396); `null` removes one.
    pub merges: Map<String, Value>,
    /// What is wrong with the others.
    pub violations: Violations,
}

impl Input {
    /// Takes a value that is known to be good; `null` clears.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Notes what is wrong with a value at a pointer.
    pub fn refuse(&mut self, pointer: impl AsRef<str>, error: FieldError) {
        self.violations.refuse(pointer, error);
    }

    /// One line of text.
    pub fn line(&mut self, name: &str, sent: Option<&str>, max_chars: usize) {
        let value = optional(sent, |sent| line(sent, max_chars));
        self.take(name, value);
    }

    /// Many lines of text.
    pub fn lines(&mut self, name: &str, sent: Option<&str>, max_chars: usize) {
        let value = optional(sent, |sent| text::clean(sent, max_chars));
        self.take(name, value);
    }

    /// An id. Whether it names something is decided later.
    pub fn id(&mut self, name: &str, sent: Option<&str>) {
        let value = optional(sent, |sent| value::id(sent).map(|id| Some(id.to_string())));
        self.take(name, value);
    }

    /// Text checked by `read`.
    pub fn checked(
        &mut self,
        name: &str,
        sent: Option<&str>,
        read: impl Fn(&str) -> Result<String, FieldError>,
    ) {
        let value = optional(sent, |sent| {
            let bare = text::bare(sent);
            if bare.is_empty() { Ok(None) } else { read(bare).map(Some) }
        });
        self.take(name, value);
    }

    fn take(&mut self, name: &str, value: Result<Option<String>, FieldError>) {
        match value {
            Ok(value) => self.set(name, value),
            Err(error) => self.refuse(format!("/{name}"), error),
        }
    }

    /// Tags: cleaned, each once.
    pub fn tags(&mut self, sent: &[String]) {
        self.texts("tags", sent, |tag| line(tag, 60));
    }

    /// A list of texts, none empty, each once.
    pub fn texts(
        &mut self,
        name: &str,
        sent: &[String],
        read: impl Fn(&str) -> Result<Option<String>, FieldError>,
    ) {
        let mut kept: Vec<String> = Vec::with_capacity(sent.len());
        for (index, text) in sent.iter().enumerate() {
            let value = read(text).and_then(|value| value::once(&mut kept, value.ok_or_else(value::empty)?));
            self.violations.take(format!("/{name}/{index}"), value);
        }
        self.set(name, kept);
    }

    /// Ids in other systems.
    pub fn external_ids(&mut self, sent: &BTreeMap<String, String>) {
        let kept = self.read_ids(sent.iter().map(|(system, id)| (system, Some(id))));
        self.set("external_ids", kept);
    }

    /// Ids in some other systems; without one, that of the system is removed.
    pub fn merge_external_ids<'s>(&mut self, sent: impl Iterator<Item = (&'s String, Option<&'s String>)>) {
        let patch = self.read_ids(sent);
        self.merges.insert("external_ids".to_owned(), Value::Object(patch));
    }

    fn read_ids<'s>(
        &mut self,
        sent: impl Iterator<Item = (&'s String, Option<&'s String>)>,
    ) -> Map<String, Value> {
        let mut kept = Map::new();
        for (system, id) in sent {
            let read = required_line(system, 60).and_then(|system| {
                let id = id.map(|id| required_line(id, 200)).transpose()?;
                if kept.contains_key(&system) {
                    return Err(FieldError::new(Reason::REPEATED, "is repeated"));
                }
                Ok((system, id.into()))
            });
            kept.extend(self.violations.take(format!("/external_ids/{}", escaped(system)), read));
        }
        kept
    }
}

fn optional(
    sent: Option<&str>,
    read: impl Fn(&str) -> Result<Option<String>, FieldError>,
) -> Result<Option<String>, FieldError> {
    sent.map_or(Ok(None), read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_is_kept_with_its_place() {
        let mut input = Input::default();
        input.line("first_name", Some("a\nb"), 100);
        input.line("last_name", Some(&"x".repeat(101)), 100);
        input.id("owner_id", Some("{01890a5d-ac96-774b-bcce-b302099a8057}"));
        input.tags(&["vip".to_owned(), " vip ".to_owned(), String::new()]);
        let found: Vec<(&str, &str)> =
            input.violations.iter().map(|v| (v.pointer.as_str(), v.reason.as_ref())).collect();
        assert_eq!(
            found,
            [
                ("/first_name", "TEXT_CONTROL_CHARACTER"),
                ("/last_name", "TOO_LONG"),
                ("/owner_id", "UUID_INVALID"),
                ("/tags/1", "REPEATED"),
                ("/tags/2", "REQUIRED"),
            ]
        );
    }

    #[test]
    fn blank_text_clears() {
        let mut input = Input::default();
        input.line("job_title", Some("  "), 100);
        assert_eq!(input.fields["job_title"], Value::Null);
    }
}
