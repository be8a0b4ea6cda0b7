//! A change of a definition as it was sent, checked against the definition it changes.

use std::collections::BTreeSet;

use error::Reason;
use input::{Mask, Violations};
use proto::fields::v1 as pb;

use super::convert;
use super::definition::{Definition, Object};
use super::rules::{self, Traits};

/// Members that never change; sent back as they are, they are ignored (AIP-203).
const IMMUTABLE: [&str; 5] = ["key", "type", "unique", "indexed", "lookup_object"];

/// The members of a change.
#[derive(Debug)]
pub(crate) struct Patch {
    sent: pb::Field,
    mask: Mask,
    /// Paths of the mask that name nothing.
    unknown: Violations,
}

impl Patch {
    /// Reads the members that change.
    pub(crate) fn read(request: pb::UpdateFieldRequest) -> Self {
        let sent = request.field.unwrap_or_default();
        let mut unknown = Violations::default();
        let mask = Mask::read(request.update_mask, &sent, &mut unknown);
        Self { sent, mask, unknown }
    }

    /// The definition after the change, or everything that is wrong with it.
    pub(crate) fn apply(&self, before: &Definition) -> error::Result<Definition> {
        let mut out = self.unknown.clone();
        let mut after = before.clone();
        let has = |name: &str| self.mask.has(name);
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
            let sent = merged(before.default.as_ref(), &self.sent.default);
            after.default = rules::default(before.field_type, &after.options, &sent, &mut out);
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
        out.into_result()?;
        Ok(after)
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
            out.note("/options", Reason::OPTION_IN_USE, text);
        }
    }
}

/// A default that is an object is merged into the one that is there (RFC 7396); one of which nothing is left is removed.
fn merged(before: Option<&serde_json::Value>, sent: &[u8]) -> Vec<u8> {
    match serde_json::from_slice::<serde_json::Value>(sent) {
        Ok(patch @ serde_json::Value::Object(_)) => {
            let mut value = before.cloned().unwrap_or_default();
            input::merge(&mut value, patch);
            let is_empty = value.as_object().is_some_and(serde_json::Map::is_empty);
            if is_empty { Vec::new() } else { value.to_string().into_bytes() }
        }
        _ => sent.to_vec(),
    }
}

fn immutable_text(name: &str) -> &'static str {
    match name {
        "indexed" => "whether a field is indexed is decided when it is created",
        "unique" => "whether a field is unique is decided when it is created",
        _ => "this cannot be changed",
    }
}

#[cfg(test)]
mod tests;
