//! What a caller wants to write, before it is read: which fields, and whether the caller may.

use auth::{Access, FieldMask};
use error::{Code, Error, Reason, Violation};

use super::custom::unknown;
use super::definitions::FieldSet;
use super::input::Input;
use super::{Fields, Object};

/// A body as it was sent.
pub(crate) struct Draft<'a> {
    /// The standard fields named by the body or the update mask.
    pub(crate) names: Vec<&'a str>,
    /// Custom values sent.
    pub(crate) custom: Fields,
    /// Reads the fields of these names; every one of them is a field that callers write.
    pub(crate) read: &'a (dyn Fn(&[&str]) -> Input + Send + Sync),
}

/// A body as it was read.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Standard fields; `null` clears.
    pub(crate) fields: Fields,
    /// Custom values, not yet checked.
    pub(crate) custom: Fields,
    /// Fields that were sent and not valid.
    pub(crate) broken: Vec<String>,
    pub(crate) violations: Vec<Violation>,
}

impl Draft<'_> {
    /// Reads what the caller may write. Output-only fields are ignored; a hidden one is unknown (a violation); a readable
    /// one that may not be written is 403 `FIELD_READ_ONLY`.
    pub(crate) fn open(&self, object: &Object, set: &FieldSet, mask: &FieldMask) -> Result<Sent, Error> {
        let mut violations = Vec::new();
        let mut read_only: Vec<String> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for name in self.names.iter().copied() {
            match mask.access(name) {
                _ if object.is_output(name) || name == "etag" => {}
                Access::None => violations.push(unknown(name)),
                _ if !object.writable.contains(&name) => violations.push(unknown(name)),
                Access::Read => read_only.push(name.to_owned()),
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
        let is_broken = |name: &str| {
            let rest = |v: &Violation| Some(v.pointer.strip_prefix('/')?.strip_prefix(name)?.to_owned());
            input.violations.iter().filter_map(rest).any(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let broken = names.iter().filter(|name| is_broken(name)).map(|name| (*name).to_owned()).collect();
        violations.extend(input.violations);
        Ok(Sent { fields: input.fields, custom: self.custom.clone(), broken, violations })
    }
}

/// The standard fields that an update mask names, and whether it names custom values. `custom.<key>` counts as `custom`,
/// as inside `custom` every key sent is changed.
pub(crate) fn masked(paths: &[String]) -> (Vec<&str>, bool) {
    let is_custom = |path: &str| path == "custom" || path.starts_with("custom.");
    let mut names: Vec<&str> = paths.iter().map(String::as_str).filter(|path| !is_custom(path)).collect();
    names.sort_unstable();
    names.dedup();
    (names, paths.iter().any(|path| is_custom(path)))
}
