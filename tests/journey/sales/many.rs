//! Step 6: 10,000 deals change hands by a filter; the operation is cancelled half-way and undone. Pipeline dies while it works.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::fleet::Role;

use crate::client::{Client, query};
use crate::journey::Journey;
use crate::journey::writing::{finished, upload};
use crate::stage::{Stage, text};

const DEALS: usize = 10_000;
const TAG: &str = "many";

pub async fn ten_thousand_deals_change_hands_and_back(stage: Option<&mut Stage>, journey: &Journey) {
    let admin = &journey.a.admin;
    import_them(admin).await;
    let rep = &journey.rep.id;
    let mine = format!("tags = \"{TAG}\" AND owner_id = \"{}\"", journey.a.admin_id);
    let theirs = format!("tags = \"{TAG}\" AND owner_id = \"{rep}\"");
    assert_eq!(count(admin, &mine).await, DEALS);
    let asked = |more: Value| {
        let mut asked =
            json!({"object": "deal", "filter": mine, "action": "transfer", "changes": {"owner_id": rep}});
        asked.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        asked
    };
    let bulk = "/api/v1/bulk-operations";
    admin.post(bulk, asked(json!({"max_affected": DEALS - 1}))).await.refused(409, "TOO_MANY_AFFECTED");
    let tried = admin.post(bulk, asked(json!({"dry_run": true}))).await.expect(202);
    assert_eq!(tried["preview"]["matched"], DEALS, "{tried}");
    assert_eq!(count(admin, &mine).await, DEALS, "a dry run has done something");

    let started = admin.post(bulk, asked(json!({}))).await.expect(202);
    let id = text(&started["operation"]["id"]);
    half_way(admin, &id, DEALS / 4).await;
    if let Some(stage) = stage {
        stage.fleet.kill9(Role::Pipeline).expect("killed");
        tokio::task::block_in_place(|| stage.fleet.restart(Role::Pipeline)).expect("started again");
    }
    half_way(admin, &id, DEALS / 2).await;
    admin.post(&format!("/api/v1/operations/{id}:cancel"), json!({})).await.expect(200);
    let cancelled = finished(admin, &id).await;
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    let gone = cancelled["result"]["updated"].as_u64().expect("a number") as usize;
    assert!((DEALS / 2..DEALS).contains(&gone), "{cancelled}");
    assert_eq!((count(admin, &theirs).await, count(admin, &mine).await), (gone, DEALS - gone), "{cancelled}");

    // One was touched since: it stays where it is, and is named.
    let touched = &all_of(admin, &theirs).await["deals"][0];
    let touched = text(&touched["id"]);
    admin
        .patch(&format!("/api/v1/deals/{touched}"), json!({"owner_id": journey.a.admin_id}))
        .await
        .expect(200);
    admin.patch(&format!("/api/v1/deals/{touched}"), json!({"owner_id": rep})).await.expect(200);
    let undo = admin.post(&format!("/api/v1/operations/{id}:undo"), json!({})).await.expect(202);
    let undone = finished(admin, &text(&undo["id"])).await;
    assert_eq!(
        (&undone["state"], &undone["result"]["updated"]),
        (&json!("succeeded"), &json!(gone - 1)),
        "{undone}"
    );
    let errors = undone["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), 1, "{undone}");
    assert_eq!((&errors[0]["record_id"], &errors[0]["reason"]), (&json!(touched), &json!("CHANGED_SINCE")));
    assert_eq!((count(admin, &theirs).await, count(admin, &mine).await), (1, DEALS - 1));
    admin.post(&format!("/api/v1/operations/{id}:undo"), json!({})).await.refused(409, "OPERATION_UNDONE");
}

async fn import_them(admin: &Client) {
    let mut file = String::from("Name,Tags,Amount\n");
    for n in 0..DEALS {
        file += &format!("Many {n},{TAG},{}.00 EUR\n", 100 + n);
    }
    let upload = upload(admin, file.as_bytes()).await;
    let mapping = json!([
        {"column": "Name", "field": "name"}, {"column": "Tags", "field": "tags"}, {"column": "Amount", "field": "amount"},
    ]);
    let body =
        json!({"upload_id": upload, "object": "deal", "mapping": mapping, "duplicate_policy": "create"});
    let started = admin.post("/api/v1/imports", body).await.expect(202);
    let imported = finished(admin, &text(&started["id"])).await;
    assert_eq!(
        (&imported["state"], &imported["result"]["created"]),
        (&json!("succeeded"), &json!(DEALS)),
        "{imported}"
    );
}

/// Waits until so many records are done; the service may be dead meanwhile.
async fn half_way(admin: &Client, id: &str, done: usize) {
    let path = format!("/api/v1/operations/{id}");
    crate::waiting::outcome(Duration::from_secs(60), "the operation is half-way", async || {
        let answer = admin.get(&path).await;
        if matches!(answer.status, 503 | 504) {
            return Err(answer.text);
        }
        let operation = answer.expect(200);
        assert!(
            matches!(operation["state"].as_str(), Some("queued" | "running")),
            "it was over too soon: {operation}"
        );
        let now = operation["progress"]["done"].as_u64().unwrap_or_default() as usize;
        if now >= done { Ok(()) } else { Err(operation["progress"].to_string()) }
    })
    .await;
}

async fn all_of(admin: &Client, filter: &str) -> Value {
    let asked = query(&[("filter", filter), ("page_size", "1"), ("count", "exact")]);
    admin.get(&format!("/api/v1/deals{asked}")).await.expect(200)
}

async fn count(admin: &Client, filter: &str) -> usize {
    let page = all_of(admin, filter).await;
    page["total"]["value"].as_u64().unwrap_or_else(|| panic!("no count: {page}")) as usize
}
