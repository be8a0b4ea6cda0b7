//! `PATCH` as RFC 7396 has it, at every depth, on a running fleet.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::problem;
use crate::stage::{Stage, Tenant, text};

/// The pseudo code of RFC 7396, 2. A record has no `null`, empty list or empty object.
fn reference(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = if let Value::Object(members) = target { members } else { Map::new() };
    for (name, value) in patch {
        let old = target.remove(name).unwrap_or(Value::Null);
        let new = if value.is_null() { Value::Null } else { reference(old, value) };
        if !new.is_null() && new != json!({}) && new != json!([]) {
            target.insert(name.clone(), new);
        }
    }
    Value::Object(target)
}

/// Random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn word(&mut self) -> Value {
        format!("w{}", self.below(1_000)).into()
    }

    fn number(&mut self) -> Value {
        self.below(1_000).into()
    }

    /// The value, or `null`, or nothing.
    fn maybe(&mut self, members: &mut Map<String, Value>, name: &str, value: fn(&mut Self) -> Value) {
        match self.below(5) {
            0 | 1 => {}
            2 => drop(members.insert(name.to_owned(), Value::Null)),
            _ => {
                let value = value(self);
                members.insert(name.to_owned(), value);
            }
        }
    }

    fn amount(&mut self) -> Value {
        let mut members = Map::new();
        self.maybe(&mut members, "amount_minor", Self::number);
        self.maybe(&mut members, "currency", |dice| ["EUR", "USD"][dice.below(2) as usize].into());
        members.into()
    }

    fn ids(&mut self) -> Value {
        let mut members = Map::new();
        for system in ["erp", "a.b", "two words", "tick`s"] {
            self.maybe(&mut members, system, Self::word);
        }
        members.into()
    }

    fn custom(&mut self) -> Value {
        let mut members = Map::new();
        self.maybe(&mut members, "seats", Self::number);
        self.maybe(&mut members, "note", Self::word);
        self.maybe(&mut members, "budget", Self::amount);
        members.into()
    }

    fn patch(&mut self) -> Value {
        let mut members = Map::new();
        self.maybe(&mut members, "industry", Self::word);
        self.maybe(&mut members, "employee_count", Self::number);
        self.maybe(&mut members, "tags", |dice| json!([dice.word()]));
        self.maybe(&mut members, "external_ids", Self::ids);
        self.maybe(&mut members, "annual_revenue", Self::amount);
        self.maybe(&mut members, "custom", Self::custom);
        members.into()
    }
}

const MEMBERS: [&str; 6] = ["industry", "employee_count", "tags", "external_ids", "annual_revenue", "custom"];

/// What an answer has of the members that are patched.
fn shown(answer: &Value) -> Value {
    let mut members = Map::new();
    for name in MEMBERS {
        members.insert(name.to_owned(), answer[name].clone());
    }
    reference(json!({}), &members.into())
}

/// Whether an amount lacks a member: then the change is refused.
fn is_broken(json: &Value) -> bool {
    let amounts = ["/annual_revenue", "/custom/budget"].into_iter().filter_map(|place| json.pointer(place));
    amounts.into_iter().any(|amount| amount.as_object().is_none_or(|members| members.len() != 2))
}

async fn define(tenant: &Tenant, object: &str, key: &str, kind: &str) {
    let field = json!({"key": key, "label": key, "type": kind});
    tenant.admin.post(&format!("/api/v1/objects/{object}/fields"), field).await.expect(201);
}

#[tokio::test]
async fn many_patches_after_each_other_make_what_the_rfc_says() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("rfc7396").await;
    for (key, kind) in [("seats", "integer"), ("note", "text"), ("budget", "money")] {
        define(&tenant, "company", key, kind).await;
    }
    let made = tenant.admin.post("/api/v1/companies", json!({"name": "Acme"})).await.expect(201);
    let path = format!("/api/v1/companies/{}", text(&made["id"]));
    let (mut now, mut dice, mut changed, mut refused) = (json!({}), Dice(7396), 0, 0);
    for turn in 0..120 {
        let patch = dice.patch();
        let wanted = reference(now.clone(), &patch);
        let answer = tenant.admin.patch(&path, patch.clone()).await;
        if is_broken(&wanted) {
            let violations = problem_at(&answer);
            assert!(violations.iter().all(|v| v.1 == "REQUIRED"), "{turn} {patch} {violations:?}");
            refused += 1;
        } else {
            now = wanted;
            assert_eq!(shown(&answer.expect(200)), now, "{turn} {patch}");
            changed += 1;
        }
    }
    assert_eq!(shown(&tenant.admin.get(&path).await.expect(200)), now);
    assert!(changed > 20 && refused > 5, "{changed} {refused}");
}

