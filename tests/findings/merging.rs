//! Changes of a part leave the rest: maps, amounts and ties of a record, and records that are sent back whole.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Wrong, define, made, violation};
use crate::client::Client;
use crate::stage::{Stage, Tenant, text};

/// RFC 7396, as it writes it down.
fn merged(target: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = target.as_object().cloned().unwrap_or_else(Map::new);
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            let before = target.get(name).cloned().unwrap_or_default();
            target.insert(name.clone(), merged(&before, value));
        }
    }
    target.into()
}

/// Applies patches one after the other and compares one member with what the RFC makes of it; `null` is no map.
async fn follows_the_rfc(client: &Client, path: &str, member: &str, patches: &[Value], wrong: &mut Wrong) {
    let mut expected = client.get(path).await.expect(200)[member].clone();
    for patch in patches {
        let patch = json!({member: patch});
        expected = merged(&json!({member: expected}), &patch)[member].clone();
        if expected.is_null() && matches!(member, "external_ids" | "custom") {
            expected = json!({});
        }
        let answer = client.patch(path, patch.clone()).await;
        let now = client.get(path).await.expect(200)[member].clone();
        wrong.unless(answer.status == 200 && now == expected, || {
            format!("{patch}: {} {now} and not {expected}", answer.status)
        });
        expected = now;
    }
}

#[tokio::test]
async fn ids_in_other_systems_are_merged_whatever_they_are_called() {
    let tenant = Stage::shared().await.tenant("f-maps").await;
    let known = json!({"hubspot.eu": "1", "sap/1": "2", "ключ": "3"});
    let bodies = [
        ("/api/v1/contacts", json!({"last_name": "Map", "external_ids": known})),
        ("/api/v1/companies", json!({"name": "Map", "external_ids": known})),
    ];
    let patches = [
        json!({"new key": "4"}),
        json!({"sap/1": null, "a~b": "5", "ключ": "6"}),
        json!({"absent": null}),
        json!({}),
        json!({"`x`": "7", "hubspot": "8"}),
        json!({"hubspot.eu": null}),
        Value::Null,
        json!({"again": "9"}),
    ];
    let mut wrong = Wrong::default();
    for (collection, body) in bodies {
        let (_, path) = made(&tenant.admin.post(collection, body).await);
        follows_the_rfc(&tenant.admin, &path, "external_ids", &patches, &mut wrong).await;
    }
    wrong.none();
}

