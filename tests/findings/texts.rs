//! Texts as people write and paste them.

use serde_json::{Value, json};

use super::files::Import;
use super::{Wrong, define, made, violation};
use crate::client::query;
use crate::stage::{Stage, Tenant};

#[tokio::test]
async fn ten_thousand_characters_are_as_many_in_every_script() {
    let tenant = Stage::shared().await.tenant("f-long").await;
    for key in ["bio", "more"] {
        define(&tenant, key, "long_text", json!({})).await;
    }
    let mut wrong = Wrong::default();
    // By bytes one to four, by JSON up to six; the last is two code points that are one after NFC.
    for character in ["ж", "漢", "😀", "ש", "क", "\\", "\u{7ff}", "e\u{301}"] {
        let stored = if character == "e\u{301}" { "é" } else { character };
        let custom = json!({"bio": character.repeat(10_000), "more": character.repeat(9_000)});
        let answer = tenant.admin.post("/api/v1/contacts", json!({"last_name": "L", "custom": custom})).await;
        if answer.status == 201 {
            let right = answer.json()["custom"]["bio"] == stored.repeat(10_000);
            wrong.unless(right, || format!("{character:?} came back as something else"));
        } else {
            wrong.0.push(format!("{character:?}: {} {:.300}", answer.status, answer.text));
        }
        let over = json!({"last_name": "L", "custom": {"bio": character.repeat(10_001)}});
        let answer = tenant.admin.post("/api/v1/contacts", over).await;
        wrong.unless(violation(&answer, "/custom/bio").is_some(), || {
            format!("one {character:?} more: {} {:.300}", answer.status, answer.text)
        });
    }
    wrong.none();
}

#[tokio::test]
async fn many_short_texts_are_filled_as_far_as_each_may_be() {
    let tenant = Stage::shared().await.tenant("f-many").await;
    let keys: Vec<String> = (0..35).map(|n| format!("t{n}")).collect();
    for key in &keys {
        define(&tenant, key, "text", json!({})).await;
    }
    let custom: serde_json::Map<String, Value> =
        keys.iter().map(|key| (key.clone(), json!("ლ".repeat(500)))).collect();
    let answer = tenant.admin.post("/api/v1/contacts", json!({"last_name": "M", "custom": custom})).await;
    assert_eq!(answer.status, 201, "{:.300}", answer.text);
    assert_eq!(answer.json()["custom"], Value::Object(custom));
}

#[tokio::test]
async fn what_nobody_can_see_is_no_name() {
    let tenant = Stage::shared().await.tenant("f-unseen").await;
    let mut wrong = Wrong::default();
    for blank in [
        "\u{200b}\u{2060}",
        "\u{3164}",
        "\u{115f}\u{1160}",
        "\u{2800}",
        "\u{ad}",
        "\u{3000}\u{feff}",
        "\u{180e}",
    ] {
        let answer =
            tenant.admin.post("/api/v1/contacts", json!({"last_name": blank, "first_name": blank})).await;
        wrong.unless(answer.status == 422, || format!("{blank:?}: {} {}", answer.status, answer.text));
    }
    // Marks that spelling needs are not blanks.
    for name in ["می\u{200c}خواهم", "👩\u{200d}🚀", "\u{200f}שלום"] {
        let answer = tenant.admin.post("/api/v1/contacts", json!({"last_name": name})).await;
        wrong.unless(answer.status == 201, || format!("{name:?}: {}", answer.text));
    }
    wrong.none();
}

#[tokio::test]
async fn a_text_field_is_one_line() {
    let tenant = Stage::shared().await.tenant("f-one-line").await;
    define(&tenant, "nick", "text", json!({})).await;
    define(&tenant, "bio", "long_text", json!({})).await;
    let write =
        |custom: Value| tenant.admin.post("/api/v1/contacts", json!({"last_name": "T", "custom": custom}));
    let mut wrong = Wrong::default();
    for text in ["a\nb", "a\tb", "a\r\nb", "a\u{2028}b", "a\u{2029}b"] {
        let answer = write(json!({"nick": text})).await;
        wrong.unless(violation(&answer, "/custom/nick").is_some(), || format!("{text:?}: {}", answer.status));
    }
    let answer = write(json!({"bio": "a\n\tb"})).await;
    wrong.unless(answer.status == 201 && answer.json()["custom"]["bio"] == "a\n\tb", || answer.text.clone());
    wrong.none();
}

