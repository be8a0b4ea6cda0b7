//! The rules of a definition. Each function notes every violation, with a JSON pointer into the field that was sent.

use std::collections::HashSet;

use error::Reason;
use field_types::{FieldOption, FieldRules, FieldType, text};
use input::{Violations, required_line};
use proto::fields::v1 as pb;
use serde_json::Value;

use super::definition::Object;
use super::limits::OPTIONS;

/// Longest label of a field or an option, in characters.
const LABEL_CHARS: usize = 100;
/// Longest description, in characters.
const DESCRIPTION_CHARS: usize = 1_000;
/// Longest default, in bytes of canonical JSON: all defaults of an object travel together.
const DEFAULT_BYTES: usize = 2_048;

/// A field's key: well formed, and not the name of a standard field.
pub(crate) fn key(object: Object, key: &str, out: &mut Violations) {
    if let Err(error) = field_types::key::check(key) {
        out.refuse("/key", error);
    } else if object.standard_fields().contains(&key) {
        out.note("/key", Reason::FIELD_KEY_RESERVED, "this is the name of a standard field");
    }
}

/// The label of a field or an option.
pub(crate) fn label(pointer: &str, given: &str, out: &mut Violations) -> String {
    out.take(pointer, required_line(given, LABEL_CHARS)).unwrap_or_default()
}

/// A description, cleaned; empty is none.
pub(crate) fn description(given: Option<&str>, out: &mut Violations) -> Option<String> {
    out.take("/description", text::clean(given?, DESCRIPTION_CHARS)).flatten()
}

/// The options of a field: picklists have 1 to 500 with distinct keys, other types none.
pub(crate) fn options(
    field_type: FieldType,
    given: &[pb::FieldOption],
    out: &mut Violations,
) -> Vec<FieldOption> {
    if !field_type.has_options() {
        if !given.is_empty() {
            out.note("/options", Reason::OPTIONS_NOT_SUPPORTED, "only picklists have options");
        }
        return Vec::new();
    }
    if given.is_empty() {
        out.note("/options", Reason::OPTIONS_REQUIRED, "a picklist needs at least one option");
    }
    if given.len() > OPTIONS {
        out.note("/options", Reason::TOO_MANY_ITEMS, "a field has at most 500 options");
        return Vec::new();
    }
    let mut keys = HashSet::new();
    given
        .iter()
        .enumerate()
        .map(|(index, option)| {
            let pointer = format!("/options/{index}/key");
            if let Err(error) = field_types::key::check(&option.key) {
                out.refuse(&pointer, error);
            } else if !keys.insert(option.key.as_str()) {
                out.note(pointer, Reason::REPEATED, "is repeated: another option has this key");
            }
            FieldOption {
                key: option.key.clone(),
                label: label(&format!("/options/{index}/label"), &option.label, out),
                retired: option.retired,
            }
        })
        .collect()
}

/// A default: JSON, valid for the type; `null`, nothing and what counts as unset are none.
pub(crate) fn default(
    field_type: FieldType,
    options: &[FieldOption],
    given: &[u8],
    out: &mut Violations,
) -> Option<Value> {
    if given.is_empty() {
        return None;
    }
    let Ok(given) = serde_json::from_slice::<Value>(given) else {
        out.note("/default", Reason::JSON_MALFORMED, "not a JSON value");
        return None;
    };
    match field_types::parse(field_type, &given, &FieldRules { options, ..FieldRules::default() }) {
        Ok(parsed) => parsed.map(field_types::Canonical::into_json),
        Err(errors) => {
            for error in errors {
                out.refuse("/default", error);
            }
            None
        }
    }
}

/// The rules between a type and the rest of a definition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits<'a> {
    pub(crate) field_type: FieldType,
    pub(crate) unique: bool,
    pub(crate) indexed: bool,
    pub(crate) default: Option<&'a Value>,
}

impl Traits<'_> {
    pub(crate) fn check(self, out: &mut Violations) {
        if self.indexed && self.field_type.slot_kind().is_none() {
            out.note("/indexed", Reason::FIELD_NOT_INDEXABLE, "fields of this type cannot be indexed");
        }
        if self.unique && !can_be_unique(self.field_type) {
            out.note(
                "/unique",
                Reason::FIELD_NOT_UNIQUABLE,
                "values of fields of this type cannot be unique",
            );
        }
        let Some(default) = self.default else { return };
        if self.unique {
            out.note(
                "/default",
                Reason::DEFAULT_NOT_SUPPORTED,
                "a unique field cannot give every record the same value",
            );
        }
        // Whether the record exists and may be seen is known to its owner only.
        if self.field_type == FieldType::Lookup {
            out.note("/default", Reason::DEFAULT_NOT_SUPPORTED, "a lookup has no default");
        }
        if default.to_string().len() > DEFAULT_BYTES {
            out.note("/default", Reason::TOO_LONG, "a default has at most 2048 bytes of JSON");
        }
    }
}

/// Types whose values name something: text to people, numbers of other systems, addresses. Amounts, days and choices
/// repeat by nature.
fn can_be_unique(field_type: FieldType) -> bool {
    matches!(
        field_type,
        FieldType::Text | FieldType::Integer | FieldType::Email | FieldType::Phone | FieldType::Url
    )
}
