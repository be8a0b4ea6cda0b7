//! A change of a definition as it was sent, checked against the definition it changes.

use std::collections::BTreeSet;

use error::{Error, Reason, Violation};
use proto::fields::v1 as pb;

use super::convert;
use super::definition::{Definition, Object};
use super::rules::{self, Traits, Violations};

/// Members that only we set: sent back, they are ignored.
const OUTPUT_ONLY: [&str; 6] = ["id", "version", "object", "state", "created_at", "updated_at"];
/// Members that never change.
const IMMUTABLE: [&str; 5] = ["key", "type", "unique", "indexed", "lookup_object"];
/// Members that can change.
const MUTABLE: [&str; 5] = ["label", "required", "options", "default", "description"];

/// The members of a change, each once.
#[derive(Debug)]
pub(crate) struct Patch {
    sent: pb::Field,
    members: BTreeSet<String>,
}

impl Patch {
    /// Reads the members that change. Without a mask they are those that are set (AIP-134).
    ///
    /// Errors: 400 `UPDATE_MASK_INVALID` for a path that is no member.
    pub(crate) fn read(request: pb::UpdateFieldRequest) -> error::Result<Self> {
        let sent = request.field.unwrap_or_default();
        let members: BTreeSet<String> = match request.update_mask {
            Some(mask) => mask.paths.into_iter().collect(),
            None => set_members(&sent).map(str::to_owned).collect(),
        };
        let known =
            |name: &str| [&OUTPUT_ONLY[..], &IMMUTABLE, &MUTABLE].iter().any(|names| names.contains(&name));
        if members.iter().all(|name| known(name)) {
            return Ok(Self { sent, members });
        }
        Err(Error::malformed(
            Reason::UPDATE_MASK_INVALID,
            "update_mask names a member that a field does not have",
        ))
    }

    /// The definition after the change, or everything that is wrong with it.
    pub(crate) fn apply(&self, before: &Definition) -> error::Result<Definition> {
        let mut out = Violations::default();
        let mut after = before.clone();
        let has = |name: &str| self.members.contains(name);
        for name in IMMUTABLE.into_iter().filter(|name| has(name) && self.differs(name, before)) {
            out.note(format!("/{name}"), Reason::FIELD_IMMUTABLE, immutable_text(name));
        }
        if has("label") {
            after.label = rules::label("/label", &self.sent.label, &mut out);
        }
        if has("required") {
            after.required = self.sent.required;
        }
        if has("description") {
            after.description = rules::description(self.sent.description.as_deref(), &mut out);
        }
        if has("options") {
            after.options = rules::options(before.field_type, &self.sent.options, &mut out);
            self.check_no_option_is_gone(before, &mut out);
        }
        if has("default") {
            after.default = rules::default(before.field_type, &after.options, &self.sent.default, &mut out);
            let traits = Traits {
                field_type: before.field_type,
                unique: before.unique,
                indexed: before.slot.is_some(),
                default: after.default.as_ref(),
            };
            traits.check(&mut out);
        } else if has("options") {
            // An option that is the default cannot be retired under it.
            let kept = before.default.as_ref().map(ToString::to_string).unwrap_or_default();
            rules::default(before.field_type, &after.options, kept.as_bytes(), &mut out);
        }
        out.into_result(after)
    }

    fn differs(&self, name: &str, before: &Definition) -> bool {
        let sent = &self.sent;
        match name {
            "key" => sent.key != before.key,
            "type" => convert::type_from_wire(sent.r#type) != Some(before.field_type),
            "unique" => sent.unique != before.unique,
            "indexed" => sent.indexed != before.slot.is_some(),
            _ => {
                sent.lookup_object.as_deref().unwrap_or_default()
                    != before.lookup_object.map_or("", Object::as_str)
            }
        }
    }

    fn check_no_option_is_gone(&self, before: &Definition, out: &mut Violations) {
        let sent: BTreeSet<&str> = self.sent.options.iter().map(|option| option.key.as_str()).collect();
        for option in before.options.iter().filter(|option| !sent.contains(option.key.as_str())) {
            let text = format!(
                "option {} may be used in records and cannot be removed; retire it instead",
                option.key
            );
            out.push(Violation::new("/options", Reason::OPTION_IN_USE, text));
        }
    }
}

fn immutable_text(name: &str) -> &'static str {
    match name {
        "indexed" => "whether a field is indexed is decided when it is created",
        "unique" => "whether a field is unique is decided when it is created",
        _ => "this cannot be changed",
    }
}

/// The members that hold something else than nothing.
fn set_members(sent: &pb::Field) -> impl Iterator<Item = &'static str> {
    [
        ("key", !sent.key.is_empty()),
        ("label", !sent.label.is_empty()),
        ("type", sent.r#type != 0),
        ("required", sent.required),
        ("unique", sent.unique),
        ("indexed", sent.indexed),
        ("options", !sent.options.is_empty()),
        ("default", !sent.default.is_empty()),
        ("description", sent.description.is_some()),
        ("lookup_object", sent.lookup_object.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_set)| is_set.then_some(name))
}

#[cfg(test)]
mod tests;
