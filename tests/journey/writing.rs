//! Steps 3 and 5: the import, and one contact from its creation to its restoration.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::Journey;
use super::export::{Encoding, Export, MAPPING, export};
use crate::client::Client;
use crate::stage::text;
use crate::waiting;

/// What the imports made.
pub struct Imported {
    pub contacts: usize,
}

/// The body of an import of this upload.
pub fn import_body(upload: &str, policy: &str) -> Value {
    let mapping: Vec<Value> =
        MAPPING.iter().map(|(column, field)| json!({"column": column, "field": field})).collect();
    json!({"upload_id": upload, "object": "contact", "mapping": mapping, "duplicate_policy": policy})
}

pub async fn upload(client: &Client, bytes: &[u8]) -> String {
    let answer = client.call(Method::POST, "/api/v1/uploads").bytes("text/csv", bytes.to_vec()).send().await;
    let upload = answer.expect(201);
    assert_eq!(upload["size"], bytes.len());
    text(&upload["id"])
}

/// Asks for an operation until it is over. 10,000 deals take half a minute, and minutes on a machine that does much else.
pub async fn finished(client: &Client, id: &str) -> Value {
    let path = format!("/api/v1/operations/{id}");
    waiting::outcome(Duration::from_secs(400), "the operation is over", async || {
        let operation = client.get(&path).await.expect(200);
        match operation["state"].as_str() {
            Some("queued" | "running") => Err(operation),
            _ => Ok(operation),
        }
    })
    .await
}

