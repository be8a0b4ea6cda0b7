//! Operations as a client sees them: one path for those of any service.

use reqwest::Method;
use serde_json::json;

use super::problem;
use crate::stage::{Stage, text};

/// Queues a dry run of an import; its public id.
async fn queue(tenant: &crate::stage::Tenant) -> String {
    let call =
        tenant.admin.call(Method::POST, "/api/v1/uploads").bytes("text/csv", b"Name\nMeyer\n".to_vec());
    let upload = text(&call.send().await.expect(201)["id"]);
    let import = json!({"upload_id": upload, "object": "contact", "dry_run": true,
                        "mapping": [{"column": "Name", "field": "last_name"}]});
    text(&tenant.admin.post("/api/v1/imports", import).await.expect(202)["id"])
}

#[tokio::test]
async fn an_operation_is_found_by_the_service_that_its_id_begins_with_and_by_no_other() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("operations").await;
    let id = queue(&tenant).await;
    let bare = id.strip_prefix("records.").expect("the service's name");
    let own = tenant.admin.get(&format!("/api/v1/operations/{id}")).await.expect(200);
    assert_eq!(text(&own["id"]), id);
    for wrong in
        [format!("fields.{bare}"), format!("nobody.{bare}"), format!("gateway.{bare}"), bare.to_owned()]
    {
        let path = format!("/api/v1/operations/{wrong}");
        for answer in [
            tenant.admin.get(&path).await,
            tenant.admin.post(&format!("{path}:cancel"), json!({})).await,
            tenant.admin.get(&format!("{path}/errors")).await,
        ] {
            problem(&answer, 404, "OPERATION_NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn operations_are_listed_to_their_owner_page_by_page() {
    let stage = Stage::shared().await;
    let (tenant, other) = (stage.tenant("operation-list").await, stage.tenant("operation-list-other").await);
    let (first, second) = (queue(&tenant).await, queue(&tenant).await);
    let (mut seen, mut token, mut tokens) = (Vec::new(), String::new(), Vec::new());
    loop {
        let path = format!("/api/v1/operations?page_size=1&page_token={token}");
        let page = tenant.admin.get(&path).await.expect(200);
        let operations = page["operations"].as_array().expect("operations");
        seen.extend(operations.iter().map(|operation| text(&operation["id"])));
        token = text(&page["next_page_token"]);
        if token.is_empty() {
            break;
        }
        tokens.push(token.clone());
    }
    assert_eq!(seen, [second, first]);
    let theirs = other.admin.get("/api/v1/operations").await;
    assert_eq!(theirs.expect(200)["operations"], json!([]));
    // One for each service that was asked.
    let asked = fleet::FLEET.iter().filter(|member| member.has_operations).count().to_string();
    assert_eq!(theirs.header("x-request-cost"), Some(asked.as_str()));
    assert!(theirs.header("permission-version").is_some(), "{:?}", theirs.headers);
    // A token is its caller's and its list's.
    for _ in 0..2 {
        tenant.admin.post("/api/v1/contacts", json!({"last_name": "Meyer"})).await.expect(201);
    }
    let contacts = tenant.admin.get("/api/v1/contacts?page_size=1").await.expect(200);
    for (client, foreign) in
        [(&other.admin, &tokens[0]), (&tenant.admin, &text(&contacts["next_page_token"]))]
    {
        let answer = client.get(&format!("/api/v1/operations?page_token={foreign}")).await;
        problem(&answer, 400, "PAGE_TOKEN_MISMATCH");
    }
    for bad in ["page_size=0", "page_size=201", "page_token=nonsense", "fields=id"] {
        assert_eq!(tenant.admin.get(&format!("/api/v1/operations?{bad}")).await.status, 400, "{bad}");
    }
}
