//! What a value may be, and how it is found: names of zones, languages, currencies and countries, long and pasted texts, operands.

use serde_json::{Value, json};

use super::problem;
use crate::client::query;
use crate::stage::{Stage, Tenant, text};

async fn define(tenant: &Tenant, definition: Value) {
    tenant.admin.post("/api/v1/objects/contact/fields", definition).await.expect(201);
}

async fn made(tenant: &Tenant, body: Value) -> Value {
    tenant.admin.post("/api/v1/contacts", body).await.expect(201)
}

async fn refused(tenant: &Tenant, body: Value) -> Vec<(String, String)> {
    let answer = tenant.admin.post("/api/v1/contacts", body).await;
    problem(&answer, 422, "VALIDATION_FAILED");
    answer.violations()
}

async fn found(tenant: &Tenant, object: &str, filter: &str) -> usize {
    let list =
        tenant.admin.get(&format!("/api/v1/{object}{}", query(&[("filter", filter)]))).await.expect(200);
    list[object].as_array().map_or(0, Vec::len)
}

/// Findings 22 and 24.
#[tokio::test]
async fn zones_languages_and_countries_are_those_of_their_registries() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("registries").await;
    for (sent, stored) in [
        ("europe/vienna", "Europe/Vienna"),
        ("GMT", "GMT"),
        ("Japan", "Japan"),
        ("us/PACIFIC", "US/Pacific"),
        ("Turkey\u{200e}", "Turkey"),
    ] {
        assert_eq!(made(&tenant, json!({"last_name": "Z", "timezone": sent})).await["timezone"], stored);
    }
    for (sent, stored) in [("DE-at", "de-AT"), ("es-419", "es-419"), ("zh-hant", "zh-Hant")] {
        assert_eq!(made(&tenant, json!({"last_name": "L", "language": sent})).await["language"], stored);
    }
    for (sent, stored) in [("pn", "PN"), ("AN", "AN"), ("YU", "YU"), ("SX", "SX")] {
        let contact =
            made(&tenant, json!({"last_name": "C", "addresses": [{"city": "X", "country": sent}]})).await;
        assert_eq!(contact["addresses"][0]["country"], stored);
    }
    for (member, value, reason) in [
        ("timezone", "Foo/Bar", "TIMEZONE_INVALID"),
        ("timezone", "Europe/Nowhere", "TIMEZONE_INVALID"),
        ("language", "english", "LANGUAGE_INVALID"),
        ("language", "qq-QQ", "LANGUAGE_INVALID"),
        ("birthday", "--05-12", "DATE_INVALID"),
    ] {
        let violations = refused(&tenant, json!({"last_name": "X", member: value})).await;
        assert_eq!(violations, [(format!("/{member}"), reason.to_owned())]);
    }
    let violations = refused(&tenant, json!({"last_name": "X", "addresses": [{"country": "XX"}]})).await;
    assert_eq!(violations, [("/addresses/0/country".to_owned(), "COUNTRY_UNKNOWN".to_owned())]);
    for (address, reason) in [("a@192.0.2.1", "EMAIL_INVALID"), ("a@1.2.3", "EMAIL_INVALID")] {
        let violations = refused(&tenant, json!({"emails": [{"address": address}]})).await;
        assert_eq!(violations, [("/emails/0/address".to_owned(), reason.to_owned())]);
    }
}

/// Findings 23 and 25.
#[tokio::test]
async fn a_long_text_has_its_characters_in_any_script_and_a_refusal_names_the_field() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("long-texts").await;
    for n in 0..8 {
        define(&tenant, json!({"key": format!("long_{n}"), "label": "L", "type": "long_text"})).await;
    }
    define(&tenant, json!({"key": "line", "label": "Line", "type": "text"})).await;
    define(&tenant, json!({"key": "budget", "label": "B", "type": "money"})).await;
    for character in ["a", "д", "山", "💎", "\"", "\n", "é", "e\u{301}"] {
        let long = format!("x{}x", character.repeat(9_998));
        let contact =
            made(&tenant, json!({"last_name": "L", "custom": {"long_0": long, "long_1": long}})).await;
        let stored = text(&contact["custom"]["long_0"]);
        assert_eq!(stored.chars().count(), 10_000, "{character}");
        let longer = json!({"last_name": "L", "custom": {"long_0": format!("{long}x")}});
        assert_eq!(refused(&tenant, longer).await, [("/custom/long_0".to_owned(), "TOO_LONG".to_owned())]);
    }
    let many: serde_json::Map<String, Value> =
        (0..7).map(|n| (format!("long_{n}"), "💎".repeat(9_500 + n).into())).collect();
    let violations = refused(&tenant, json!({"last_name": "L", "custom": many})).await;
    assert_eq!(violations, [("/custom/long_6".to_owned(), "CUSTOM_TOO_LARGE".to_owned())]);
    let violations = refused(&tenant, json!({"last_name": "L", "custom": {"line": "two\nlines"}})).await;
    assert_eq!(violations, [("/custom/line".to_owned(), "TEXT_CONTROL_CHARACTER".to_owned())]);
    for code in ["ANG", "XCG", "HRK", "ZWG", "SLE", "VED"] {
        let budget = json!({"amount_minor": 5, "currency": code});
        assert_eq!(
            made(&tenant, json!({"last_name": "M", "custom": {"budget": budget}})).await["custom"]["budget"],
            budget
        );
    }
    // Counted in its normal form, at the gateway too; what nobody sees is nothing.
    let contact =
        made(&tenant, json!({"last_name": "o\u{308}".repeat(100), "first_name": "\u{200d}\u{2800}\u{34f}"}))
            .await;
    assert_eq!((text(&contact["last_name"]).chars().count(), &contact["first_name"]), (100, &Value::Null));
}