/// Compares what an import did with what its file demands.
pub fn check(operation: &Value, export: &Export) {
    assert_eq!(operation["state"], "succeeded", "{operation}");
    let result = &operation["result"];
    assert_eq!(result["created"], export.good, "{operation}");
    assert_eq!(result["skipped"], export.duplicates, "{operation}");
    assert_eq!(result["failed"], export.errors.len(), "{operation}");
    let errors: BTreeSet<(u64, String, String)> = operation["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| (e["line"].as_u64().unwrap_or_default(), text(&e["column"]), text(&e["reason"])))
        .collect();
    assert_eq!(errors, export.errors);
}

/// Step 3: 2,000 rows in four encodings.
pub async fn import_2000(journey: &Journey) -> Imported {
    let admin = &journey.a.admin;
    let mut contacts = 0;
    for (n, encoding) in
        [Encoding::Utf8, Encoding::Utf8WithBom, Encoding::Utf16LittleEndian, Encoding::Windows1252]
            .into_iter()
            .enumerate()
    {
        let export = export(500, &format!("file{n}"), encoding, n as u64 + 1);
        let upload = upload(admin, &export.bytes).await;
        let start = || {
            let key = format!("import-{n}");
            let mut body = import_body(&upload, "skip");
            if encoding == Encoding::Windows1252 {
                // It cannot be told from others of one byte.
                body["encoding"] = json!("windows-1252");
            }
            admin.call(Method::POST, "/api/v1/imports").header("idempotency-key", &key).json(&body)
        };
        let started = start().send().await;
        let operation = text(&started.expect(202)["id"]);
        assert!(operation.starts_with("records."), "{operation}");
        check(&finished(admin, &operation).await, &export);
        // The same key again: the first answer, and nothing imported twice.
        let again = start().send().await;
        assert_eq!(text(&again.expect(202)["id"]), operation);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        // The same file again: everybody is there already.
        if n == 0 {
            let again = admin.post("/api/v1/imports", import_body(&upload, "skip")).await.expect(202);
            let again = finished(admin, &text(&again["id"])).await;
            assert_eq!(
                (&again["result"]["created"], &again["result"]["skipped"]),
                (&json!(0), &json!(export.good + export.duplicates))
            );
        }
        let csv = admin.get(&format!("/api/v1/operations/{operation}/errors")).await;
        assert_eq!(csv.status, 200);
        assert_eq!(csv.text.lines().count(), 1 + export.errors.len(), "{}", csv.text);
        contacts += export.good;
    }
    Imported { contacts }
}

/// Step 5.
pub async fn one_contact_from_create_to_restore(journey: &Journey) {
    let admin = &journey.a.admin;
    let body = json!({
        "first_name": "Zoë", "last_name": "Ångström",
        "emails": [{"address": "ZOE@Example.TEST", "kind": "work", "is_primary": true}],
        "custom": {"tier": "gold", "seats": 5, "renewal_date": "2026-12-01", "budget": {"amount_minor": 125_000, "currency": "EUR"}},
    });
    let create =
        || admin.call(Method::POST, "/api/v1/contacts").header("idempotency-key", "zoe").json(&body).send();
    let created = create().await;
    let contact = created.expect(201);
    let path = format!("/api/v1/contacts/{}", text(&contact["id"]));
    assert_eq!((created.header("location"), created.header("etag")), (Some(path.as_str()), Some("\"1\"")));
    assert_eq!(
        (&contact["full_name"], &contact["emails"][0]["address"]),
        (&json!("Zoë Ångström"), &json!("zoe@example.test"))
    );
    assert_eq!(contact["custom"], body["custom"]);
    let replayed = create().await;
    assert_eq!(
        (replayed.header("idempotency-replayed"), replayed.expect(201)),
        (Some("true"), contact.clone())
    );
    let other = json!({"last_name": "Other"});
    let reused = admin
        .call(Method::POST, "/api/v1/contacts")
        .header("idempotency-key", "zoe")
        .json(&other)
        .send()
        .await;
    reused.refused(422, "IDEMPOTENCY_KEY_REUSED");

    let patch = |version: &str, change: Value| {
        admin.call(Method::PATCH, &path).header("if-match", version).json(&change).send()
    };
    let changed = patch("\"1\"", json!({"job_title": "CTO", "custom": {"seats": 7, "tier": null}})).await;
    let now = changed.expect(200);
    assert_eq!((changed.header("etag"), &now["job_title"]), (Some("\"2\""), &json!("CTO")));
    assert_eq!(
        now["custom"],
        json!({"seats": 7, "renewal_date": "2026-12-01", "budget": body["custom"]["budget"]})
    );
    let stale = patch("\"1\"", json!({"job_title": "CFO"})).await;
    let problem = stale.refused(412, "VERSION_STALE");
    let conflict = json!([{"field": "job_title", "base": null, "yours": "CFO", "current": "CTO"}]);
    assert_eq!(problem["conflicts"], conflict, "{problem}");
    // A body etag lets disjoint changes merge, and refuses the others.
    let merged = admin.patch(&path, json!({"etag": "\"1\"", "department": "R&D"})).await.expect(200);
    assert_eq!((&merged["department"], &merged["job_title"]), (&json!("R&D"), &json!("CTO")));
    admin.patch(&path, json!({"etag": "\"1\"", "job_title": "CFO"})).await.refused(409, "EDIT_CONFLICT");

    let read = admin.get(&path).await;
    let tag = read.header("etag").expect("a tag");
    let held = admin.call(Method::GET, &path).header("if-none-match", tag).send().await;
    assert_eq!((held.status, held.text.as_str()), (304, ""));
    admin.delete(&path).await.expect(204);
    admin.get(&path).await.refused(404, "CONTACT_NOT_FOUND");
    let trash = admin.get("/api/v1/contacts?show_deleted=only&page_size=200").await.expect(200);
    assert!(super::ids(&trash).contains(&text(&contact["id"])));
    let restored = admin.post(&format!("{path}:restore"), json!({})).await.expect(200);
    assert_eq!(restored["deleted_at"], Value::Null);
    admin.get(&path).await.expect(200);
    admin.delete(&path).await.expect(204);
}

/// Step 5: bad input of every kind.
pub async fn bad_input_tells_everything_at_once(journey: &Journey) {
    let admin = &journey.a.admin;
    let meaning = json!({
        "emails": [{"address": "nobody"}, {"address": "a@b.test"}],
        "birthday": "1990-02-31",
        "custom": {"tier": "platinum", "seats": 1.5, "nosuch": 1, "renewal_date": "soon"},
    });
    let answer = admin.post("/api/v1/contacts", meaning).await;
    answer.refused(422, "VALIDATION_FAILED");
    let places: BTreeSet<String> = answer.violations().into_iter().map(|(pointer, _)| pointer).collect();
    let expected = [
        "/birthday",
        "/custom/nosuch",
        "/custom/renewal_date",
        "/custom/seats",
        "/custom/tier",
        "/emails/0/address",
    ];
    assert_eq!(places.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{}", answer.text);
    let shape = json!({"frist_name": "X", "score": "high", "do_not_call": 1, "emails": [{"kind": "pigeon"}], "last_name": "a\u{0}b"});
    let answer = admin.post("/api/v1/contacts", shape).await;
    answer.refused(422, "VALIDATION_FAILED");
    let places: BTreeSet<String> = answer.violations().into_iter().map(|(pointer, _)| pointer).collect();
    let expected =
        ["/do_not_call", "/emails/0/address", "/emails/0/kind", "/frist_name", "/last_name", "/score"];
    assert_eq!(places.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{}", answer.text);
    admin.post("/api/v1/contacts", json!({})).await.refused(422, "VALIDATION_FAILED");
    for text in
        ["{", "{\"last_name\": NaN}", "{\"a\":1,\"a\":2}", "[]", "\"x\"", "{\"last_name\":\"\\ud800\"}"]
    {
        let answer =
            admin.call(Method::POST, "/api/v1/contacts").bytes("application/json", text.into()).send().await;
        assert_eq!(answer.status, 400, "{text}: {}", answer.text);
    }
    let large = format!("{{\"last_name\":\"{}\"}}", "x".repeat(1 << 20));
    let answer =
        admin.call(Method::POST, "/api/v1/contacts").bytes("application/json", large.into()).send().await;
    answer.refused(413, "BODY_TOO_LARGE");
    let answer = admin.call(Method::POST, "/api/v1/contacts").bytes("text/plain", "{}".into()).send().await;
    answer.refused(415, "CONTENT_TYPE_UNSUPPORTED");
    admin.get("/api/v1/contacts?colour=red").await.refused(400, "QUERY_MALFORMED");
    admin.get("/api/v1/nothing").await.refused(404, "ROUTE_NOT_FOUND");
    let put = admin.call(Method::PUT, "/api/v1/contacts").json(&json!({})).send().await;
    put.refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(put.header("allow"), Some("GET, HEAD, OPTIONS, POST"));
    // What is output only is ignored when it comes back.
    let body = json!({"id": "x", "version": 9, "created_at": "nonsense", "last_name": "Echo"});
    let echo = admin.post("/api/v1/contacts", body).await.expect(201);
    assert_eq!(echo["version"], 1);
    admin.delete(&format!("/api/v1/contacts/{}", text(&echo["id"]))).await.expect(204);
}