#[track_caller]
fn problem_at(answer: &crate::client::Answer) -> Vec<(String, String)> {
    problem(answer, 422, "VALIDATION_FAILED");
    answer.violations()
}

/// Finding 14.
#[tokio::test]
async fn two_integrations_write_their_own_keys_and_custom_null_clears() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("own-keys").await;
    define(&tenant, "contact", "seats", "integer").await;
    let body =
        json!({"last_name": "Keys", "external_ids": {"hubspot": "h1", "sap": "s1"}, "custom": {"seats": 5}});
    let made = tenant.admin.post("/api/v1/contacts", body).await.expect(201);
    let path = format!("/api/v1/contacts/{}", text(&made["id"]));
    let patch = async |body: Value| tenant.admin.patch(&path, body).await.expect(200);
    let now = patch(json!({"external_ids": {"crm2": "c1"}})).await;
    assert_eq!(now["external_ids"], json!({"hubspot": "h1", "sap": "s1", "crm2": "c1"}));
    let now = patch(json!({"external_ids": {"crm2": null, "never": null}})).await;
    assert_eq!((&now["external_ids"], &now["version"]), (&json!({"hubspot": "h1", "sap": "s1"}), &json!(3)));
    for same in [
        json!({}),
        json!({"external_ids": {}}),
        json!({"custom": {}}),
        json!({"external_ids": {"sap": "s1"}}),
    ] {
        assert_eq!(patch(same.clone()).await["version"], 3, "{same}");
    }
    let now = patch(json!({"custom": null})).await;
    assert_eq!((&now["custom"], &now["version"]), (&json!({}), &json!(4)));
    assert_eq!(patch(json!({"external_ids": null})).await["external_ids"], json!({}));
    // A record is made, not merged: `null` inside its maps is a mistake.
    let made =
        tenant.admin.post("/api/v1/contacts", json!({"last_name": "X", "external_ids": {"a": null}})).await;
    assert_eq!(problem_at(&made), [("/external_ids/a".to_owned(), "TYPE_MISMATCH".to_owned())]);
}

/// Finding 18.
#[tokio::test]
async fn a_whole_record_is_sent_back_with_one_change_by_who_may_not_write_all_of_it() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("sent-back").await;
    define(&tenant, "contact", "seats", "integer").await;
    let all = json!([{"object": "contact", "actions": ["create", "read", "update"], "scopes": ["all"]}]);
    let read = |field: &str| json!({"object": "contact", "field": field, "access": "read"});
    let rules = json!([read("custom.seats"), read("job_title"), read("external_ids"), read("emails")]);
    let member = stage.member(&tenant, "member", all, rules).await.client;
    let body = json!({"last_name": "Back", "job_title": "CTO", "external_ids": {"erp": "1"},
                      "emails": [{"address": "Back@Example.test"}], "custom": {"seats": 5}});
    let made = tenant.admin.post("/api/v1/contacts", body).await.expect(201);
    let path = format!("/api/v1/contacts/{}", text(&made["id"]));
    let mut whole = member.get(&path).await.expect(200);
    whole["last_name"] = "Forth".into();
    let now = member.patch(&path, whole.clone()).await.expect(200);
    assert_eq!((&now["last_name"], &now["version"]), (&json!("Forth"), &json!(2)));
    for (name, value) in [
        ("job_title", json!("CEO")),
        ("external_ids", json!({"erp": null})),
        ("emails", json!([])),
        ("custom", json!({"seats": 6})),
    ] {
        let mut change = whole.clone();
        change[name] = value;
        let refused = member.patch(&path, change).await;
        problem(&refused, 403, "FIELD_READ_ONLY");
        let field = if name == "custom" { "custom.seats" } else { name };
        assert_eq!(refused.json()["meta"]["fields"], field);
    }
}

