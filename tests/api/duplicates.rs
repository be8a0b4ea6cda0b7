//! Duplicate addresses over REST, with the organisation's own setting.

use std::time::Duration;

use serde_json::json;

use super::problem;
use crate::stage::Stage;
use crate::waiting;

/// Snapshots are asked for again after two seconds, should the event have been lost.
const BOUND: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_is_refused_until_the_call_or_the_organization_allows_it() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("duplicates").await;
    let admin = &tenant.admin;
    let contact = |name: &str| json!({"first_name": name, "emails": [{"address": "zoe@x.test"}]});
    let first = admin.post("/api/v1/contacts", contact("A")).await.expect(201);
    let refused = admin.post("/api/v1/contacts", contact("B")).await;
    problem(&refused, 409, "DUPLICATE");
    assert_eq!(refused.json()["candidates"], json!([first["id"]]));
    let refused = admin.post("/api/v1/contacts?allow_duplicates=false", contact("B")).await;
    problem(&refused, 409, "DUPLICATE");
    assert_eq!(admin.post("/api/v1/contacts?allow_duplicates=yes", contact("B")).await.status, 400);
    admin.post("/api/v1/contacts?allow_duplicates=true", contact("B")).await.expect(201);

    let path = "/api/v1/organization";
    let found = admin.get(path).await.expect(200);
    assert_eq!((&found["version"], &found["duplicate_check"]), (&json!(1), &json!(true)));
    admin.patch(path, json!({"duplicate_check": false})).await.expect(200);
    // It reaches the service with the permissions of its callers.
    waiting::until(BOUND, "the setting has arrived", async || {
        admin.post("/api/v1/contacts", contact("C")).await.status == 201
    })
    .await;
    admin.patch(path, json!({"duplicate_check": null})).await.expect(200);
    waiting::until(BOUND, "the check is on again", async || {
        admin.post("/api/v1/contacts", contact("D")).await.status == 409
    })
    .await;
}
