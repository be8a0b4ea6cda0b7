//! One problem of every kind, and the headers that tell a client what to do about it.

use reqwest::Method;
use serde_json::json;

use super::{contact, problem};
use crate::client::Answer;
use crate::stage::{Stage, text};

const RANDOM: &str = "/api/v1/contacts/01890a5d-ac96-774b-bcce-b302099a8057";

#[tokio::test]
async fn every_kind_of_refusal_is_a_whole_problem() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("refused").await;
    let reader = json!([{"object": "contact", "actions": ["read"], "scopes": ["all"]}]);
    let reader = stage.member(&tenant, "reader", reader, json!([])).await.client;
    let admin = &tenant.admin;
    let path = contact(&tenant, "Refused").await;
    let post =
        |body: &str, kind: &str| admin.call(Method::POST, "/api/v1/contacts").bytes(kind, body.into()).send();
    let stale =
        admin.call(Method::PATCH, &path).header("if-match", "\"7\"").json(&json!({"score": 1})).send();
    let packed = admin.call(Method::POST, "/api/v1/contacts").header("content-encoding", "gzip");
    let packed = packed.bytes("application/json", vec![0x1f, 0x8b]).send().await;
    let large = format!("{{\"last_name\":\"{}\"}}", "x".repeat(1 << 20));
    let again = json!({"organization": "R", "slug": tenant.slug, "email": "r@r.test", "display_name": "R",
                       "password": crate::stage::PASSWORD});
    let cases: Vec<(Answer, u16, &str)> = vec![
        (post("{", "application/json").await, 400, "JSON_MALFORMED"),
        (admin.get("/api/v1/contacts?colour=red").await, 400, "QUERY_MALFORMED"),
        (admin.get("/api/v1/contacts?filter=last_name+%3D").await, 400, "FILTER_INVALID"),
        (admin.get("/api/v1/contacts/%ff").await, 400, "PATH_MALFORMED"),
        (stage.anonymous.get(&path).await, 401, "CREDENTIALS_MISSING"),
        (stage.anonymous.with_token("nonsense").get(&path).await, 401, "TOKEN_INVALID"),
        (reader.post("/api/v1/contacts", json!({"last_name": "X"})).await, 403, "PERMISSION_DENIED"),
        (admin.get(RANDOM).await, 404, "CONTACT_NOT_FOUND"),
        (admin.call(Method::PUT, &path).send().await, 405, "METHOD_NOT_ALLOWED"),
        (stage.anonymous.post("/api/v1/signup", again).await, 409, "SLUG_TAKEN"),
        (stale.await, 412, "VERSION_STALE"),
        (post(&large, "application/json").await, 413, "BODY_TOO_LARGE"),
        (post("last_name=X", "application/x-www-form-urlencoded").await, 415, "CONTENT_TYPE_UNSUPPORTED"),
        (packed, 415, "CONTENT_ENCODING_UNSUPPORTED"),
        (post("{\"score\":\"high\"}", "application/json").await, 422, "VALIDATION_FAILED"),
    ];
    for (answer, status, reason) in &cases {
        problem(answer, *status, reason);
        let page = stage.anonymous.get(&text(&answer.json()["type"])).await;
        assert_eq!(page.status, 200, "{reason} has no page");
        assert!(page.text.contains(&format!("a problem with status {status}")), "{reason}: {}", page.text);
    }
    let by = |reason: &str| cases.iter().find(|(_, _, r)| *r == reason).map(|(a, _, _)| a).expect("a case");
    let denied = by("PERMISSION_DENIED").json();
    assert!(denied["detail"].as_str().is_some_and(|d| d.contains("contact")), "{denied}");
    let missing = by("CREDENTIALS_MISSING").header("www-authenticate");
    assert_eq!(missing, Some("Bearer realm=\"globcrm\""));
    let invalid = by("TOKEN_INVALID").header("www-authenticate");
    assert_eq!(invalid, Some("Bearer realm=\"globcrm\", error=\"invalid_token\""));
    assert_eq!(by("CONTENT_ENCODING_UNSUPPORTED").header("accept-encoding"), Some("identity"));
    assert_eq!(by("VALIDATION_FAILED").violations(), [("/score".to_owned(), "TYPE_MISMATCH".to_owned())]);
    // Nothing was written by any of them.
    let list = admin.get("/api/v1/contacts?count=exact").await.expect(200);
    assert_eq!(list["total"]["value"], 1, "{list}");
}

