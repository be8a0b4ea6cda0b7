//! Idempotency-Key under concurrency, across principals, and where it is not taken.

use reqwest::Method;
use serde_json::{Value, json};

use super::problem;
use crate::stage::{PASSWORD, Stage, text};

#[tokio::test]
async fn of_calls_with_one_key_at_the_same_time_one_makes_the_record() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("key").await;
    let body = json!({"last_name": "Once"});
    let create = |key: &'static str| {
        tenant.admin.call(Method::POST, "/api/v1/contacts").header("idempotency-key", key).json(&body).send()
    };
    let answers = futures_util::future::join_all((0..16).map(|_| create("together"))).await;
    let mut first = Vec::new();
    for answer in &answers {
        match (answer.status, answer.header("idempotency-replayed")) {
            (201, None) => first.push(answer.json()),
            (201, Some("true")) => {}
            (409, None) => {
                problem(answer, 409, "IDEMPOTENCY_KEY_IN_USE");
                assert!(answer.header("retry-after").is_some());
            }
            _ => panic!("{} {}", answer.status, answer.text),
        }
    }
    assert_eq!(first.len(), 1, "one call alone did the work");
    for answer in answers.iter().filter(|a| a.status == 201) {
        assert_eq!(answer.json(), first[0]);
        assert_eq!(answer.header("etag"), Some("\"1\""));
        assert_eq!(
            answer.header("location"),
            Some(format!("/api/v1/contacts/{}", text(&first[0]["id"])).as_str())
        );
    }
    let list = tenant.admin.get("/api/v1/contacts?count=exact").await.expect(200);
    assert_eq!(list["total"]["value"], 1, "{list}");
    assert_eq!(create("together").await.expect(201), first[0]);
}

#[tokio::test]
async fn a_key_belongs_to_its_principal_and_its_request() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("key-of").await;
    let all = json!([{"object": "contact", "actions": ["create", "read"], "scopes": ["all"]}]);
    let member = stage.member(&tenant, "member", all, json!([])).await.client;
    let post = |client: &crate::client::Client, path: &str, body: Value| {
        client.call(Method::POST, path).header("idempotency-key", "same").json(&body).send()
    };
    let body = json!({"last_name": "Mine"});
    let mine = post(&tenant.admin, "/api/v1/contacts", body.clone()).await.expect(201);
    let theirs = post(&member, "/api/v1/contacts", body.clone()).await;
    assert_ne!(theirs.expect(201)["id"], mine["id"]);
    assert_eq!(theirs.header("idempotency-replayed"), None);
    // The order of members and white space are not another request; another value is.
    let spaced = tenant.admin.call(Method::POST, "/api/v1/contacts").header("idempotency-key", "same");
    let spaced = spaced.bytes("application/json", b" { \"last_name\" : \"Mine\" } ".to_vec()).send().await;
    assert_eq!(spaced.expect(201)["id"], mine["id"]);
    problem(
        &post(&tenant.admin, "/api/v1/contacts", json!({"last_name": "Other"})).await,
        422,
        "IDEMPOTENCY_KEY_REUSED",
    );
    // Another operation has keys of its own.
    post(&tenant.admin, "/api/v1/companies", json!({"name": "Same"})).await.expect(201);
    // A refused call keeps nothing: the corrected one may use the key.
    let refused = tenant.admin.call(Method::POST, "/api/v1/contacts").header("idempotency-key", "second");
    problem(&refused.json(&json!({})).send().await, 422, "VALIDATION_FAILED");
    let corrected = tenant.admin.call(Method::POST, "/api/v1/contacts").header("idempotency-key", "second");
    corrected.json(&json!({"last_name": "Corrected"})).send().await.expect(201);
}

#[tokio::test]
async fn a_key_that_is_none_or_not_taken_is_refused() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("key-bad").await;
    let long = "k".repeat(256);
    for bad in ["", "two words", long.as_str()] {
        let call = tenant.admin.call(Method::POST, "/api/v1/contacts").header("idempotency-key", bad);
        problem(&call.json(&json!({"last_name": "K"})).send().await, 400, "IDEMPOTENCY_KEY_MALFORMED");
    }
    let twice = tenant.admin.call(Method::POST, "/api/v1/contacts").header("idempotency-key", "a");
    let twice = twice.header("idempotency-key", "b").json(&json!({"last_name": "K"})).send().await;
    problem(&twice, 400, "IDEMPOTENCY_KEY_MALFORMED");
    // Answers that hold a secret are kept nowhere.
    let login = json!({"organization": tenant.slug, "email": format!("admin@{}.test", tenant.slug), "password": PASSWORD});
    let secret = stage.anonymous.call(Method::POST, "/api/v1/auth/login").header("idempotency-key", "a");
    problem(&secret.json(&login).send().await, 400, "IDEMPOTENCY_KEY_NOT_SUPPORTED");
    let list = tenant.admin.get("/api/v1/contacts?count=exact").await.expect(200);
    assert_eq!(list["total"]["value"], 0, "{list}");
}
