//! What a caller wants to write, before it is read: which fields, and whether the caller may.

use auth::{Access, FieldMask};
use error::{Code, Error, Reason, Violation};
use input::{Input, Mask, Part, Violations};
use proto::Resource;
use serde_json::Value;

use super::definitions::FieldSet;
use super::fields::is_unset;
use super::{Fields, Object, custom};

/// Reads the fields of these names; every one of them is a field that callers write.
type Read<'a> = &'a (dyn Fn(&[&str], &Mask) -> Input + Send + Sync);

/// A body as it was sent.
pub(crate) struct Draft<'a> {
    /// The members named by the body or the update mask.
    mask: Mask,
    /// Paths of the update mask that name nothing.
    unknown: Violations,
    /// Custom values sent; `null` removes.
    pub(crate) custom: Fields,
    /// All custom values that the caller may write are removed.
    clears_custom: bool,
    /// What the call itself says, beside the body.
    inputs: Fields,
    read: Read<'a>,
}

/// A body as it was read.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Standard fields; `null` clears.
    pub fields: Fields,
    /// Standard fields that are objects, to be merged into what is there (RFC 7396).
    pub merges: Fields,
    /// Custom values, not yet checked.
    pub custom: Fields,
    /// All custom values that the caller may write are removed.
    pub clears_custom: bool,
    /// Fields that were sent and that the caller may not write: they must be as they are.
    pub read_only: Vec<String>,
    /// Fields that were sent and not valid.
    pub broken: Vec<String>,
    /// What is wrong with what was sent.
    pub violations: Violations,
}

/// What was sent is people's data and stays out of logs.
impl std::fmt::Debug for Draft<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").field("mask", &self.mask).finish_non_exhaustive()
    }
}

impl<'a> Draft<'a> {
    /// A body, of which an update mask says what is changed; without one, what is set. See the README of `input`.
    pub(crate) fn new<R: Resource>(
        mask: Option<prost_types::FieldMask>,
        sent: &R,
        custom: &[u8],
        read: Read<'a>,
    ) -> Result<Self, Error> {
        let mut unknown = Violations::default();
        let mask = Mask::read(mask, sent, &mut unknown);
        let is_sent = mask.has("custom");
        let mut values = if is_sent { custom::read(custom)? } else { Fields::new() };
        let mut clears_custom = false;
        match mask.part("custom") {
            Part::Named(keys) => {
                let named = keys.iter().map(|key| (key.clone(), values.remove(key).unwrap_or_default()));
                values = named.collect();
            }
            Part::Whole => clears_custom = is_sent && custom.is_empty(),
            Part::Set => {}
        }
        Ok(Self { mask, unknown, custom: values, clears_custom, inputs: Fields::new(), read })
    }

    /// With what the call itself says: values of fields that are inputs.
    pub(crate) fn with(self, inputs: Fields) -> Self {
        Self { inputs, ..self }
    }

    /// Whether what was sent for a field says that it has no value.
    fn is_unset(&self, name: &str) -> bool {
        let Input { fields, merges, violations } = (self.read)(&[name], &self.mask);
        let is_unset = |value: &Value| is_unset(value) || *value == Value::Bool(false);
        violations.is_empty() && fields.values().chain(merges.values()).all(is_unset)
    }

    /// Reads what the caller may see. A hidden field with a value is unknown (a violation). A readable one that may not be written is noted, and must
    /// turn out to be as it is, or it is 403 `FIELD_READ_ONLY`.
    pub(crate) fn open(&self, set: &FieldSet, mask: &FieldMask) -> Sent {
        let mut violations = self.unknown.clone();
        let mut read_only: Vec<String> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        // What `custom` holds is judged key by key; an `etag` is a condition.
        for name in self.mask.names().iter().filter(|name| !["custom", "etag"].contains(name)) {
            match mask.access(name) {
                // A record that was read has it without a value, and may be sent back.
                Access::None if self.is_unset(name) => {}
                Access::None => violations.unknown(format!("/{name}")),
                Access::Read => {
                    read_only.push((*name).to_owned());
                    names.push(name);
                }
                Access::Edit => names.push(name),
            }
        }
        let custom =
            self.custom.keys().filter(|key| set.usable(key).is_some()).map(|key| format!("custom.{key}"));
        read_only.extend(custom.filter(|name| mask.access(name) == Access::Read));
        let Input { mut fields, merges, violations: found } = (self.read)(&names, &self.mask);
        fields.extend(self.inputs.clone());
        let broken = broken(names.iter().copied(), &found);
        violations.extend(found);
        let (custom, clears_custom) = (self.custom.clone(), self.clears_custom);
        Sent { fields, merges, custom, clears_custom, read_only, broken, violations }
    }
}

/// 403 that names the fields.
pub fn read_only(fields: &[&str]) -> Error {
    let text = format!("you may read, but not change {}", fields.join(", "));
    Error::new(Code::PermissionDenied, Reason::FIELD_READ_ONLY, text)
        .with_metadata("fields", fields.join(","))
}

/// Those of the fields that violations are about: one with a wrong value is not a missing one. In a row of a file a part of an entry is
/// named before it is known which of the entries it will be in: `/phones[0]/number`.
pub(crate) fn broken<'n>(names: impl Iterator<Item = &'n str>, violations: &Violations) -> Vec<String> {
    let is_broken = |name: &str| {
        let rest = |v: &Violation| Some(v.pointer.strip_prefix('/')?.strip_prefix(name)?.to_owned());
        violations.iter().filter_map(rest).any(|rest| rest.is_empty() || rest.starts_with(['/', '[']))
    };
    names.filter(|name| is_broken(name)).map(str::to_owned).collect()
}

impl Sent {
    /// Whether nothing was sent that is a change.
    pub fn is_empty(&self) -> bool {
        let Self { fields, merges, custom, clears_custom, .. } = self;
        fields.is_empty() && merges.is_empty() && custom.is_empty() && !clears_custom
    }

    /// What was read of a file's row; the fields are those that it may set.
    pub fn of_row(fields: Fields, custom: Fields, violations: Violations, object: &Object) -> Self {
        let broken = broken(object.writable().iter().copied(), &violations);
        Self { fields, custom, broken, violations, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_broken_by_its_value_its_entries_and_their_parts() {
        let broken_by = |pointer: &str| {
            let mut violations = Violations::default();
            violations.note(pointer.to_owned(), Reason::TYPE_MISMATCH, "wrong");
            broken(["phone", "phones", "tags"].into_iter(), &violations)
        };
        for pointer in ["/phones", "/phones/0", "/phones/0/number", "/phones[0]", "/phones[1001]/number"] {
            assert_eq!(broken_by(pointer), ["phones"], "{pointer}");
        }
        for pointer in ["", "/", "/other", "/phoneses", "/custom/phones"] {
            assert!(broken_by(pointer).is_empty(), "{pointer}");
        }
    }
}
