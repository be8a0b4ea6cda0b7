//! Values by the names of fields.

use serde_json::{Map, Value};

/// Values by name. An unset value is absent: never `null`, never an empty list or object.
pub type Fields = Map<String, Value>;

/// Puts a value, or removes it when it is an unset one.
pub fn put(fields: &mut Fields, name: &str, value: Value) {
    if is_unset(&value) {
        fields.remove(name);
    } else {
        fields.insert(name.to_owned(), value);
    }
}

/// `null`, the empty list and the empty object.
pub fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}
