//! What a caller wants to write, before it is read: which fields, and whether the caller may.

use auth::{Access, FieldMask};
use error::{Code, Error, Reason, Violation};
use input::{Input, Mask, Violations};
use proto::Resource;

use super::definitions::FieldSet;
use super::{Fields, Object, custom};

/// Reads the fields of these names; every one of them is a field that callers write.
type Read<'a> = &'a (dyn Fn(&[&str]) -> Input + Send + Sync);

/// A body as it was sent.
pub(crate) struct Draft<'a> {
    /// The members named by the body or the update mask.
    mask: Mask,
    /// Paths of the update mask that name nothing.
    unknown: Violations,
    /// Custom values sent.
    pub(crate) custom: Fields,
    read: Read<'a>,
}

/// A body as it was read.
#[derive(Debug)]
pub struct Sent {
    /// Standard fields; `null` clears.
    pub fields: Fields,
    /// Custom values, not yet checked.
    pub custom: Fields,
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
    /// A body, of which an update mask says what is changed; without one, what is set. Inside `custom` every key sent is changed.
    pub(crate) fn new<R: Resource>(
        mask: Option<prost_types::FieldMask>,
        sent: &R,
        custom: &[u8],
        read: Read<'a>,
    ) -> Result<Self, Error> {
        let mut unknown = Violations::default();
        let mask = Mask::read(mask, sent, &mut unknown);
        let custom = if mask.has("custom") { custom::read(custom)? } else { Fields::new() };
        Ok(Self { mask, unknown, custom, read })
    }

    /// Reads what the caller may write. A hidden field is unknown (a violation); a readable one that may not be written is 403
    /// `FIELD_READ_ONLY`.
    pub(crate) fn open(&self, set: &FieldSet, mask: &FieldMask) -> Result<Sent, Error> {
        let mut violations = self.unknown.clone();
        let mut read_only: Vec<String> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        // What `custom` holds is judged key by key; an `etag` is a condition.
        for name in self.mask.names().iter().filter(|name| !["custom", "etag"].contains(name)) {
            match mask.access(name) {
                Access::None => violations.unknown(format!("/{name}")),
                Access::Read => read_only.push((*name).to_owned()),
                Access::Edit => names.push(name),
            }
        }
        let custom =
            self.custom.keys().filter(|key| set.usable(key).is_some()).map(|key| format!("custom.{key}"));
        read_only.extend(custom.filter(|name| mask.access(name) == Access::Read));
        if !read_only.is_empty() {
            let text = format!("you may read, but not change {}", read_only.join(", "));
            return Err(Error::new(Code::PermissionDenied, Reason::FIELD_READ_ONLY, text)
                .with_metadata("fields", read_only.join(",")));
        }
        let input = (self.read)(&names);
        let broken = broken(names.iter().copied(), &input.violations);
        violations.extend(input.violations);
        Ok(Sent { fields: input.fields, custom: self.custom.clone(), broken, violations })
    }
}

/// Those of the fields that violations are about: one with a wrong value is not a missing one.
pub(crate) fn broken<'n>(names: impl Iterator<Item = &'n str>, violations: &Violations) -> Vec<String> {
    let is_broken = |name: &str| {
        let rest = |v: &Violation| Some(v.pointer.strip_prefix('/')?.strip_prefix(name)?.to_owned());
        violations.iter().filter_map(rest).any(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    names.filter(|name| is_broken(name)).map(str::to_owned).collect()
}

impl Sent {
    /// What was read of a file's row; the fields are those that it may set.
    pub fn of_row(fields: Fields, custom: Fields, violations: Violations, object: &Object) -> Self {
        let broken = broken(object.writable().iter().copied(), &violations);
        Self { fields, custom, broken, violations }
    }
}