#[tokio::test]
async fn a_request_id_is_taken_as_it_is_and_replaced_when_it_cannot_be_one() {
    let stage = Stage::shared().await;
    let longest = "a".repeat(128);
    let call = async |ids: &[&str]| {
        let mut call = stage.anonymous.call(Method::GET, "/api/v1/me");
        for id in ids {
            call = call.header("x-request-id", id);
        }
        call.send().await
    };
    let uuid = "01890A5D-ac96-774b-bcce-b302099a8057";
    for id in [uuid, "01890a5d-ac96-774b-bcce-b302099a8057", "mine", "req_7Hk2.9f:3-1", "0", longest.as_str()]
    {
        let taken = call(&[id]).await;
        assert_eq!(taken.header("x-request-id"), Some(id));
        problem(&taken, 401, "CREDENTIALS_MISSING");
    }
    let mut seen = std::collections::BTreeSet::new();
    let long = "a".repeat(129);
    for bad in ["", "x\"; drop", "a b", "a=b", "a/b", "a,b", long.as_str()] {
        let answer = call(&[bad]).await;
        let made = answer.header("x-request-id").expect("an id");
        assert!(uuid::Uuid::try_parse(made).is_ok() && made != bad, "{bad} -> {made}");
        assert!(bad.is_empty() || !answer.text.contains(bad), "{bad} -> {}", answer.text);
        assert!(seen.insert(made.to_owned()), "{made} was given twice");
    }
    let twice = call(&["one", "two"]).await;
    assert!(twice.header("x-request-id").is_some_and(|id| uuid::Uuid::try_parse(id).is_ok()));
    let made = stage.anonymous.get("/healthz").await;
    assert!(made.header("x-request-id").is_some_and(|id| uuid::Uuid::try_parse(id).is_ok()));
}

#[tokio::test]
async fn json_is_taken_strictly_and_accept_does_not_change_the_answer() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("strict").await;
    let post = |body: &'static str| {
        tenant
            .admin
            .call(Method::POST, "/api/v1/contacts")
            .bytes("application/json", body.as_bytes().to_vec())
            .send()
    };
    for bad in [
        "{\"last_name\":\"A\",}",
        "{\"last_name\":\"A\"} {}",
        "{'last_name':'A'}",
        "{\"last_name\":\"A\",\"last_name\":\"B\"}",
        "{\"score\":NaN}",
        "{\"score\":01}",
        "{\"last_name\":\"\\ud800\"}",
        "{\"last_name\":\"\u{1}\"}",
        "[]",
        "null",
        "\u{feff}{\"last_name\":\"A\"}",
    ] {
        let answer = post(bad).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    let invalid = tenant.admin.call(Method::POST, "/api/v1/contacts");
    let invalid = invalid.bytes("application/json", b"{\"last_name\":\"\xff\"}".to_vec()).send().await;
    assert_eq!(invalid.status, 400, "{}", invalid.text);
    for (body, pointer) in [
        ("{\"lastName\":\"A\"}", "/lastName"),
        ("{\"score\":9007199254740993}", "/score"),
        ("{\"score\":1.5}", "/score"),
        ("{\"do_not_call\":\"true\"}", "/do_not_call"),
        ("{\"lifecycle\":\"LEAD\"}", "/lifecycle"),
        ("{\"last_name\":\"a\\u0000b\"}", "/last_name"),
    ] {
        let answer = post(body).await;
        problem(&answer, 422, "VALIDATION_FAILED");
        assert_eq!(
            answer.violations().iter().map(|(p, _)| p.as_str()).collect::<Vec<_>>(),
            [pointer],
            "{body}"
        );
    }
    let call = tenant.admin.call(Method::GET, "/api/v1/contacts").header("accept", "text/html");
    let answer = call.send().await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
}
