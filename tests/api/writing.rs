//! PATCH, DELETE and restore as the contract has them.

use reqwest::Method;
use serde_json::{Value, json};

use super::{contact, problem};
use crate::stage::{Stage, text};

#[tokio::test]
async fn a_patch_changes_what_is_sent_clears_what_is_null_and_keeps_the_rest() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("patch").await;
    let admin = &tenant.admin;
    let body = json!({"first_name": "Ann", "last_name": "Bee", "job_title": "CTO", "score": 5, "do_not_call": true,
                      "tags": ["a", "b"], "emails": [{"address": "ann@bee.test"}], "birthday": "1990-02-28"});
    let made = admin.post("/api/v1/contacts", body).await.expect(201);
    let path = format!("/api/v1/contacts/{}", text(&made["id"]));

    let change = json!({"job_title": null, "score": null, "tags": ["c"], "first_name": "Anna"});
    let now = admin.patch(&path, change).await.expect(200);
    for (member, value) in [
        ("job_title", Value::Null),
        ("score", Value::Null),
        ("tags", json!(["c"])),
        ("first_name", json!("Anna")),
        ("last_name", json!("Bee")),
        ("full_name", json!("Anna Bee")),
        ("do_not_call", json!(true)),
        ("birthday", json!("1990-02-28")),
        ("version", json!(2)),
    ] {
        assert_eq!(now[member], value, "{member}: {now}");
    }
    assert_eq!(now["emails"][0]["address"], "ann@bee.test");
    // Null empties a list, and a switch goes back to its default.
    let now = admin.patch(&path, json!({"tags": null, "do_not_call": null, "emails": []})).await.expect(200);
    assert_eq!((&now["tags"], &now["do_not_call"], &now["emails"]), (&json!([]), &json!(false), &json!([])));
    // Nothing changed: no new version.
    for same in [json!({}), json!({"first_name": "Anna"}), json!({"version": 1, "id": "x"})] {
        assert_eq!(admin.patch(&path, same.clone()).await.expect(200)["version"], 3, "{same}");
    }
    let merge =
        admin.call(Method::PATCH, &path).bytes("application/merge-patch+json", b"{\"score\":1}".to_vec());
    assert_eq!(merge.send().await.expect(200)["score"], 1);
    let answer = admin.patch(&path, json!({"nosuch": null})).await;
    problem(&answer, 422, "VALIDATION_FAILED");
    // What a contact cannot be without cannot be taken away by a patch either.
    problem(
        &admin.patch(&path, json!({"first_name": null, "last_name": null})).await,
        422,
        "VALIDATION_FAILED",
    );
    assert_eq!(admin.get(&path).await.expect(200)["full_name"], "Anna Bee");
}

#[tokio::test]
async fn a_record_is_deleted_once_and_restored_once() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("delete").await;
    let admin = &tenant.admin;
    let path = contact(&tenant, "Twice").await;
    problem(&admin.post(&format!("{path}:restore"), json!({})).await, 409, "CONTACT_NOT_DELETED");
    assert_eq!(admin.delete(&path).await.text, "");
    problem(&admin.delete(&path).await, 404, "CONTACT_NOT_FOUND");
    problem(&admin.get(&path).await, 404, "CONTACT_NOT_FOUND");
    problem(&admin.patch(&path, json!({"score": 1})).await, 404, "CONTACT_NOT_FOUND");
    let restored = admin.post(&format!("{path}:restore"), json!({})).await.expect(200);
    assert_eq!((&restored["deleted_at"], &restored["last_name"]), (&Value::Null, &json!("Twice")));
    problem(&admin.post(&format!("{path}:restore"), json!({})).await, 409, "CONTACT_NOT_DELETED");
    admin.get(&path).await.expect(200);
}

#[tokio::test]
async fn what_is_unique_is_checked_again_when_a_record_comes_back() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("unique").await;
    let admin = &tenant.admin;
    let company = |name: &str| json!({"name": name, "domains": ["acme.test"]});
    let first = admin.post("/api/v1/companies", company("First")).await.expect(201);
    let taken = admin.post("/api/v1/companies", company("Second")).await;
    problem(&taken, 409, "DUPLICATE_VALUE");
    assert_eq!(taken.json()["candidates"], json!([first["id"]]));
    let path = format!("/api/v1/companies/{}", text(&first["id"]));
    admin.delete(&path).await.expect(204);
    let second = admin.post("/api/v1/companies", company("Second")).await.expect(201);
    let back = admin.post(&format!("{path}:restore"), json!({})).await;
    problem(&back, 409, "DUPLICATE_VALUE");
    assert_eq!(back.json()["candidates"], json!([second["id"]]));
    admin.delete(&format!("/api/v1/companies/{}", text(&second["id"]))).await.expect(204);
    admin.post(&format!("{path}:restore"), json!({})).await.expect(200);
}
