//! ETag, If-Match and If-None-Match.

use reqwest::Method;
use serde_json::json;

use super::{contact, problem};
use crate::client::Answer;
use crate::stage::{Stage, Tenant};

async fn patch(tenant: &Tenant, path: &str, conditions: &[&str], title: &str) -> Answer {
    let mut call = tenant.admin.call(Method::PATCH, path);
    for condition in conditions {
        call = call.header("if-match", condition);
    }
    call.json(&json!({"job_title": title})).send().await
}

#[tokio::test]
async fn if_match_decides_whether_a_change_is_made() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("match").await;
    let path = contact(&tenant, "Match").await;
    assert_eq!(patch(&tenant, &path, &[], "one").await.expect(200)["version"], 2);
    let current = patch(&tenant, &path, &["\"2\""], "two").await;
    assert_eq!((current.expect(200)["version"].as_i64(), current.header("etag")), (Some(3), Some("\"3\"")));
    assert_eq!(patch(&tenant, &path, &["*"], "three").await.expect(200)["version"], 4);
    let stale = patch(&tenant, &path, &["\"2\""], "late").await;
    problem(&stale, 412, "VERSION_STALE");
    let conflict = json!([{"field": "job_title", "base": "one", "yours": "late", "current": "three"}]);
    assert_eq!(stale.json()["conflicts"], conflict);
    problem(&patch(&tenant, &path, &["\"99\""], "early").await, 412, "VERSION_STALE");
    // Whatever is not one strong tag is refused: to drop it would make the write unconditional.
    for bad in ["4", "W/\"4\"", "\"\"", "\"four\"", "\"-4\"", "\"4\", \"5\"", "\"4\" x", ""] {
        problem(&patch(&tenant, &path, &[bad], "bad").await, 400, "IF_MATCH_MALFORMED");
    }
    problem(&patch(&tenant, &path, &["\"9\"", "\"4\""], "bad").await, 400, "IF_MATCH_MALFORMED");
    let latin1 = tenant.admin.call(Method::PATCH, &path).raw_header("if-match", b"\"4\xe9\"");
    problem(&latin1.json(&json!({"job_title": "bad"})).send().await, 400, "IF_MATCH_MALFORMED");
    let now = tenant.admin.get(&path).await.expect(200);
    assert_eq!((&now["job_title"], &now["version"]), (&json!("three"), &json!(4)));

    let delete = |condition: &'static str| {
        tenant.admin.call(Method::DELETE, &path).header("if-match", condition).send()
    };
    problem(&delete("\"3\"").await, 412, "VERSION_STALE");
    problem(&delete("nonsense").await, 400, "IF_MATCH_MALFORMED");
    delete("\"4\"").await.expect(204);
    problem(&patch(&tenant, &path, &["*"], "gone").await, 404, "CONTACT_NOT_FOUND");
}

#[tokio::test]
async fn of_changes_under_the_same_condition_exactly_one_wins() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("race").await;
    let path = contact(&tenant, "Race").await;
    let titles: Vec<String> = (0..8).map(|n| format!("title {n}")).collect();
    let calls = titles.iter().map(|title| patch(&tenant, &path, &["\"1\""], title));
    let mut statuses: Vec<u16> =
        futures_util::future::join_all(calls).await.iter().map(|a| a.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    assert_eq!(tenant.admin.get(&path).await.expect(200)["version"], 2);
}

#[tokio::test]
async fn if_none_match_spares_what_the_client_holds() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("held").await;
    let path = contact(&tenant, "Held").await;
    let get = |held: &'static str| tenant.admin.call(Method::GET, &path).header("if-none-match", held).send();
    for held in ["\"1\"", "W/\"1\"", "\"7\", \"1\"", "*"] {
        let answer = get(held).await;
        assert_eq!(
            (answer.status, answer.text.as_str(), answer.header("etag")),
            (304, "", Some("\"1\"")),
            "{held}"
        );
    }
    for other in ["\"2\"", "1", "\"11\"", "nonsense"] {
        let answer = get(other).await;
        assert_eq!(
            (answer.expect(200)["version"].as_i64(), answer.header("etag")),
            (Some(1), Some("\"1\"")),
            "{other}"
        );
    }
    tenant.admin.patch(&path, json!({"score": 1})).await.expect(200);
    assert_eq!(get("\"1\"").await.expect(200)["version"], 2);
    // What may not be read is not told apart by what the caller claims to hold.
    let stranger = stage.tenant("held-other").await;
    let answer = stranger.admin.call(Method::GET, &path).header("if-none-match", "*").send().await;
    problem(&answer, 404, "CONTACT_NOT_FOUND");
}