/// Finding 15.
#[tokio::test]
async fn what_is_not_sent_of_a_link_stays_and_another_becomes_the_primary_one() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("ties").await;
    let contact = super::contact(&tenant, "Tied").await;
    let links = format!("{contact}/companies");
    let mut companies = Vec::new();
    for name in ["A", "B", "C"] {
        let made = tenant.admin.post("/api/v1/companies", json!({"name": name})).await.expect(201);
        companies.push(text(&made["id"]));
    }
    let [a, b, c] = companies.try_into().expect("three");
    let link = async |body: Value| tenant.admin.post(&links, body).await.expect(201);
    let primary = async || {
        let all = tenant.admin.get(&links).await.expect(200);
        let all = all["companies"].as_array().cloned().unwrap_or_default();
        all.iter()
            .filter(|link| link["is_primary"] == true)
            .map(|link| text(&link["company_id"]))
            .collect::<Vec<_>>()
    };
    link(json!({"company_id": a, "role": "CFO", "is_primary": true})).await;
    let now = link(json!({"company_id": a, "is_primary": true})).await;
    assert_eq!((&now["role"], &now["is_primary"]), (&json!("CFO"), &json!(true)));
    let now = link(json!({"company_id": a, "role": "CEO"})).await;
    assert_eq!((&now["role"], &now["is_primary"]), (&json!("CEO"), &json!(true)));
    let now = link(json!({"company_id": a, "role": null})).await;
    assert_eq!((&now["role"], &now["is_primary"]), (&Value::Null, &json!(true)));
    assert_eq!(link(json!({"company_id": b})).await["is_primary"], false);
    link(json!({"company_id": c, "is_primary": true})).await;
    assert_eq!(primary().await, std::slice::from_ref(&c));
    // The oldest of the others follows.
    link(json!({"company_id": c, "is_primary": false})).await;
    assert_eq!(primary().await, std::slice::from_ref(&a));
    tenant.admin.delete(&format!("{links}/{a}")).await.expect(204);
    assert_eq!(primary().await, std::slice::from_ref(&b));
    tenant.admin.delete(&format!("{links}/{c}")).await.expect(204);
    assert_eq!(link(json!({"company_id": b, "is_primary": null})).await["is_primary"], false);
    assert_eq!(primary().await, Vec::<String>::new(), "there is no other");
}

/// Finding 17.
#[tokio::test]
async fn a_key_stands_for_what_custom_values_mean_and_not_for_how_they_are_written() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("key-custom").await;
    for (key, kind) in [("seats", "integer"), ("note", "text"), ("budget", "money")] {
        define(&tenant, "contact", key, kind).await;
    }
    let post = |body: &str| {
        let call = tenant.admin.call(Method::POST, "/api/v1/contacts").header("idempotency-key", "custom");
        call.bytes("application/json", body.as_bytes().to_vec()).send()
    };
    let custom = |custom: &str| format!(r#"{{"last_name":"K","custom":{custom}}}"#);
    let first = r#"{"note":"Zoë/x","seats":5,"budget":{"amount_minor":7,"currency":"EUR"}}"#;
    let made = post(&custom(first)).await.expect(201);
    for same in [
        r#"{"budget":{"currency":"EUR","amount_minor":7},"seats":5,"note":"Zoë/x"}"#,
        r#"{"note":"Zo\u00eb\/x","seats":5.0,"budget":{"amount_minor":0.7e1,"currency":"\u0045UR"}}"#,
    ] {
        let again = post(&custom(same)).await;
        assert_eq!(again.expect(201)["id"], made["id"], "{same}");
        assert_eq!(again.header("idempotency-replayed"), Some("true"), "{same}");
    }
    for other in [
        r#"{"note":"Zoë/x","seats":6,"budget":{"amount_minor":7,"currency":"EUR"}}"#,
        r#"{"note":"Zoe/x","seats":5,"budget":{"amount_minor":7,"currency":"EUR"}}"#,
        r#"{"note":"Zoë/x","seats":5}"#,
    ] {
        problem(&post(&custom(other)).await, 422, "IDEMPOTENCY_KEY_REUSED");
    }
}
