//! The audit log over REST, with what the fields service reports.

use std::time::Duration;

use serde_json::{Value, json};

use super::problem;
use crate::stage::{Stage, Tenant, text};
use crate::waiting;

const BOUND: Duration = Duration::from_secs(60);

/// The entries of a record, the oldest first, once there are as many.
pub(super) async fn entries(tenant: &Tenant, record: &str, count: usize) -> Vec<Value> {
    let path = format!("/api/v1/audit-log?record_id={record}");
    let mut found = Vec::new();
    waiting::until(BOUND, "the changes are reported", async || {
        found = tenant.admin.get(&path).await.expect(200)["entries"].as_array().expect("entries").clone();
        found.len() >= count
    })
    .await;
    found.reverse();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_of_fields_are_in_the_log_with_what_they_were_and_are() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("audit-fields").await;
    let admin = &tenant.admin;
    let body = json!({"key": "tier", "label": "Tier", "type": "text", "indexed": true});
    let field = text(&admin.post("/api/v1/objects/contact/fields", body).await.expect(201)["id"]);
    let path = format!("/api/v1/objects/contact/fields/{field}");
    admin.patch(&path, json!({"label": "Class"})).await.expect(200);
    admin.post(&format!("{path}:archive"), json!({})).await.expect(200);
    admin.post(&format!("{path}:restore"), json!({})).await.expect(200);

    let found = entries(&tenant, &field, 4).await;
    let actions: Vec<&str> = found.iter().map(|entry| entry["action"].as_str().expect("an action")).collect();
    assert_eq!(
        actions,
        ["fields.field.create", "fields.field.update", "fields.field.archive", "fields.field.restore"]
    );
    let me = admin.get("/api/v1/me").await.expect(200);
    for entry in &found {
        assert_eq!(entry["actor"], json!({"kind": "user", "id": me["user"]["id"]}));
        assert_eq!(entry["object"], "field");
        // What only other services are told.
        assert_eq!(entry["after"]["filling"], Value::Null);
    }
    assert_eq!((&found[0]["before"], &found[0]["after"]["label"]), (&Value::Null, &json!("Tier")));
    let side = |label| json!({"object": "contact", "key": "tier", "label": label});
    assert_eq!((&found[1]["before"], &found[1]["after"]), (&side("Tier"), &side("Class")));
    assert_eq!(found[2]["after"]["state"], "archived");

    let verified = admin.get("/api/v1/audit-log:verify").await.expect(200);
    assert_eq!((&verified["intact"], &verified["problem"]), (&json!(true), &Value::Null));
    let head = &verified["head"];
    let known = format!(
        "/api/v1/audit-log:verify?known_sequence={}&known_hash={}",
        head["sequence"],
        text(&head["hash"])
    );
    assert_eq!(admin.get(&known).await.expect(200)["intact"], true);
    problem(&admin.get("/api/v1/audit-log?from=yesterday").await, 400, "QUERY_MALFORMED");
    let refused = admin.get("/api/v1/audit-log?actor_id=nobody").await;
    problem(&refused, 400, "QUERY_MALFORMED");
    assert_eq!(refused.expect(400)["meta"]["parameter"], "actor_id");
    problem(&stage.anonymous.get("/api/v1/audit-log").await, 401, "CREDENTIALS_MISSING");
}
