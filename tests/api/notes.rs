//! Notes in the whole fleet: the records service is asked, and its events arrive.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::{Stage, text};
use crate::waiting;

/// An event passes outbox, relay, broker and consumer.
const ARRIVES: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_about_what_its_writer_may_read_and_follows_it() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("notes").await;
    let admin = &tenant.admin;
    let contact = admin.post("/api/v1/contacts", json!({"last_name": "Lovelace"})).await.expect(201);
    let contact = text(&contact["id"]);
    let note = json!({"body": "**Called.**", "links": [{"object": "contact", "id": contact}]});
    let made = admin.post("/api/v1/notes", note.clone()).await.expect(201);
    assert_eq!(made["body_html"], "<p><strong>Called.</strong></p>\n");
    let path = format!("/api/v1/notes/{}", text(&made["id"]));
    // Who may write notes and read no contacts may not name one, and learns nothing of whether there is one.
    let may = json!([{"object": "note", "actions": ["create", "read"], "scopes": ["all"]}]);
    let writer = stage.member(&tenant, "writer", may, json!([])).await.client;
    let refused = writer.post("/api/v1/notes", note).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    let violation = &refused.json()["errors"][0];
    assert_eq!(
        (&violation["pointer"], &violation["reason"]),
        (&json!("/links/0/id"), &json!("REFERENCE_NOT_FOUND"))
    );

    let is_deleted = async || admin.get(&path).await.expect(200)["links"][0]["deleted"].clone();
    assert_eq!(is_deleted().await, false);
    admin.delete(&format!("/api/v1/contacts/{contact}")).await.expect(204);
    waiting::until(ARRIVES, "the note's link says that its contact is deleted", async || {
        is_deleted().await == true
    })
    .await;
    admin.post(&format!("/api/v1/contacts/{contact}:restore"), json!({})).await.expect(200);
    waiting::until(ARRIVES, "the note's link is live again", async || is_deleted().await == false).await;
    let found =
        admin.get(&format!("/api/v1/notes?filter=links.id%20%3D%20%22{contact}%22")).await.expect(200);
    assert_eq!(found["notes"].as_array().map(Vec::len), Some(1));
    let filter: Value = admin.get("/api/v1/notes?filter=pinned%20%3D%20true").await.expect(200);
    assert_eq!(filter["notes"], json!([]));
}
