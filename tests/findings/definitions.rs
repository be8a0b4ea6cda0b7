//! A field that was archived or restored is so for the very next call.

use serde_json::json;

use super::{Wrong, define, made, violation};
use crate::stage::{Stage, text};

const TIMES: usize = 10;

#[tokio::test]
async fn nothing_is_written_into_a_field_that_has_just_been_archived() {
    let tenant = Stage::shared().await.tenant("f-archived").await;
    let mut wrong = Wrong::default();
    for n in 0..TIMES {
        let key = format!("k{n}");
        let field = define(&tenant, &key, "text", json!({})).await;
        let body = json!({"last_name": "A", "custom": {&key: "before"}});
        let (_, path) = made(&tenant.admin.post("/api/v1/contacts", body.clone()).await);
        let archive = format!("/api/v1/objects/contact/fields/{}:archive", text(&field["id"]));
        tenant.admin.post(&archive, json!({})).await.expect(200);
        // A new record, and one that has a value.
        let pointer = format!("/custom/{key}");
        let created = tenant.admin.post("/api/v1/contacts", body).await;
        let changed = tenant.admin.patch(&path, json!({"custom": {&key: "after"}})).await;
        for answer in [created, changed] {
            wrong.unless(violation(&answer, &pointer).is_some(), || format!("{key}: {}", answer.status));
        }
    }
    wrong.none();
}

#[tokio::test]
async fn a_field_that_has_just_been_restored_is_shown_and_written() {
    let tenant = Stage::shared().await.tenant("f-restored").await;
    let mut wrong = Wrong::default();
    for n in 0..TIMES {
        let key = format!("k{n}");
        let field = define(&tenant, &key, "text", json!({})).await;
        let body = json!({"last_name": "R", "custom": {&key: "kept"}});
        let (record, path) = made(&tenant.admin.post("/api/v1/contacts", body).await);
        let field = format!("/api/v1/objects/contact/fields/{}", text(&field["id"]));
        for verb in ["archive", "restore"] {
            tenant.admin.post(&format!("{field}:{verb}"), json!({})).await.expect(200);
        }
        let list = tenant.admin.get("/api/v1/contacts?page_size=200").await.expect(200);
        let listed = list["contacts"].as_array().expect("contacts").iter().find(|c| c["id"] == record["id"]);
        wrong.unless(listed.is_some_and(|c| c["custom"][&key] == "kept"), || format!("{key}: {listed:?}"));
        let read = tenant.admin.get(&path).await.expect(200);
        wrong.unless(read["custom"][&key] == "kept", || format!("{key}: {read}"));
        let answer = tenant.admin.patch(&path, json!({"custom": {&key: "new"}})).await;
        wrong.unless(answer.status == 200, || format!("{key}: {}", answer.text));
    }
    wrong.none();
}
