//! An address that another contact has.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Wrong, made};
use crate::client::{Answer, Client};
use crate::stage::{Stage, text};

async fn create(client: &Client, addresses: &[&str], parameters: &str) -> Answer {
    let emails: Vec<Value> = addresses.iter().map(|address| json!({"address": address})).collect();
    client.post(&format!("/api/v1/contacts{parameters}"), json!({"last_name": "D", "emails": emails})).await
}

#[tokio::test]
async fn one_address_is_one_contact_however_it_is_written() {
    let tenant = Stage::shared().await.tenant("f-duplicates").await;
    let first = create(&tenant.admin, &["zoë.b@bücher.test", "zoe@x.test"], "").await;
    let (first, path) = if first.status == 201 {
        made(&first)
    } else {
        made(&create(&tenant.admin, &["zoe.b@bücher.test", "zoe@x.test"], "").await)
    };
    let mut wrong = Wrong::default();
    for addresses in [
        &["ZOE@X.Test"][..],
        &["new@x.test", "Zoe@x.test"],
        &[" zoe@x.test "],
        &[text(&first["emails"][0]["address"]).as_str()],
    ] {
        let answer = create(&tenant.admin, addresses, "").await;
        let right = answer.status == 409
            && answer.text.contains("\"DUPLICATE\"")
            && answer.json()["candidates"] == json!([first["id"]]);
        wrong.unless(right || answer.status == 422, || {
            format!("{addresses:?}: {} {}", answer.status, answer.text)
        });
    }
    // Nobody else: another address, no address, somebody of another organisation.
    for addresses in [&["zoe@y.test"][..], &[], &["zoe+2@x.test"]] {
        let answer = create(&tenant.admin, addresses, "").await;
        wrong.unless(answer.status == 201, || format!("{addresses:?}: {}", answer.text));
    }
    let other = Stage::shared().await.tenant("f-duplicates-other").await;
    let answer = create(&other.admin, &["zoe@x.test"], "").await;
    wrong.unless(answer.status == 201, || format!("another organisation: {}", answer.text));
    // The trash is not in the way, and whoever means it may.
    let meant = create(&tenant.admin, &["zoe@x.test"], "?allow_duplicates=true").await;
    wrong.unless(meant.status == 201, || format!("meant: {} {}", meant.status, meant.text));
    if let Some(second) = meant.header("location") {
        tenant.admin.delete(second).await.expect(204);
    }
    tenant.admin.delete(&path).await.expect(204);
    let answer = create(&tenant.admin, &["zoe@x.test"], "").await;
    wrong.unless(answer.status == 201, || format!("after the trash: {}", answer.text));
    wrong.none();
}

#[tokio::test]
async fn of_equal_contacts_at_the_same_moment_one_is_made() {
    let tenant = Stage::shared().await.tenant("f-duplicates-race").await;
    let addresses = ["Same@x.test", "same@X.test", "SAME@x.test", "same@x.test"];
    let calls = addresses.into_iter().map(|address| {
        let tenant = &tenant;
        async move { create(&tenant.admin, &[address], "").await.status }
    });
    let mut statuses = futures_util::future::join_all(calls).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
}

/// A contact is no duplicate of itself: who did not hear the answer hears it now.
#[tokio::test]
async fn a_lost_answer_is_not_a_duplicate() {
    let tenant = Stage::shared().await.tenant("f-duplicates-replay").await;
    let post = || {
        let body = json!({"last_name": "R", "emails": [{"address": "r@x.test"}]});
        tenant.admin.call(Method::POST, "/api/v1/contacts").header("idempotency-key", "r").json(&body).send()
    };
    let first = post().await.expect(201);
    let again = post().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "{}", again.text);
    assert_eq!(again.expect(201), first);
    create(&tenant.admin, &["r@x.test"], "").await.refused(409, "DUPLICATE");
}

#[tokio::test]
async fn nobody_learns_of_contacts_that_they_do_not_see() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("f-duplicates-hidden").await;
    let own = json!([{"object": "contact", "actions": ["create", "read"], "scopes": ["own"]}]);
    let member = stage.member(&tenant, "own", own, json!([])).await.client;
    let hidden = text(&create(&tenant.admin, &["h@x.test"], "").await.expect(201)["id"]);
    let answer = create(&member, &["h@x.test"], "").await;
    assert!(!answer.text.contains(&hidden), "{}", answer.text);
    let mine = create(&member, &["m@x.test"], "").await.expect(201);
    let problem = create(&member, &["h@x.test", "m@x.test"], "").await.refused(409, "DUPLICATE");
    let candidates = problem["candidates"].as_array().expect("candidates");
    assert!(candidates.contains(&mine["id"]) && !candidates.contains(&json!(hidden)), "{problem}");
}
