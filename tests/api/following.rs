//! Changes to follow, in the whole fleet: records look as at their own paths, and end where the caller's sight ends.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::{contact, problem};
use crate::client::{Client, all_pages, query};
use crate::stage::{Stage, Tenant, text};
use crate::waiting;

/// An event passes outbox, relay, broker and consumer.
const ARRIVES: Duration = Duration::from_secs(60);

/// Waits until the consumer of the journal works: what was published before its queues were declared for the first time is not in it.
async fn until_journaled(tenant: &Tenant) {
    waiting::until(ARRIVES, "the journal is written", async || {
        contact(tenant, "Probe").await;
        tenant.admin.get("/api/v1/sync?limit=1").await.expect(200)["position"].as_i64() > Some(0)
    })
    .await;
}

/// All changes from a cursor to the end, and the cursor behind them.
async fn all(who: &Client, types: &str, cursor: &str) -> (Vec<Value>, String) {
    let (mut changes, mut cursor) = (Vec::new(), cursor.to_owned());
    loop {
        let asked = query(&[("types", types), ("cursor", cursor.as_str()), ("limit", "3")]);
        let answer = who.get(&format!("/api/v1/sync{asked}")).await.expect(200);
        assert_eq!(answer.get("resync"), None, "{answer}");
        changes.extend(answer["changes"].as_array().cloned().unwrap_or_default());
        cursor = text(&answer["next_cursor"]);
        if answer["has_more"] == false {
            return (changes, cursor);
        }
    }
}

/// The first change behind a cursor that is the one that is waited for, and the cursor comes behind it.
async fn awaited(who: &Client, cursor: &mut String, is: impl Fn(&Value) -> bool) -> Value {
    let comes = async {
        loop {
            let asked = query(&[("cursor", cursor.as_str()), ("wait", "20")]);
            let answer = who.get(&format!("/api/v1/sync{asked}")).await.expect(200);
            *cursor = text(&answer["next_cursor"]);
            let changes = answer["changes"].as_array().cloned().unwrap_or_default();
            if let Some(change) = changes.into_iter().find(|change| is(change)) {
                return change;
            }
        }
    };
    tokio::time::timeout(ARRIVES, comes).await.expect("the change comes")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_follows_what_happens_as_its_reader_may_see_it() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("following").await;
    until_journaled(&tenant).await;
    let own = json!([{"object": "contact", "actions": ["read"], "scopes": ["own"]}]);
    let rep = stage.member(&tenant, "rep", own, json!([])).await;
    let (state, mut cursor) = all(&tenant.admin, "contact,deal", "").await;
    let seen: BTreeSet<String> = state.iter().map(|change| text(&change["id"])).collect();
    let there = all_pages(&tenant.admin, "contacts", &[], "200").await;
    assert_eq!(seen, there.iter().map(|contact| text(&contact["id"])).collect());
    let (nothing, mut of_rep) = all(&rep.client, "", "").await;
    assert!(nothing.is_empty(), "{nothing:?}");

    let path = contact(&tenant, "Followed").await;
    let id = path.rsplit('/').next().unwrap_or_default().to_owned();
    let is = |op: &'static str| {
        let id = id.clone();
        move |change: &Value| change["id"] == id.as_str() && change["op"] == op
    };
    let created = awaited(&tenant.admin, &mut cursor, is("upsert")).await;
    let shown = tenant.admin.get(&path).await.expect(200);
    assert_eq!(created, json!({"type": "contact", "id": id, "version": 1, "op": "upsert", "data": shown}));

    // It becomes the representative's, changes, and is taken away again.
    tenant.admin.patch(&path, json!({"owner_id": rep.id})).await.expect(200);
    let given = awaited(&rep.client, &mut of_rep, is("upsert")).await;
    assert_eq!((&given["version"], &given["data"]["owner_id"]), (&json!(2), &json!(rep.id)));
    tenant.admin.patch(&path, json!({"owner_id": tenant.admin_id})).await.expect(200);
    let taken = awaited(&rep.client, &mut of_rep, is("remove")).await;
    assert_eq!(taken, json!({"type": "contact", "id": id, "version": 3, "op": "remove", "reason": "access"}));
    tenant.admin.delete(&path).await.expect(204);
    let deleted = awaited(&tenant.admin, &mut cursor, is("remove")).await;
    assert_eq!((&deleted["reason"], &deleted["version"]), (&json!("deleted"), &json!(4)));

    let other = query(&[("cursor", cursor.as_str())]);
    problem(&rep.client.get(&format!("/api/v1/sync{other}")).await, 400, "CURSOR_MISMATCH");
    problem(&tenant.admin.get("/api/v1/sync?types=spaceship").await, 400, "SYNC_TYPE_UNKNOWN");
    problem(&tenant.admin.get("/api/v1/sync?cursor=x").await, 400, "CURSOR_INVALID");
    problem(&rep.client.get("/api/v1/sync?types=deal").await, 403, "PERMISSION_DENIED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_types_of_events_are_listed_with_schemas_and_examples() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("event-types").await;
    let listed = tenant.admin.get("/api/v1/event-types").await.expect(200);
    let listed = listed["event_types"].as_array().cloned().unwrap_or_default();
    let names: BTreeSet<&str> = listed.iter().filter_map(|of| of["type"].as_str()).collect();
    let declared = proto::event_types().expect("the descriptors can be read");
    assert_eq!(names, declared.iter().map(|of| of.kind.as_str()).collect());
    let updated = listed.iter().find(|of| of["type"] == "records.contact.updated.v1").expect("of contacts");
    assert_eq!(updated["object"], "contact");
    assert_eq!(updated["schema"]["properties"]["subject"]["properties"]["object"]["const"], "contact");
    assert_eq!(updated["example"]["type"], updated["type"]);
}
