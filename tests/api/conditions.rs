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
    // Whatever names no version is refused: to drop it would make the write unconditional.
    for bad in ["4", "W/4", "\"\"", "\"four\"", "\"-4\"", "\"4\", five", "\"4\", *", "\"4\" x", ""] {
        problem(&patch(&tenant, &path, &[bad], "bad").await, 400, "IF_MATCH_MALFORMED");
    }
    problem(&patch(&tenant, &path, &["\"4\"", "x"], "bad").await, 400, "IF_MATCH_MALFORMED");
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

/// Proxies make tags weak when they compress, and clients send every tag that they hold.
#[tokio::test]
async fn if_match_takes_weak_tags_lists_and_several_lines() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("weak").await;
    let path = contact(&tenant, "Weak").await;
    let mut version = 1;
    for good in [
        &["W/\"1\""][..],
        &["\"1\", \"2\""],
        &["W/\"3\", \"99\""],
        &["\"7\"", "W/\"4\""],
        &["\"5-gzip\""],
        &["W/\"6--br\" , \"1\""],
    ] {
        version += 1;
        let title = format!("title {version}");
        assert_eq!(patch(&tenant, &path, good, &title).await.expect(200)["version"], version, "{good:?}");
    }
    for stale in [&["W/\"6\""][..], &["\"5\", \"6\""], &["\"8\"", "\"9\""]] {
        problem(&patch(&tenant, &path, stale, "late").await, 412, "VERSION_STALE");
    }
    // The same in a body; there it merges.
    for (etag, status) in [("W/\"7\"", 200), ("\"8\"", 200), ("9", 200), ("W/9", 422), ("W/\"x\"", 422)] {
        let answer = tenant.admin.patch(&path, json!({"job_title": etag, "etag": etag})).await;
        assert_eq!(answer.status, status, "{etag}: {}", answer.text);
    }
    let read = tenant.admin.get(&path).await;
    let tag = read.header("etag").expect("a tag").to_owned();
    tenant.admin.patch(&path, json!({"job_title": "as read", "etag": tag})).await.expect(200);
    let delete = |condition: &'static str| {
        tenant.admin.call(Method::DELETE, &path).header("if-match", condition).send()
    };
    problem(&delete("W/\"3\", W/\"4\"").await, 412, "VERSION_STALE");
    delete("W/\"3\", W/\"11\"").await.expect(204);
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
    let tag = read_tag(&tenant, &path, 1).await;
    let strong = tag.trim_start_matches("W/").to_owned();
    let get = |held: String| {
        let call = tenant.admin.call(Method::GET, &path).header("if-none-match", &held);
        async move { call.send().await }
    };
    for held in [tag.clone(), strong.clone(), format!("\"7\", {tag}"), "*".to_owned()] {
        let answer = get(held.clone()).await;
        assert_eq!(
            (answer.status, answer.text.as_str(), answer.header("etag")),
            (304, "", Some(tag.as_str())),
            "{held}"
        );
    }
    // The version alone does not name what a read answers.
    for other in ["\"1\"", "W/\"1\"", "\"2\"", "1", "\"11\"", "nonsense"] {
        let answer = get(other.to_owned()).await;
        assert_eq!(
            (answer.expect(200)["version"].as_i64(), answer.header("etag")),
            (Some(1), Some(tag.as_str())),
            "{other}"
        );
    }
    // Another view of the same record is another answer.
    let part = tenant.admin.call(Method::GET, &format!("{path}?fields=id")).header("if-none-match", &tag);
    assert_eq!(part.send().await.expect(200)["id"].as_str(), path.rsplit('/').next());
    tenant.admin.patch(&path, json!({"score": 1})).await.expect(200);
    assert_eq!(get(tag).await.expect(200)["version"], 2);
    // What may not be read is not told apart by what the caller claims to hold.
    let stranger = stage.tenant("held-other").await;
    let answer = stranger.admin.call(Method::GET, &path).header("if-none-match", "*").send().await;
    problem(&answer, 404, "CONTACT_NOT_FOUND");
}

/// The tag that a read of this version gives.
async fn read_tag(tenant: &Tenant, path: &str, version: i64) -> String {
    let answer = tenant.admin.get(path).await;
    assert_eq!(answer.expect(200)["version"], version);
    let tag = answer.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with(&format!("W/\"{version}-")), "{tag}");
    tag
}

#[tokio::test]
async fn the_tag_of_a_read_is_a_condition_of_a_write() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("as-read").await;
    let path = contact(&tenant, "AsRead").await;
    let first = read_tag(&tenant, &path, 1).await;
    let changed = patch(&tenant, &path, &[&first], "one").await;
    assert_eq!((changed.expect(200)["version"].as_i64(), changed.header("etag")), (Some(2), Some("\"2\"")));
    problem(&patch(&tenant, &path, &[&first], "late").await, 412, "VERSION_STALE");
    let second = read_tag(&tenant, &path, 2).await;
    let bare = second.trim_start_matches("W/").to_owned();
    patch(&tenant, &path, &[&bare], "two").await.expect(200);
    for bad in ["W/\"3-1\"", "\"3-1-x\"", "W/\"x-1-0123456789abcdef\"", "W/\"3-1-0123456789abcdef-1\""] {
        problem(&patch(&tenant, &path, &[bad], "bad").await, 400, "IF_MATCH_MALFORMED");
    }
    let last = read_tag(&tenant, &path, 3).await;
    let deleted = tenant.admin.call(Method::DELETE, &path).header("if-match", &last).send().await;
    deleted.expect(204);
}

#[tokio::test]
async fn a_tag_says_what_its_caller_could_see() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("seen").await;
    let path = contact(&tenant, "Seen").await;
    tenant.admin.patch(&path, json!({"job_title": "CTO"})).await.expect(200);
    let reads = json!([{"object": "contact", "actions": ["read"], "scopes": ["all"]}]);
    let hidden = json!([{"object": "contact", "field": "job_title", "access": "none"}]);
    let member = stage.member(&tenant, "reader", reads.clone(), hidden).await;
    let before = member.client.get(&path).await;
    assert!(before.expect(200).get("job_title").is_none_or(serde_json::Value::is_null), "{}", before.text);
    let tag = before.header("etag").expect("a tag").to_owned();
    let again = || member.client.call(Method::GET, &path).header("if-none-match", &tag).send();
    assert_eq!(again().await.status, 304);
    // Somebody else's tag is none of one's own, whatever the versions are.
    let admins = tenant.admin.call(Method::GET, &path).header("if-none-match", &tag).send().await;
    assert_eq!(admins.expect(200)["job_title"], "CTO");
    // The field becomes visible, and the record is as it was.
    let body = json!({"name": "Sees all", "permissions": reads, "fields": []});
    let role = tenant.admin.post("/api/v1/roles", body).await.expect(201);
    let user = format!("/api/v1/users/{}", member.id);
    tenant.admin.patch(&user, json!({"role_ids": [role["id"]]})).await.expect(200);
    let now = crate::waiting::outcome(std::time::Duration::from_secs(10), "the field is seen", async || {
        let now = again().await;
        if now.status == 200 { Ok(now) } else { Err(now.status) }
    })
    .await;
    assert_eq!((&now.json()["job_title"], &now.json()["version"]), (&json!("CTO"), &json!(2)));
}