/// Findings 19, 20 and 21.
#[tokio::test]
async fn a_value_is_found_as_it_is_typed() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("found").await;
    for (key, kind) in [("mob", "phone"), ("mail", "email"), ("web", "url")] {
        define(&tenant, json!({"key": key, "label": key, "type": kind, "indexed": true})).await;
    }
    let custom = json!({"mob": "\u{202a}+49 151 12345678\u{202c}", "mail": "zoe@bücher.example", "web": "https://bücher.example/x"});
    let contact = made(
        &tenant,
        json!({"last_name": "O’Brien", "first_name": "Jean‐Luc", "custom": custom,
               "phones": [{"number": "\u{202a}+49 30\u{200b} 901820\u{202c}"}, {"number": "+49 30 901821", "kind": "home"}]}),
    )
    .await;
    assert_eq!(contact["phones"][0]["number"], "+4930901820");
    assert_eq!(contact["custom"]["mob"], "+4915112345678");
    let company = json!({"name": "Acme", "phones": [{"number": "+49 30 901820"}]});
    tenant.admin.post("/api/v1/companies", company).await.expect(201);
    for filter in [
        r#"last_name:"O'B""#,
        r#"last_name:"o’brien""#,
        r#"first_name:"jean-l""#,
        r#"first_name:"Jean–Luc""#,
        r#"phones.number = "+4930901820""#,
        r#"phones.number = "+49 (30) 901821""#,
        r#"phones.number:"+49 30 901820""#,
        r#"custom.mob = "+49 151 12345678""#,
        r#"custom.mob:"+49 151""#,
        r#"custom.mob:"+49-(151)-1""#,
        r#"custom.mail:"Zoe@Bü""#,
        r#"custom.mail:"zoe@xn--bcher-kva.example""#,
        r#"custom.mail = "ZOE@Bücher.example""#,
        r#"custom.web:"https://bücher""#,
        r#"custom.web:"HTTPS://Bücher.example/""#,
        r#"custom.web = "https://BÜCHER.example/x""#,
    ] {
        assert_eq!(found(&tenant, "contacts", filter).await, 1, "{filter}");
    }
    for filter in [
        r#"phones.number = "+4930901829""#,
        r#"custom.mob:"+49 152""#,
        r#"custom.mail:"zoe@bu.""#,
        "NOT phones.number:*",
    ] {
        assert_eq!(found(&tenant, "contacts", filter).await, 0, "{filter}");
    }
    assert_eq!(found(&tenant, "companies", r#"phones.number = "+49 30 901820""#).await, 1);
    // A number that is gone is not found.
    let path = format!("/api/v1/contacts/{}", text(&contact["id"]));
    tenant.admin.patch(&path, json!({"phones": [{"number": "+49 30 901821"}]})).await.expect(200);
    assert_eq!(found(&tenant, "contacts", r#"phones.number = "+4930901820""#).await, 0);
    // Whoever may not see the numbers may not ask for them.
    let all = json!([{"object": "contact", "actions": ["read"], "scopes": ["all"]}]);
    let hidden = json!([{"object": "contact", "field": "phones", "access": "none"}]);
    let member = stage.member(&tenant, "member", all, hidden).await.client;
    let asked = member.get(&format!("/api/v1/contacts{}", query(&[("filter", "phones.number:*")]))).await;
    problem(&asked, 400, "UNKNOWN_FIELD");
}
