use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{API, compiled};
use crate::{Api, DocumentInfo};

const INFO: DocumentInfo<'static> =
    DocumentInfo { title: "GlobCRM", version: "v1", description: "The \"API\"", server: "/" };

fn document(api: &Api) -> Value {
    serde_json::from_str(&api.openapi(&INFO)).unwrap()
}

#[test]
fn the_document_is_the_same_for_the_same_descriptors() {
    assert_eq!(API.openapi(&INFO), Api::compile(proto::DESCRIPTORS).unwrap().openapi(&INFO));
}

#[test]
fn every_binding_is_an_operation_with_its_own_id() {
    let document = document(&API);
    let mut ids = BTreeSet::new();
    for method in API.methods() {
        let operation = &document["paths"][&method.path][method.verb.as_str().to_lowercase()];
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()));
        let in_path: Vec<&str> = operation["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|p| p["in"] == "path")
            .map(|p| p["name"].as_str().unwrap())
            .collect();
        assert_eq!(in_path, method.path_parameters().collect::<Vec<_>>());
        let success = &operation["responses"][method.success_status.to_string()];
        assert_eq!(success.get("content").is_some(), method.success_status != 204, "{}", method.rpc);
        assert_eq!(operation["security"] == json!([]), method.public);
    }
    assert_eq!(ids.len(), API.methods().len());
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    found.insert(reference.clone());
                }
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document(&API);
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(found.contains(&format!("#/components/schemas/{name}")), "{name}");
    }
}

#[test]
fn constraints_comments_and_nulls_are_documented() {
    let document = document(&API);
    let schemas = &document["components"]["schemas"];
    let input = &schemas["ContactInput"]["properties"];
    assert!(
        input.get("id").is_none() && input.get("full_name").is_none(),
        "output-only members are not sent"
    );
    assert_eq!(input["first_name"], json!({"type": ["string", "null"], "maxLength": 100}));
    assert_eq!(input["owner_id"]["format"], "uuid");
    assert_eq!(
        input["owner_id"]["description"],
        "The user who owns the record; the creator when none is sent."
    );
    assert_eq!(input["score"]["minimum"], -1_000_000);
    assert_eq!(input["tags"]["uniqueItems"], true);
    assert_eq!(input["tags"]["items"], json!({"type": "string", "minLength": 1, "maxLength": 60}));
    assert_eq!(input["external_ids"]["maxProperties"], 20);
    assert_eq!(input["birthday"]["format"], "date");
    assert_eq!(input["lifecycle"]["enum"], json!(["lead", "qualified", "customer", "former", "other", null]));
    assert_eq!(input["etag"]["writeOnly"], true);
    assert_eq!(schemas["ContactInput"]["additionalProperties"], false);
    assert_eq!(schemas["EmailAddressInput"]["required"], json!(["address"]));
    assert_eq!(schemas["EmailAddressInput"]["properties"]["address"]["minLength"], 1);
    assert!(schemas["ContactPatch"].get("required").is_none());
    assert_eq!(
        schemas["ContactPatch"]["properties"]["emails"]["items"]["$ref"],
        "#/components/schemas/EmailAddressInput"
    );
    let output = &schemas["Contact"];
    assert!(output.get("required").is_none(), "`fields` narrows contacts");
    assert!(output["properties"].get("etag").is_none());
    assert_eq!(output["properties"]["created_at"]["format"], "date-time");
    assert_eq!(output["properties"]["created_at"]["readOnly"], true);
    assert_eq!(output["properties"]["custom"]["type"], "object");
    let role = schemas["Role"]["required"].as_array().unwrap();
    assert!(role.contains(&json!("permissions")));
    assert_eq!(schemas["MoneyInput"]["required"], json!(["amount_minor", "currency"]));
    // What a merge patch merges may be sent in part, and `null` removes.
    let patch = &schemas["CompanyPatch"]["properties"];
    assert_eq!(patch["annual_revenue"]["anyOf"][0]["$ref"], "#/components/schemas/MoneyPart");
    assert!(schemas["MoneyPart"].get("required").is_none());
    assert_eq!(schemas["MoneyPart"]["properties"]["currency"]["type"], json!(["string", "null"]));
    assert_eq!(patch["external_ids"]["additionalProperties"]["type"], json!(["string", "null"]));
    assert_eq!(input["external_ids"]["additionalProperties"]["type"], "string");
    let patch = &document["paths"]["/api/v1/contacts/{id}"]["patch"];
    assert_eq!(
        patch["requestBody"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/ContactPatch"
    );
    assert!(patch["requestBody"]["content"].get("application/merge-patch+json").is_some());
    let headers = |operation: &Value| {
        let parameters = operation["parameters"].as_array().unwrap();
        parameters.iter().filter(|p| p["in"] == "header").map(|p| p["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(headers(patch), [json!("If-Match")]);
    let create = &document["paths"]["/api/v1/contacts"]["post"];
    assert_eq!(headers(create), [json!("Idempotency-Key")]);
    assert_eq!(create["summary"], "Creates a contact.");
    assert_eq!(create["x-permission"], "contact.create");
    assert!(create["responses"]["201"]["headers"].get("Location").is_some());
    let restore = &document["paths"]["/api/v1/contacts/{id}:restore"]["post"]["requestBody"];
    assert_eq!(restore["content"]["application/json"]["schema"]["properties"], json!({}));
    let login = &document["paths"]["/api/v1/auth/login"]["post"]["requestBody"]["content"]["application/json"]
        ["schema"];
    assert_eq!(login["required"], json!(["organization", "email", "password"]));
    let list = &document["paths"]["/api/v1/contacts"]["get"]["parameters"];
    let page_size = list.as_array().unwrap().iter().find(|p| p["name"] == "page_size").unwrap();
    assert_eq!(
        page_size["schema"],
        json!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 200})
    );
    assert!(
        document["paths"]["/api/v1/uploads"]["post"]["requestBody"]["content"]
            .get("application/octet-stream")
            .is_some()
    );
}

#[test]
fn names_that_two_packages_share_are_told_apart() {
    let api = compiled(
        r#"syntax = "proto3"; package a.b.v1;
        import "google/api/annotations.proto"; import "globcrm/common/v1/types.proto";
        message Money { string x = 1; }
        message Res { Money own = 1; globcrm.common.v1.Money other = 2; }
        message Req {}
        service S { rpc Get(Req) returns (Res) { option (google.api.http) = {get: "/x" additional_bindings {get: "/y"}}; } }"#,
    )
    .unwrap();
    let document = document(&api);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(schemas.contains_key("b.Money") && schemas.contains_key("common.Money"), "{schemas:?}");
    assert_eq!(document["paths"]["/x"]["get"]["operationId"], "get");
    assert_eq!(document["paths"]["/y"]["get"]["operationId"], "get2");
}
