//! The JSON Schema of an event as it is delivered.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Where the published document has its schemas, and where a schema of an event has those that it needs.
const IN_DOCUMENT: &str = "#/components/schemas/";
const IN_SCHEMA: &str = "#/$defs/";

/// The schema of events of a type. `schemas` are those of the published document.
pub(super) fn of_event(of: &proto::EventType, schemas: &Map<String, Value>) -> Value {
    let object = of.object();
    let mut defs = Map::new();
    // A message declares events of what it stands for, and some of what has no message.
    let data = if of.message == camel_case(object) && schemas.contains_key(&of.message) {
        define(&of.message, schemas, &mut defs);
        json!({"$ref": format!("{IN_SCHEMA}{}", of.message)})
    } else {
        json!({"type": "object"})
    };
    let id = json!({"type": "string", "format": "uuid"});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": of.kind,
        "description": of.description,
        "type": "object",
        "required": ["id", "type", "timestamp", "sequence", "tenant_id", "subject"],
        "properties": {
            "id": {"type": "string"},
            "type": {"const": of.kind},
            "timestamp": {"type": "string", "format": "date-time"},
            "sequence": {"type": "integer", "minimum": 1,
                         "description": "The number of the event in the journal of the organization."},
            "tenant_id": id,
            "subject": {
                "type": "object",
                "required": ["object", "id", "version"],
                "properties": {
                    "object": {"const": object},
                    "id": id,
                    "version": {"type": "integer", "minimum": 0},
                },
            },
            "data": data,
        },
        "$defs": defs,
    })
}

/// Puts a schema and all that it refers to into `defs`.
fn define(name: &str, schemas: &Map<String, Value>, defs: &mut Map<String, Value>) {
    let mut wanted = BTreeSet::from([name.to_owned()]);
    while let Some(name) = wanted.pop_first() {
        let Some(schema) = schemas.get(&name).filter(|_| !defs.contains_key(&name)) else { continue };
        let mut schema = schema.clone();
        refer(&mut schema, &mut wanted);
        defs.insert(name, schema);
    }
}

/// Turns references into the document into references into `$defs`, and notes what they name.
fn refer(schema: &mut Value, wanted: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && let Some(name) = reference.strip_prefix(IN_DOCUMENT)
            {
                wanted.insert(name.to_owned());
                *reference = format!("{IN_SCHEMA}{name}");
            }
            members.values_mut().for_each(|member| refer(member, wanted));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, wanted)),
        _ => {}
    }
}

/// `api_key` is `ApiKey`.
fn camel_case(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('_').map(capital).collect()
}

/// What `$defs` has under the name of a reference.
pub(super) fn resolve<'a>(reference: &str, root: &'a Value) -> Option<&'a Value> {
    root["$defs"].get(reference.strip_prefix(IN_SCHEMA)?)
}