#[tokio::test]
async fn integrations_that_write_their_own_keys_at_once_all_find_them_again() {
    let tenant = Stage::shared().await.tenant("f-maps-at-once").await;
    let (_, path) = made(&tenant.admin.post("/api/v1/contacts", json!({"last_name": "All"})).await);
    let systems: Vec<String> = (0..8).map(|n| format!("system-{n}")).collect();
    let writes =
        systems.iter().map(|system| tenant.admin.patch(&path, json!({"external_ids": {system: "x"}})));
    for answer in futures_util::future::join_all(writes).await {
        answer.expect(200);
    }
    let now = tenant.admin.get(&path).await.expect(200);
    let keys: Vec<&String> = now["external_ids"].as_object().expect("a map").keys().collect();
    assert_eq!(keys, systems.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn custom_values_and_what_is_within_them_are_merged() {
    let tenant = Stage::shared().await.tenant("f-custom").await;
    let options = json!([{"key": "red", "label": "Red"}, {"key": "blue", "label": "Blue"}]);
    for (key, kind, more) in [
        ("seats", "integer", json!({})),
        ("budget", "money", json!({})),
        ("colours", "multi_picklist", json!({"options": options})),
    ] {
        define(&tenant, key, kind, more).await;
    }
    let custom =
        json!({"seats": 5, "budget": {"amount_minor": 100, "currency": "CHF"}, "colours": ["red", "blue"]});
    let (_, path) =
        made(&tenant.admin.post("/api/v1/contacts", json!({"last_name": "C", "custom": custom})).await);
    let patches = [
        json!({"budget": {"amount_minor": 7}}),
        json!({"budget": {"currency": "SEK"}, "seats": null}),
        json!({"colours": ["blue"]}),
        json!({}),
        json!({"budget": null, "seats": 6}),
    ];
    let mut wrong = Wrong::default();
    follows_the_rfc(&tenant.admin, &path, "custom", &patches, &mut wrong).await;
    // Half an amount on top of none is none.
    let answer = tenant.admin.patch(&path, json!({"custom": {"budget": {"amount_minor": 7}}})).await;
    wrong.unless(answer.status == 422, || format!("{} {}", answer.status, answer.text));
    // All of them: cleared, or refused and untouched; never a success that does nothing.
    let before = tenant.admin.get(&path).await.expect(200)["custom"].clone();
    let answer = tenant.admin.patch(&path, json!({"custom": null})).await;
    let now = tenant.admin.get(&path).await.expect(200)["custom"].clone();
    let honest = if answer.status == 200 { now == json!({}) } else { answer.status == 422 && now == before };
    wrong.unless(honest, || format!("custom: null is {} and leaves {now}", answer.status));
    wrong.none();
}

#[tokio::test]
async fn an_amount_keeps_the_member_that_is_not_sent() {
    let tenant = Stage::shared().await.tenant("f-amount").await;
    let body = json!({"name": "Rich", "annual_revenue": {"amount_minor": 100, "currency": "NOK"}});
    let (_, path) = made(&tenant.admin.post("/api/v1/companies", body).await);
    let mut wrong = Wrong::default();
    let patches = [json!({"amount_minor": 5}), json!({"currency": "DKK"}), json!({})];
    follows_the_rfc(&tenant.admin, &path, "annual_revenue", &patches, &mut wrong).await;
    for broken in [json!({"currency": null}), json!({"amount_minor": null})] {
        let answer = tenant.admin.patch(&path, json!({"annual_revenue": broken})).await;
        wrong.unless(answer.status == 422, || format!("{broken}: {} {}", answer.status, answer.text));
    }
    follows_the_rfc(&tenant.admin, &path, "annual_revenue", &[Value::Null], &mut wrong).await;
    wrong.none();
}

/// A contact tied to two companies, to the first as its primary one.
async fn tied(tenant: &Tenant) -> (String, [String; 2]) {
    let (_, path) = made(&tenant.admin.post("/api/v1/contacts", json!({"last_name": "Tied"})).await);
    let ties = format!("{path}/companies");
    let mut companies = Vec::new();
    for (name, role, is_primary) in [("First", "CFO", true), ("Second", "Board", false)] {
        let company = tenant.admin.post("/api/v1/companies", json!({"name": name})).await.expect(201);
        let tie = json!({"company_id": company["id"], "role": role, "is_primary": is_primary});
        let tie = tenant.admin.post(&ties, tie).await;
        assert!(matches!(tie.status, 200 | 201), "{}", tie.text);
        companies.push(text(&company["id"]));
    }
    (ties, companies.try_into().expect("two"))
}

/// `role primary` of the ties to these companies.
async fn roles(client: &Client, ties: &str, companies: &[String; 2]) -> [String; 2] {
    let listed = client.get(ties).await.expect(200);
    let listed = listed["companies"].as_array().expect("ties").clone();
    companies.clone().map(|company| match listed.iter().find(|tie| tie["company_id"] == company.as_str()) {
        Some(tie) => format!("{} {}", tie["role"].as_str().unwrap_or("none"), tie["is_primary"]),
        None => "gone".to_owned(),
    })
}

#[tokio::test]
async fn members_of_a_tie_that_are_not_sent_stay() {
    let tenant = Stage::shared().await.tenant("f-ties").await;
    let (ties, companies) = tied(&tenant).await;
    let [first, second] = &companies;
    let steps = [
        (json!({"company_id": first, "is_primary": true}), ["CFO true", "Board false"]),
        (json!({"company_id": first, "role": "CEO"}), ["CEO true", "Board false"]),
        (json!({"company_id": second, "is_primary": true}), ["CEO false", "Board true"]),
        (json!({"company_id": second}), ["CEO false", "Board true"]),
        (json!({"company_id": second, "role": null}), ["CEO false", "none true"]),
        (json!({"company_id": first, "role": "CTO"}), ["CTO false", "none true"]),
        (json!({"company_id": second, "role": "Chair"}), ["CTO false", "Chair true"]),
    ];
    let mut wrong = Wrong::default();
    for (step, expected) in steps {
        let answer = tenant.admin.post(&ties, step.clone()).await;
        let now = roles(&tenant.admin, &ties, &companies).await;
        wrong.unless(matches!(answer.status, 200 | 201) && now == expected, || {
            format!("{step}: {} {now:?} and not {expected:?}", answer.status)
        });
    }
    wrong.none();
}

#[tokio::test]
async fn a_contact_with_ties_has_a_primary_one_when_the_primary_one_ends() {
    let tenant = Stage::shared().await.tenant("f-ties-end").await;
    let mut wrong = Wrong::default();
    let (ties, companies) = tied(&tenant).await;
    let step = json!({"company_id": companies[0], "is_primary": false});
    let answer = tenant.admin.post(&ties, step).await;
    let now = roles(&tenant.admin, &ties, &companies).await;
    wrong.unless(now == ["CFO false", "Board true"], || format!("not primary: {} {now:?}", answer.status));
    let (ties, companies) = tied(&tenant).await;
    tenant.admin.delete(&format!("{ties}/{}", companies[0])).await.expect(204);
    let now = roles(&tenant.admin, &ties, &companies).await;
    wrong.unless(now == ["gone", "Board true"], || format!("removed: {now:?}"));
    wrong.none();
}

#[tokio::test]
async fn a_record_that_is_sent_back_whole_changes_what_differs() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("f-whole-patch").await;
    define(&tenant, "seats", "integer", json!({})).await;
    define(&tenant, "budget", "money", json!({})).await;
    let all = json!([{"object": "contact", "actions": ["create", "read", "update"], "scopes": ["all"]}]);
    let rule = |field: &str| json!({"object": "contact", "field": field, "access": "read"});
    let locked = ["custom.budget", "custom.seats", "emails", "job_title", "external_ids", "birthday"];
    let member = stage.member(&tenant, "locked", all, locked.map(rule).into()).await.client;
    let body = json!({
        "last_name": "Whole", "job_title": "CTO", "emails": [{"address": "w@x.test", "kind": "home"}],
        "external_ids": {"erp": "1"}, "custom": {"budget": {"amount_minor": 5, "currency": "EUR"}},
    });
    let (_, path) = made(&tenant.admin.post("/api/v1/contacts", body).await);
    let mut whole = member.get(&path).await.expect(200);
    whole["last_name"] = json!("Changed");
    let now = member.patch(&path, whole.clone()).await.expect(200);
    assert_eq!((&now["last_name"], &now["job_title"]), (&json!("Changed"), &json!("CTO")));
    // What differs is refused for it alone, and nothing of the change is made.
    for (member_of, value) in [
        ("custom", json!({"budget": {"amount_minor": 6, "currency": "EUR"}})),
        ("custom", json!({"seats": 1})),
        ("emails", json!([])),
        ("birthday", json!("1990-01-01")),
    ] {
        let mut change = whole.clone();
        change["last_name"] = json!("Refused");
        change[member_of] = value.clone();
        let answer = member.call(Method::PATCH, &path).json(&change).send().await;
        assert_eq!(answer.status, 403, "{member_of} {value}: {}", answer.text);
        assert!(answer.text.contains("FIELD_READ_ONLY"), "{}", answer.text);
        assert_eq!(violation(&answer, "/last_name"), None);
    }
    assert_eq!(tenant.admin.get(&path).await.expect(200)["last_name"], "Changed");
}
