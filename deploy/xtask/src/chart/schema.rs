//! `values.schema.json`: a name that no template reads is refused, as a typing error must not become a default.

use serde_json::{Map, Value, json};

use super::nodes::{Kind, Node};

/// The schema of all values.
pub(super) fn of(values: &[Node]) -> Value {
    let mut schema = object(values);
    if let Some(members) = schema.as_object_mut() {
        members.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
        members.insert("title".to_owned(), json!("Values of the chart globcrm"));
    }
    schema
}

fn object(children: &[Node]) -> Value {
    let properties: Map<String, Value> =
        children.iter().map(|node| (node.name.clone(), described(node))).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn described(node: &Node) -> Value {
    let mut schema = match &node.kind {
        Kind::Group(children) => object(children),
        Kind::Leaf { schema, .. } => schema.clone(),
    };
    if let Some(members) = schema.as_object_mut() {
        members.insert("description".to_owned(), json!(node.doc));
    }
    schema
}

/// Any text.
pub(super) fn text() -> Value {
    json!({"type": "string"})
}

/// A text of this form.
pub(super) fn matching(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

/// One of these words.
pub(super) fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// True or false.
pub(super) fn boolean() -> Value {
    json!({"type": "boolean"})
}

/// A whole number.
pub(super) fn integer(least: u64, most: u64) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

/// Texts by name, such as annotations.
pub(super) fn texts() -> Value {
    json!({"type": "object", "additionalProperties": {"type": "string"}})
}

/// A list of such.
pub(super) fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

/// An object of the Kubernetes API: the API server knows better what is in it.
pub(super) fn foreign() -> Value {
    json!({"type": "object"})
}

/// The name of an object, or nothing.
pub(super) fn name_or_none() -> Value {
    matching("^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$")
}

/// An amount, like `250m`, `1.5` or `64Mi`.
pub(super) fn quantity() -> Value {
    let text = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$";
    json!({"anyOf": [{"type": "string", "pattern": text}, {"type": "number", "exclusiveMinimum": 0}]})
}

/// What a setting of this kind takes.
pub(super) fn setting(kind: &str) -> Value {
    match kind {
        "number" => json!({"type": "integer", "minimum": 0}),
        "bool" => boolean(),
        "seconds" => json!({"type": "number", "minimum": 0, "maximum": 31_622_400}),
        _ => json!({"type": "string", "minLength": 1}),
    }
}
