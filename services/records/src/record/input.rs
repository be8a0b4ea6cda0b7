//! Reading what a caller sent: every violation is collected, with its place in the caller's body.

use std::collections::BTreeMap;

use error::{Reason, Violation};
use field_types::{FieldError, text};
use serde_json::Value;
use uuid::Uuid;

use super::Fields;
use super::row::put;

/// Values read so far, and what is wrong with the others. An explicit `null` is kept: it clears.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub(crate) fields: Fields,
    pub(crate) violations: Vec<Violation>,
}

impl Input {
    /// Takes a value that is known to be good; `null` clears.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Notes a violation of a value at a pointer.
    pub(crate) fn refuse(&mut self, pointer: impl AsRef<str>, error: FieldError) {
        self.violations.push(violation(pointer, error));
    }

    /// One line of text.
    pub(crate) fn line(&mut self, name: &str, sent: Option<&str>, max_chars: usize) {
        let value = optional(sent, |sent| line(sent, max_chars));
        self.take(name, value);
    }

    /// Many lines of text.
    pub(crate) fn lines(&mut self, name: &str, sent: Option<&str>, max_chars: usize) {
        let value = optional(sent, |sent| text::clean(sent, max_chars));
        self.take(name, value);
    }

    /// An id. Whether it names something is decided later.
    pub(crate) fn id(&mut self, name: &str, sent: Option<&str>) {
        let value = optional(sent, |sent| match Uuid::try_parse(sent) {
            Ok(id) if sent.len() == 36 => Ok(Some(id.to_string())),
            _ => Err(FieldError::new(Reason::UUID_INVALID, "an id (UUID) is expected")),
        });
        self.take(name, value);
    }

    /// Text checked by `read`.
    pub(crate) fn checked(
        &mut self,
        name: &str,
        sent: Option<&str>,
        read: impl Fn(&str) -> Result<String, FieldError>,
    ) {
        let value = optional(sent, |sent| {
            let trimmed = sent.trim();
            if trimmed.is_empty() { Ok(None) } else { read(trimmed).map(Some) }
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
    pub(crate) fn tags(&mut self, sent: &[String]) {
        self.texts("tags", sent, |tag| line(tag, 60));
    }

    /// A list of texts, none empty, each once.
    pub(crate) fn texts(
        &mut self,
        name: &str,
        sent: &[String],
        read: impl Fn(&str) -> Result<Option<String>, FieldError>,
    ) {
        let mut kept: Vec<String> = Vec::with_capacity(sent.len());
        for (index, text) in sent.iter().enumerate() {
            let value = read(text).and_then(|value| {
                let value = value.ok_or_else(|| FieldError::new(Reason::REQUIRED, "must not be empty"))?;
                if kept.contains(&value) {
                    return Err(FieldError::new(Reason::REPEATED, "is repeated"));
                }
                Ok(value)
            });
            match value {
                Ok(value) => kept.push(value),
                Err(error) => self.refuse(format!("/{name}/{index}"), error),
            }
        }
        self.set(name, kept);
    }

    /// Ids in other systems.
    pub(crate) fn external_ids(&mut self, sent: &BTreeMap<String, String>) {
        let mut kept = Fields::new();
        for (system, id) in sent {
            let empty = || FieldError::new(Reason::REQUIRED, "must not be empty");
            let read = line(system, 60)
                .and_then(|system| system.ok_or_else(empty))
                .and_then(|system| Ok((system, line(id, 200)?.ok_or_else(empty)?)));
            match read {
                Ok((system, id)) => put(&mut kept, &system, id.into()),
                Err(error) => self.refuse(format!("/external_ids/{}", escaped(system)), error),
            }
        }
        self.set("external_ids", kept);
    }
}

/// One line of text, cleaned; `None` when nothing is left.
pub(crate) fn line(sent: &str, max_chars: usize) -> Result<Option<String>, FieldError> {
    let cleaned = text::clean(sent, max_chars)?;
    match cleaned {
        Some(text) if text.contains(['\n', '\t']) => {
            Err(FieldError::new(Reason::TEXT_CONTROL_CHARACTER, "one line of text is expected"))
        }
        cleaned => Ok(cleaned),
    }
}

/// A violation at a pointer.
pub(crate) fn violation(pointer: impl AsRef<str>, error: FieldError) -> Violation {
    Violation::new(format!("{}{}", pointer.as_ref(), error.pointer), error.reason, error.detail)
}

/// A member's name within a JSON pointer (RFC 6901).
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
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
