use std::collections::BTreeSet;

use super::*;

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn every_type_that_is_declared_is_listed_once_with_its_own_schema_and_an_example() {
    let listed = Catalogue::new().unwrap().list().event_types;
    let names: Vec<&str> = listed.iter().map(|of| of.r#type.as_str()).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names, distinct.into_iter().collect::<Vec<_>>(), "in order, and each once");
    for of in &listed {
        let parts: Vec<&str> = of.r#type.split('.').collect();
        assert!(matches!(parts.as_slice(), [_, object, _, "v1"] if *object == of.object), "{}", of.r#type);
        assert!(of.description.ends_with('.'), "{} has no sentence", of.r#type);
        let (schema, example) = (json(&of.schema), json(&of.example));
        assert_eq!(schema["properties"]["type"]["const"], of.r#type.as_str());
        assert_eq!(
            (&example["type"], &example["subject"]["object"]),
            (&of.r#type.as_str().into(), &of.object.as_str().into())
        );
        for required in schema["required"].as_array().unwrap() {
            assert!(example.get(required.as_str().unwrap()).is_some(), "{}: {required}", of.r#type);
        }
    }
}

#[test]
fn the_schema_of_a_record_is_whole_and_refers_to_nothing_outside() {
    let listed = Catalogue::new().unwrap().list().event_types;
    let contact = listed.iter().find(|of| of.r#type == "records.contact.updated.v1").unwrap();
    let (schema, example) = (json(&contact.schema), json(&contact.example));
    assert!(schema["$defs"]["Contact"]["properties"]["emails"].is_object());
    assert!(schema["$defs"]["EmailAddress"].is_object(), "what a contact refers to comes with it");
    let text = schema.to_string();
    assert!(!text.contains("#/components/"), "{text}");
    for (at, found) in text.match_indices("\"#/$defs/") {
        let name = text[at + found.len()..].split('"').next().unwrap();
        assert!(schema["$defs"].get(name).is_some(), "{name} is referred to and not defined");
    }
    assert!(example["data"]["emails"][0].is_object());
}

#[test]
fn what_has_no_message_of_its_own_has_open_data() {
    let listed = Catalogue::new().unwrap().list().event_types;
    let tenant = listed.iter().find(|of| of.r#type == "identity.tenant.created.v1").unwrap();
    assert_eq!(json(&tenant.schema)["properties"]["data"], serde_json::json!({"type": "object"}));
}

#[test]
fn every_object_with_records_says_when_they_come_and_go() {
    let listed = Catalogue::new().unwrap().list().event_types;
    for object in proto::OBJECTS.iter().filter(|object| object.has_custom) {
        let service = object.package.split('.').nth(1).unwrap();
        for verb in ["created", "updated", "deleted", "restored", "purged"] {
            let kind = format!("{service}.{}.{verb}.v1", object.name);
            assert!(listed.iter().any(|of| of.r#type == kind), "no message declares {kind}");
        }
    }
}
