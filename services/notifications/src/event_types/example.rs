//! An example that a schema allows, made from the schema: the same at every call.

use serde_json::{Map, Value, json};

use super::schema::resolve;

/// Schemas inside one another; deeper ones refer to themselves.
const MAX_DEPTH: usize = 8;

const ID: &str = "0190a6b0-5c3f-7d2e-8f10-3c5a7b9d1e2f";
const MOMENT: &str = "2026-03-14T09:26:53Z";
const DATE: &str = "2026-03-14";

/// An example of a schema that has `$defs`.
pub(super) fn of(schema: &Value) -> Value {
    make(schema, schema, 0)
}

fn make(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.iter().find(|v| !v.is_null())) {
        return first.clone();
    }
    if let Some(referred) = schema["$ref"].as_str().and_then(|reference| resolve(reference, root)) {
        return make(referred, root, depth + 1);
    }
    if let Some(first) = schema["anyOf"].as_array().and_then(|schemas| schemas.first()) {
        return make(first, root, depth + 1);
    }
    match kind(schema) {
        Some("object") => {
            let no_members = Map::new();
            let members = schema["properties"].as_object().unwrap_or(&no_members).iter();
            // What a caller only sends is in no event.
            let shown = members.filter(|(_, member)| member["writeOnly"] != json!(true));
            Value::Object(shown.map(|(name, member)| (name.clone(), make(member, root, depth + 1))).collect())
        }
        Some("array") => match schema.get("items") {
            Some(items) => json!([make(items, root, depth + 1)]),
            None => json!([]),
        },
        Some("string") => json!(match schema["format"].as_str() {
            Some("uuid") => ID,
            Some("date-time") => MOMENT,
            Some("date") => DATE,
            _ => "text",
        }),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        _ => Value::Null,
    }
}

/// The type, of several the first that is not `null`.
fn kind(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ => None,
    }
}
