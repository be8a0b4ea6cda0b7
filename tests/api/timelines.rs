//! Timelines in the whole fleet: what services say of their records arrives.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Client;
use crate::stage::{Stage, text};
use crate::waiting;

/// An event passes outbox, relay, broker and consumer.
const ARRIVES: Duration = Duration::from_secs(30);

async fn made(admin: &Client, path: &str, body: Value) -> String {
    text(&admin.post(path, body).await.expect(201)["id"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_shows_what_services_say_of_it_and_hides_what_the_reader_may_not_see() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("timelines").await;
    let admin = &tenant.admin;
    let contact = made(admin, "/api/v1/contacts", json!({"last_name": "Lovelace"})).await;
    let amount = json!({"amount_minor": 4_242, "currency": "EUR"});
    let deal =
        admin.post("/api/v1/deals", json!({"name": "100 seats", "contacts": [{"contact_id": contact}]}));
    let deal = deal.await.expect(201);
    let (id, was) = (text(&deal["id"]), deal["stage_key"].clone());
    let path = format!("/api/v1/deals/{id}");
    let pipeline = admin.get(&format!("/api/v1/pipelines/{}", text(&deal["pipeline_id"]))).await.expect(200);
    let next = pipeline["stages"][1].clone();
    admin.patch(&path, json!({"amount": amount})).await.expect(200);
    admin.post(&format!("{path}:move"), json!({"stage_id": next["id"]})).await.expect(200);
    let links = json!([{"object": "deal", "id": id}]);
    let call = json!({"kind": "task", "subject": "Ask for budget", "links": links});
    let call = made(admin, "/api/v1/activities", call).await;
    admin.post(&format!("/api/v1/activities/{call}:complete"), json!({"outcome": "Yes"})).await.expect(200);
    let note = made(admin, "/api/v1/notes", json!({"body": "Likes it.", "links": links})).await;

    let entries = async |who: &Client| {
        let page = who.get(&format!("{path}/timeline")).await.expect(200);
        page["entries"].as_array().cloned().unwrap_or_default()
    };
    let is =
        |entry: &Value, kind: &str, event: &str| entry["type"] == kind && entry["data"]["event"] == event;
    waiting::until(ARRIVES, "all that happened to the deal", async || {
        let all = entries(admin).await;
        let has = |kind: &str, event: &str| all.iter().any(|entry| is(entry, kind, event));
        has("activity", "completed")
            && has("note", "created")
            && has("record", "linked")
            && all.iter().filter(|entry| entry["type"] == "stage_change").count() == 2
            && all.iter().any(|entry| entry["type"] == "field_change")
    })
    .await;
    let all = entries(admin).await;
    assert!(all.is_sorted_by(|a, b| a["at"].as_str() >= b["at"].as_str()), "the newest first: {all:?}");
    let moved = all.iter().find(|entry| entry["type"] == "stage_change").expect("the move");
    assert_eq!(
        (&moved["data"]["from"]["key"], &moved["data"]["to"]["name"], &moved["data"]["source"]),
        (&was, &next["name"], &json!("move"))
    );
    assert_eq!(
        (&moved["actor"]["kind"], &moved["subject"]),
        (&json!("user"), &json!({"object": "deal", "id": id}))
    );
    let completed = all.iter().find(|entry| is(entry, "activity", "completed")).expect("the task");
    assert_eq!(
        completed["data"],
        json!({"event": "completed", "activity_id": call, "kind": "task", "state": "completed", "subject": "Ask for budget"})
    );
    let noted = all.iter().find(|entry| entry["type"] == "note").expect("the note");
    assert_eq!((&noted["data"]["note_id"], &noted["data"]["body"]), (&json!(note), &json!("Likes it.")));

    let may = json!([{"object": "deal", "actions": ["read"], "scopes": ["all"]},
                     {"object": "activity", "actions": ["read"], "scopes": ["own"]}]);
    let hidden = json!([{"object": "deal", "field": "amount", "access": "none"}]);
    let rep = stage.member(&tenant, "rep", may, hidden).await.client;
    let seen = entries(&rep).await;
    let kinds: Vec<&str> = seen.iter().filter_map(|entry| entry["type"].as_str()).collect();
    assert!(
        !kinds.contains(&"field_change") && !kinds.contains(&"activity") && !kinds.contains(&"note"),
        "{seen:?}"
    );
    assert_eq!(kinds.iter().filter(|kind| **kind == "stage_change").count(), 2, "{seen:?}");
    rep.get(&format!("/api/v1/contacts/{contact}/timeline")).await.refused(403, "PERMISSION_DENIED");

    let one = admin.get(&format!("{path}/timeline?types=note,activity&page_size=1")).await.expect(200);
    assert_eq!(one["entries"][0], *noted);
    let token = text(&one["next_page_token"]);
    let path_of_two = format!("{path}/timeline?types=note,activity&page_size=2&page_token={token}");
    let rest = admin.get(&path_of_two).await.expect(200);
    assert_eq!((rest["entries"].as_array().map(Vec::len), &rest["next_page_token"]), (Some(2), &json!("")));
    admin.get(&format!("{path}/timeline?types=email")).await.refused(400, "TIMELINE_TYPE_UNKNOWN");
}
