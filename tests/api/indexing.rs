//! `:index` over REST: a slot that is free, and one that an archived field keeps.

use std::time::Duration;

use serde_json::{Value, json};

use super::problem;
use crate::stage::{Stage, Tenant, text};
use crate::waiting;

const BOUND: Duration = Duration::from_secs(60);

async fn field(tenant: &Tenant, key: &str, kind: &str, indexed: bool) -> String {
    let body = json!({"key": key, "label": key, "type": kind, "indexed": indexed});
    text(&tenant.admin.post("/api/v1/objects/contact/fields", body).await.expect(201)["id"])
}

fn path(field: &str) -> String {
    format!("/api/v1/objects/contact/fields/{field}")
}

/// Indexes a field and waits for it; the operation as it ended.
async fn index(tenant: &Tenant, field: &str) -> Value {
    let queued = tenant.admin.post(&format!("{}:index", path(field)), json!({})).await;
    let id = text(&queued.expect(202)["id"]);
    let operation = format!("/api/v1/operations/{id}");
    waiting::until(BOUND, "the index is filled", async || {
        let state = text(&tenant.admin.get(&operation).await.expect(200)["state"]);
        state != "queued" && state != "running"
    })
    .await;
    tenant.admin.get(&operation).await.expect(200)
}

async fn found(tenant: &Tenant, filter: &str) -> Vec<String> {
    let answer = tenant.admin.get(&format!("/api/v1/contacts?filter={}", filter.replace('"', "%22"))).await;
    let listed = answer.expect(200);
    listed["contacts"]
        .as_array()
        .expect("contacts")
        .iter()
        .map(|contact| text(&contact["last_name"]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_gets_an_index_and_the_slot_of_an_archived_one() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("indexing").await;
    let admin = &tenant.admin;
    let plain = field(&tenant, "plain", "text", false).await;
    let make = async |name: &str, custom: Value| {
        admin.post("/api/v1/contacts", json!({"last_name": name, "custom": custom})).await.expect(201)
    };
    make("One", json!({"plain": "Blue sky"})).await;
    problem(&admin.get("/api/v1/contacts?filter=custom.plain:%22blu%22").await, 422, "FIELD_NOT_INDEXED");
    let done = index(&tenant, &plain).await;
    assert_eq!((&done["state"], &done["kind"]), (&json!("succeeded"), &json!("index")));
    assert_eq!(admin.get(&path(&plain)).await.expect(200)["indexed"], true);
    waiting::until(BOUND, "the index is used", async || {
        admin.get("/api/v1/contacts?filter=custom.plain:%22blu%22").await.status == 200
    })
    .await;
    assert_eq!(found(&tenant, "custom.plain:\"blu\"").await, ["One"]);
    let again = admin.post(&format!("{}:index", path(&plain)), json!({})).await;
    problem(&again, 409, "FIELD_INDEXED");
    let long = field(&tenant, "long", "long_text", false).await;
    problem(&admin.post(&format!("{}:index", path(&long)), json!({})).await, 422, "FIELD_NOT_INDEXABLE");

    // All four slots for lookups.
    let mut lookups = Vec::new();
    let lookup = |key: &str, indexed: bool| json!({"key": key, "label": key, "type": "lookup", "lookup_object": "contact", "indexed": indexed});
    for key in ["l1", "l2", "l3", "l4"] {
        let made = admin.post("/api/v1/objects/contact/fields", lookup(key, true)).await.expect(201);
        lookups.push(text(&made["id"]));
    }
    let fifth =
        text(&admin.post("/api/v1/objects/contact/fields", lookup("l5", false)).await.expect(201)["id"]);
    let full = admin.post(&format!("{}:index", path(&fifth)), json!({})).await;
    problem(&full, 422, "FIELD_LIMIT_REACHED");
    let (a, b) = (make("A", json!({})).await, make("B", json!({})).await);
    make("Old", json!({"l2": a["id"]})).await;
    make("New", json!({"l5": b["id"], "l2": a["id"]})).await;
    admin.post(&format!("{}:archive", path(&lookups[1])), json!({})).await.expect(200);
    assert_eq!(index(&tenant, &fifth).await["state"], "succeeded");
    // What the archived field had left in the slot is gone.
    assert_eq!(found(&tenant, &format!("custom.l5 = \"{}\"", text(&b["id"]))).await, ["New"]);
    assert!(found(&tenant, &format!("custom.l5 = \"{}\"", text(&a["id"]))).await.is_empty());
    // One that is created with an index gets it as well: an operation of whoever created it clears the slot.
    make("Third", json!({"l3": a["id"]})).await;
    admin.post(&format!("{}:archive", path(&lookups[2])), json!({})).await.expect(200);
    let made = admin.post("/api/v1/objects/contact/fields", lookup("l6", true)).await.expect(201);
    assert_eq!(made["indexed"], false, "records still have what the archived field had there");
    let sixth = path(&text(&made["id"]));
    make("Newest", json!({"l6": b["id"]})).await;
    waiting::until(BOUND, "the field is indexed", async || {
        admin.get(&sixth).await.expect(200)["indexed"] == true
    })
    .await;
    assert_eq!(found(&tenant, &format!("custom.l6 = \"{}\"", text(&b["id"]))).await, ["Newest"]);
    assert!(found(&tenant, &format!("custom.l6 = \"{}\"", text(&a["id"]))).await.is_empty());
    let operations = admin.get("/api/v1/operations").await.expect(200);
    let operations = operations["operations"].as_array().expect("operations");
    assert_eq!(operations.iter().filter(|one| one["kind"] == "index").count(), 3);
    // The archived one comes back without an index, and with its values.
    let back = admin.post(&format!("{}:restore", path(&lookups[1])), json!({})).await.expect(200);
    assert_eq!(back["indexed"], false);
    waiting::until(BOUND, "the field is back", async || {
        let filter = format!("custom.l2 = %22{}%22", text(&a["id"]));
        let answer = admin.get(&format!("/api/v1/contacts?filter={filter}&order_by=last_name")).await;
        answer.status == 200 && answer.json()["contacts"].as_array().is_some_and(|found| found.len() == 2)
    })
    .await;
}
