//! One request, however its JSON is written.

use reqwest::Method;
use serde_json::json;

use super::{Wrong, define};
use crate::stage::Stage;

#[tokio::test]
async fn another_way_to_write_the_same_body_is_replayed() {
    let tenant = Stage::shared().await.tenant("f-replays").await;
    let options = json!([{"key": "red", "label": "Red"}, {"key": "blue", "label": "Blue"}]);
    for (key, kind, more) in [
        ("seats", "integer", json!({})),
        ("rate", "decimal", json!({})),
        ("budget", "money", json!({})),
        ("nick", "text", json!({})),
        ("colours", "multi_picklist", json!({"options": options})),
    ] {
        define(&tenant, key, kind, more).await;
    }
    let same = [
        (
            r#"{"budget":{"amount_minor":5,"currency":"EUR"},"nick":"x"}"#,
            r#"{"nick":"x","budget":{"currency":"EUR","amount_minor":5}}"#,
        ),
        (r#"{"rate":10}"#, r#"{"rate":1e1}"#),
        (r#"{"rate":0.25}"#, r#"{"rate":2.50E-1}"#),
        (r#"{"seats":12,"rate":1.5}"#, r#"{"rate":1.50,"seats":12.0}"#),
        (
            r#"{"budget":{"amount_minor":7,"currency":"EUR"}}"#,
            r#"{"budget":{"amount_minor":7.0,"currency":"\u0045UR"}}"#,
        ),
        (r#"{"nick":"über/😀"}"#, r#"{"nick":"\u00fcber\/\ud83d\ude00"}"#),
        (
            r#"{"nick":"tab","colours":["red","blue"]}"#,
            "{ \"colours\" : [ \"red\",\n\"blue\" ],\t\"\\u006eick\":\"tab\" }",
        ),
    ];
    let other = [
        (r#"{"seats":5}"#, r#"{"seats":6}"#),
        (r#"{"rate":0.1}"#, r#"{"rate":0.10000001}"#),
        (r#"{"rate":123456789.123456}"#, r#"{"rate":123456789.123457}"#),
        (r#"{"seats":9007199254740991}"#, r#"{"seats":9007199254740992}"#),
        (
            r#"{"budget":{"amount_minor":5,"currency":"EUR"}}"#,
            r#"{"budget":{"amount_minor":5,"currency":"CHF"}}"#,
        ),
        (r#"{"nick":"a"}"#, r#"{"nick":"A"}"#),
        (r#"{"nick":"a","seats":1}"#, r#"{"nick":"a"}"#),
    ];
    let mut wrong = Wrong::default();
    let pairs = same.iter().map(|pair| (pair, true)).chain(other.iter().map(|pair| (pair, false)));
    for (n, ((first, second), is_same)) in pairs.enumerate() {
        let post = |custom: &str| {
            let body = format!("{{\"last_name\":\"R\",\"custom\":{custom}}}");
            let call = tenant.admin.call(Method::POST, "/api/v1/contacts");
            call.header("idempotency-key", &format!("key-{n}")).bytes("application/json", body.into()).send()
        };
        let made = post(first).await.expect(201);
        let again = post(second).await;
        let right = if is_same {
            again.status == 201
                && again.header("idempotency-replayed") == Some("true")
                && again.json() == made
        } else {
            again.status == 422 && again.text.contains("IDEMPOTENCY_KEY_REUSED")
        };
        wrong.unless(right, || format!("{first} then {second}: {} {}", again.status, again.text));
    }
    wrong.none();
}

#[tokio::test]
async fn members_of_maps_and_amounts_have_no_order_either() {
    let tenant = Stage::shared().await.tenant("f-replays-maps").await;
    let mut wrong = Wrong::default();
    for (n, (collection, first, second)) in [
        (
            "contacts",
            r#"{"last_name":"M","external_ids":{"a":"1","b":"2","c":"3","d":"4"}}"#,
            r#"{"external_ids":{"d":"4","b":"2","a":"1","c":"3"},"last_name":"M"}"#,
        ),
        (
            "companies",
            r#"{"name":"M","annual_revenue":{"amount_minor":5,"currency":"EUR"},"external_ids":{"x":"1","y":"2"}}"#,
            r#"{"external_ids":{"y":"2","x":"1"},"annual_revenue":{"currency":"EUR","amount_minor":5},"name":"\u004d"}"#,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let post = |body: &str| {
            let call = tenant.admin.call(Method::POST, &format!("/api/v1/{collection}"));
            call.header("idempotency-key", &format!("map-{n}")).bytes("application/json", body.into()).send()
        };
        let made = post(first).await.expect(201);
        // Not by luck: an order that changes from call to call would fit sometimes.
        for _ in 0..5 {
            let again = post(second).await;
            wrong.unless(again.status == 201 && again.json() == made, || format!("{second}: {}", again.text));
        }
    }
    wrong.none();
}
