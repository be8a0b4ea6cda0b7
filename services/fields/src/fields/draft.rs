//! A new definition as it was sent, checked.

use error::Reason;
use field_types::{FieldOption, FieldType};
use input::Violations;
use proto::fields::v1 as pb;
use serde_json::Value;

use super::convert;
use super::definition::Object;
use super::rules::{self, Traits};

/// What a caller decides about a new field.
#[derive(Debug, PartialEq)]
pub(crate) struct Draft {
    pub(crate) key: String,
    pub(crate) label: String,
    pub(crate) field_type: FieldType,
    pub(crate) required: bool,
    pub(crate) unique: bool,
    pub(crate) indexed: bool,
    pub(crate) options: Vec<FieldOption>,
    pub(crate) default: Option<Value>,
    pub(crate) description: Option<String>,
    pub(crate) lookup_object: Option<Object>,
}

impl Draft {
    /// Reads a new field of `object`, or says everything that is wrong with it. Members that only we set are ignored.
    pub(crate) fn read(object: Object, sent: &pb::Field) -> error::Result<Self> {
        let mut out = Violations::default();
        rules::key(object, &sent.key, &mut out);
        let label = rules::label("/label", &sent.label, &mut out);
        let description = rules::description(sent.description.as_deref(), &mut out);
        let Some(field_type) = convert::type_from_wire(sent.r#type) else {
            out.note("/type", Reason::REQUIRED, "one of the field types is required");
            // Nothing else means anything without a type.
            return Err(error::Error::validation(out.into()));
        };
        let options = rules::options(field_type, &sent.options, &mut out);
        let default = rules::default(field_type, &options, &sent.default, &mut out);
        let traits =
            Traits { field_type, unique: sent.unique, indexed: sent.indexed, default: default.as_ref() };
        traits.check(&mut out);
        let lookup_object = lookup_object(object, field_type, sent.lookup_object.as_deref(), &mut out);
        out.into_result()?;
        Ok(Self {
            key: sent.key.clone(),
            label,
            field_type,
            required: sent.required,
            unique: sent.unique,
            indexed: sent.indexed,
            options,
            default,
            description,
            lookup_object,
        })
    }
}

fn lookup_object(
    object: Object,
    field_type: FieldType,
    sent: Option<&str>,
    out: &mut Violations,
) -> Option<Object> {
    let sent = sent.filter(|name| !name.is_empty());
    let names = || object.targets().map(Object::as_str).collect::<Vec<_>>().join(" or ");
    match (field_type == FieldType::Lookup, sent) {
        (true, Some(name)) => {
            let target = object.targets().find(|target| target.as_str() == name);
            if target.is_none() {
                let text = format!("a lookup of a {} points to {}", object.as_str(), names());
                out.note("/lookup_object", Reason::UNKNOWN_OBJECT, text);
            }
            target
        }
        (true, None) => {
            let text = format!("a lookup needs the object it points to: {}", names());
            out.note("/lookup_object", Reason::REQUIRED, text);
            None
        }
        (false, Some(_)) => {
            out.note(
                "/lookup_object",
                Reason::LOOKUP_OBJECT_NOT_SUPPORTED,
                "only a lookup points to an object",
            );
            None
        }
        (false, None) => None,
    }
}

#[cfg(test)]
mod tests;