/// As they come out of web pages, address books and word processors, with what is stored of them.
const PASTED: [(&str, &str); 9] = [
    ("\u{2066}+41 44 668 18 00\u{2069}", "+41446681800"),
    ("\u{feff}+41446681800", "+41446681800"),
    ("+41 44\u{ad} 668\u{200e} 18\u{2060}00", "+41446681800"),
    ("+41\u{a0}44\u{202f}668\u{2009}18\u{2007}00", "+41446681800"),
    ("+41\u{2011}44\u{2010}668\u{2013}18\u{2011}00", "+41446681800"),
    ("\u{200f}\u{61c}+33 1 42 68 53 00\u{200f}", "+33142685300"),
    ("\u{202d}+1 (650) 253-0000\u{202c}", "+16502530000"),
    ("\u{200c}+39 02 3661 8300\u{200d}", "+390236618300"),
    ("\u{200b}\u{200b}+390236618300\u{200b}\n", "+390236618300"),
];

#[tokio::test]
async fn marks_that_came_with_a_pasted_number_are_dropped() {
    let tenant = Stage::shared().await.tenant("f-pasted").await;
    define(&tenant, "mob", "phone", json!({})).await;
    let columns = [("First", "first_name"), ("Phone", "phones.number"), ("Mob", "custom.mob")];
    let import = Import { columns: &columns, ..Import::default() };
    let mut wrong = Wrong::default();
    for (pasted, stored) in PASTED {
        let phones = json!([{"number": pasted, "kind": "work"}]);
        let body = json!({"last_name": "P", "phones": phones, "custom": {"mob": pasted}});
        let contact = tenant.admin.post("/api/v1/contacts", body).await;
        let company = tenant.admin.post("/api/v1/companies", json!({"name": "P", "phones": phones})).await;
        for answer in [&contact, &company] {
            let right = answer.status == 201 && answer.json()["phones"][0]["number"] == stored;
            wrong.unless(right, || format!("{pasted:?}: {} {}", answer.status, answer.text));
        }
        let right = contact.status != 201 || contact.json()["custom"]["mob"] == stored;
        wrong.unless(right, || format!("{pasted:?}: {}", contact.text));
        let cell = pasted.trim_end();
        let outcome = import.run(&tenant, format!("First;Phone;Mob\nAnn;{cell};{cell}\n")).await;
        let right = outcome
            .made
            .first()
            .is_some_and(|c| c["phones"][0]["number"] == stored && c["custom"]["mob"] == stored);
        wrong.unless(right, || format!("import of {pasted:?}: {}", outcome.operation));
    }
    wrong.none();
}

/// E.164 has none, and to drop one would dial somebody else.
#[tokio::test]
async fn an_extension_is_refused_and_never_dropped() {
    let tenant = Stage::shared().await.tenant("f-extensions").await;
    let columns = [("First", "first_name"), ("Phone", "phones.number")];
    let import = Import { columns: &columns, ..Import::default() };
    for number in ["+41 44 668 18 00 #12", "+1 650 253 0000 доб. 5", "+4930901820 DW 7", "+33142685300p12"]
    {
        let body = json!({"last_name": "E", "phones": [{"number": number}]});
        let answer = tenant.admin.post("/api/v1/contacts", body).await;
        assert_eq!(violation(&answer, "/phones/0/number").as_deref(), Some("PHONE_INVALID"), "{number}");
        let outcome = import.run(&tenant, format!("First;Phone\nAnn;{number}\n")).await;
        assert!(outcome.made.is_empty() && outcome.has_error((2, "Phone", "PHONE_INVALID")), "{outcome:?}");
    }
}

/// How many contacts a filter finds.
async fn found(tenant: &Tenant, filter: &str) -> Result<usize, String> {
    let answer = tenant.admin.get(&format!("/api/v1/contacts{}", query(&[("filter", filter)]))).await;
    if answer.status == 200 { Ok(super::ids(&answer.json(), "contacts").len()) } else { Err(answer.text) }
}

#[tokio::test]
async fn apostrophes_and_hyphens_are_found_by_each_other() {
    let tenant = Stage::shared().await.tenant("f-alike").await;
    for name in ["D'Arcy", "D’Arcy", "D‘Arcy", "Dʼarcy", "D\u{2032}Arcy"] {
        made(&tenant.admin.post("/api/v1/contacts", json!({"last_name": name})).await);
    }
    for name in ["Anne-Lise", "Anne\u{2010}Lise", "Anne\u{2011}Lise", "Anne–Lise", "Anne\u{2212}Lise"] {
        made(&tenant.admin.post("/api/v1/contacts", json!({"first_name": name})).await);
    }
    let mut wrong = Wrong::default();
    for (filter, count) in [
        ("last_name:\"d'ar\"", 5),
        ("last_name:\"D’\"", 5),
        ("first_name:\"anne-l\"", 5),
        ("first_name:\"Anne\u{2010}Lise\"", 5),
        ("full_name:\"anne–\"", 5),
        // Exact stays exact.
        ("last_name = \"D’Arcy\"", 1),
        ("first_name = \"Anne-Lise\"", 1),
    ] {
        let number = found(&tenant, filter).await;
        wrong.unless(number == Ok(count), || format!("{filter}: {number:?} and not {count}"));
    }
    wrong.none();
}
