//! What proxies make of tags, ids and paths on their way.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Wrong, define, made};
use crate::client::{Answer, Client};
use crate::stage::{Stage, text};

async fn patch(client: &Client, path: &str, conditions: &[&str], body: Value) -> Answer {
    let mut call = client.call(Method::PATCH, path);
    for condition in conditions {
        call = call.header("if-match", condition);
    }
    call.json(&body).send().await
}

#[tokio::test]
async fn weak_tags_and_lists_are_conditions_of_any_record() {
    let tenant = Stage::shared().await.tenant("f-if-match").await;
    let admin = &tenant.admin;
    let contact = made(&admin.post("/api/v1/contacts", json!({"last_name": "1"})).await).1;
    let company = made(&admin.post("/api/v1/companies", json!({"name": "1"})).await).1;
    let note = made(&admin.post("/api/v1/notes", json!({"body": "1"})).await).1;
    let mut wrong = Wrong::default();
    for (path, member) in [(&contact, "last_name"), (&company, "name"), (&note, "body")] {
        let good: [&[&str]; 5] = [
            &["W/\"1\""],
            &["\"77\", W/\"2\""],
            &["W/\"77\"", "\"3\""],
            &["\"4\" ,\"5\",\t\"6\""],
            &["W/\"5\", W/\"4\", W/\"3\""],
        ];
        for (n, conditions) in good.iter().enumerate() {
            let answer = patch(admin, path, conditions, json!({member: format!("good {n}")})).await;
            let right = answer.status == 200 && answer.json()["version"] == n + 2;
            wrong.unless(right, || format!("{path} {conditions:?}: {} {}", answer.status, answer.text));
            if !right {
                // The next condition is about the version that it would have made.
                admin.patch(path, json!({member: format!("good {n}")})).await.expect(200);
            }
        }
        let stale: [&[&str]; 3] = [&["W/\"5\""], &["\"1\", \"77\""], &["W/\"1\"", "W/\"2\""]];
        for conditions in stale {
            let answer = patch(admin, path, conditions, json!({member: "stale"})).await;
            let right = answer.status == 412 && answer.text.contains("VERSION_STALE");
            wrong.unless(right, || format!("{path} {conditions:?}: {} {}", answer.status, answer.text));
        }
        // Whatever names no version must not be an unconditional write.
        for bad in ["W/6", "W/", "\"6\" \"7\"", "*, \"6\"", "\"six\"", "W/\"\"", "\"6"] {
            let answer = patch(admin, path, &[bad], json!({member: "bad"})).await;
            let right = answer.status == 400 && answer.text.contains("IF_MATCH_MALFORMED");
            wrong.unless(right, || format!("{path} {bad}: {} {}", answer.status, answer.text));
        }
        let stale = admin.call(Method::DELETE, path).header("if-match", "W/\"5\", \"7\"").send().await;
        wrong.unless(stale.status == 412, || format!("{path}: {} {}", stale.status, stale.text));
        let gone = admin.call(Method::DELETE, path).header("if-match", "\"7\", W/\"6\"").send().await;
        wrong.unless(gone.status == 204, || format!("{path}: {} {}", gone.status, gone.text));
    }
    wrong.none();
}

#[tokio::test]
async fn a_weak_tag_in_a_body_merges_as_a_strong_one_does() {
    let tenant = Stage::shared().await.tenant("f-etag").await;
    let (_, path) = made(&tenant.admin.post("/api/v1/contacts", json!({"last_name": "E"})).await);
    let write =
        |member: &str, value: &str| tenant.admin.patch(&path, json!({"etag": "W/\"1\"", member: value}));
    write("job_title", "CTO").await.expect(200);
    let now = write("department", "R&D").await.expect(200);
    assert_eq!((&now["job_title"], &now["department"]), (&json!("CTO"), &json!("R&D")));
    write("job_title", "CFO").await.refused(409, "EDIT_CONFLICT");
}

#[tokio::test]
async fn a_request_id_of_another_system_is_taken() {
    let stage = Stage::shared().await;
    let ask = |id: &str| stage.anonymous.call(Method::GET, "/api/v1/me").header("x-request-id", id).send();
    let longest = "x".repeat(128);
    let mut wrong = Wrong::default();
    for id in ["7", "job_12:step-3.retry", "Root:1-67891233-abcdef012345678912345678", longest.as_str()] {
        let answer = ask(id).await;
        let named = answer.json()["instance"].as_str().is_some_and(|instance| instance.ends_with(id));
        wrong.unless(answer.header("x-request-id") == Some(id) && named, || format!("{id}: {answer:?}"));
    }
    let longer = "x".repeat(129);
    for id in ["a b", "a\"b", "a/b", "a=b;c", longer.as_str()] {
        let taken = ask(id).await.header("x-request-id").map(str::to_owned);
        let is_made = taken.as_deref().is_some_and(|made| made != id && uuid::Uuid::try_parse(made).is_ok());
        wrong.unless(is_made, || format!("{id}: {taken:?}"));
    }
    wrong.none();
}

#[tokio::test]
async fn the_colon_before_any_verb_may_be_encoded() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("f-verbs").await;
    let admin = &tenant.admin;
    let field = define(&tenant, "nick", "text", json!({})).await;
    let company = made(&admin.post("/api/v1/companies", json!({"name": "V"})).await).1;
    let note = made(&admin.post("/api/v1/notes", json!({"body": "V"})).await).1;
    for path in [&company, &note] {
        admin.delete(path).await.expect(204);
    }
    let user = json!({"email": "v@x.test", "display_name": "V", "role_ids": []});
    let user = format!("/api/v1/users/{}", text(&admin.post("/api/v1/users", user).await.expect(201)["id"]));
    let field = format!("/api/v1/objects/contact/fields/{}", text(&field["id"]));
    let mut wrong = Wrong::default();
    for (path, status) in [
        (format!("{company}%3Arestore"), 200),
        (format!("{note}%3arestore"), 200),
        (format!("{user}%3Aresend-invitation"), 200),
        (format!("{user}%3adisable"), 200),
        (format!("{field}%3Adeprecate"), 200),
        (format!("{field}%3Aarchive"), 200),
        (format!("{company}%3Arestore"), 409),
    ] {
        let answer = admin.post(&path, json!({})).await;
        wrong.unless(answer.status == status, || format!("{path}: {} {}", answer.status, answer.text));
    }
    let token = json!({"token": "nothing", "password": "correct-horse-battery", "display_name": "V"});
    let answer = stage.anonymous.post("/api/v1/invitations%3Aaccept", token).await;
    wrong.unless(answer.status == 401, || format!("accept: {} {}", answer.status, answer.text));
    // Nothing is decoded twice, and what is no verb does not become one.
    for other in ["%253Arestore", "%3Afly", "%3A"] {
        let answer = admin.post(&format!("{company}{other}"), json!({})).await;
        wrong.unless(matches!(answer.status, 404 | 405), || {
            format!("{other}: {} {}", answer.status, answer.text)
        });
    }
    wrong.none();
}
