//! API keys from their making to their end, and users who are shut out.

use serde_json::json;

use super::problem;
use crate::stage::{Stage, text};

#[tokio::test]
async fn an_api_key_does_what_its_scopes_and_its_owner_may_until_it_is_deleted() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("api-key").await;
    let own = json!([
        {"object": "contact", "actions": ["create", "read"], "scopes": ["own"]},
        {"object": "api_key", "actions": ["create", "read", "delete"], "scopes": ["own"]},
    ]);
    let member = stage.member(&tenant, "owner", own, json!([])).await;
    tenant.admin.post("/api/v1/contacts", json!({"last_name": "Admins"})).await.expect(201);
    member.client.post("/api/v1/contacts", json!({"last_name": "Mine"})).await.expect(201);
    let key =
        |scopes: &[&str]| member.client.post("/api/v1/api-keys", json!({"name": "Key", "scopes": scopes}));
    problem(&key(&["contact.read", "contact.delete"]).await, 403, "SCOPE_EXCEEDS_CALLER");
    problem(&key(&[]).await, 422, "VALIDATION_FAILED");
    let made = key(&["contact.read"]).await.expect(201);
    let client = stage.anonymous.with_token(&text(&made["secret"]));
    // Narrower than its owner in actions, the same in rows.
    let page = client.get("/api/v1/contacts").await.expect(200);
    let names: Vec<String> =
        page["contacts"].as_array().expect("contacts").iter().map(|c| text(&c["last_name"])).collect();
    assert_eq!(names, ["Mine"]);
    problem(&client.post("/api/v1/contacts", json!({"last_name": "X"})).await, 403, "PERMISSION_DENIED");
    problem(&client.get("/api/v1/companies").await, 403, "PERMISSION_DENIED");
    let listed = member.client.get("/api/v1/api-keys").await;
    assert!(!listed.text.contains(&text(&made["secret"])), "the secret is shown once");
    assert_eq!(listed.expect(200)["api_keys"][0]["id"], made["id"]);

    let path = format!("/api/v1/api-keys/{}", text(&made["id"]));
    problem(&tenant.admin.delete(&path).await, 404, "API_KEY_NOT_FOUND");
    member.client.delete(&path).await.expect(204);
    // The deletion returned, so nobody holds the key's permissions any more.
    assert_eq!(client.get("/api/v1/contacts").await.status, 401);
    let mut wrong = text(&made["secret"]);
    wrong.pop();
    wrong.push('!');
    assert_eq!(stage.anonymous.with_token(&wrong).get("/api/v1/contacts").await.status, 401);
}

#[tokio::test]
async fn a_disabled_user_and_its_keys_are_out_when_the_call_returns() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("disable").await;
    let all = json!([{"object": "*", "actions": ["*"], "scopes": ["all"]}]);
    let member = stage.member(&tenant, "leaver", all, json!([])).await;
    let key = member.client.post("/api/v1/api-keys", json!({"name": "K", "scopes": ["contact.read"]})).await;
    let key = stage.anonymous.with_token(&text(&key.expect(201)["secret"]));
    for client in [&member.client, &key] {
        client.get("/api/v1/contacts").await.expect(200);
    }
    tenant.admin.post(&format!("/api/v1/users/{}:disable", member.id), json!({})).await.expect(200);
    for client in [&member.client, &key] {
        let answers = [
            client.get("/api/v1/contacts").await,
            client.get("/api/v1/me").await,
            client.post("/api/v1/contacts", json!({"last_name": "Late"})).await,
        ];
        for answer in answers {
            assert!(matches!(answer.status, 401 | 403), "{} {}", answer.status, answer.text);
        }
    }
    let login =
        json!({"organization": tenant.slug, "email": member.email, "password": crate::stage::PASSWORD});
    problem(&stage.anonymous.post("/api/v1/auth/login", login.clone()).await, 401, "CREDENTIALS_INVALID");
    tenant.admin.post(&format!("/api/v1/users/{}:enable", member.id), json!({})).await.expect(200);
    stage.anonymous.post("/api/v1/auth/login", login).await.expect(200);
}

#[tokio::test]
async fn a_narrowed_role_holds_when_the_call_returns() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("narrow").await;
    let wide = json!([{"object": "contact", "actions": ["create", "read"], "scopes": ["all"]}]);
    let member = stage.member(&tenant, "rep", wide, json!([])).await.client;
    let before = member.get("/api/v1/contacts").await;
    before.expect(200);
    let roles = tenant.admin.get("/api/v1/roles").await.expect(200);
    let role = roles["roles"]
        .as_array()
        .expect("roles")
        .iter()
        .find(|r| text(&r["name"]).starts_with("rep "))
        .expect("the role");
    let narrow = json!({"permissions": [{"object": "contact", "actions": ["read"], "scopes": ["own"]}]});
    tenant.admin.patch(&format!("/api/v1/roles/{}", text(&role["id"])), narrow).await.expect(200);
    problem(&member.post("/api/v1/contacts", json!({"last_name": "X"})).await, 403, "PERMISSION_DENIED");
    let after = member.get("/api/v1/contacts").await;
    after.expect(200);
    let version = |a: &crate::client::Answer| {
        a.header("permission-version").and_then(|v| v.parse::<i64>().ok()).expect("a version")
    };
    assert!(version(&after) > version(&before));
}
