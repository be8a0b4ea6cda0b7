//! The operand of a filter has the form of what is stored, and a refusal says what is true.

use serde_json::json;

use super::{Wrong, define, ids, made};
use crate::client::query;
use crate::stage::{Stage, Tenant, text};

/// Each filter finds so many.
async fn find(tenant: &Tenant, collection: &str, filters: &[(&str, usize)], wrong: &mut Wrong) {
    for (filter, count) in filters {
        let path = format!("/api/v1/{collection}{}", query(&[("filter", filter)]));
        let answer = tenant.admin.get(&path).await;
        let right = answer.status == 200 && ids(&answer.json(), collection).len() == *count;
        wrong.unless(right, || format!("{filter} is not {count}: {} {:.400}", answer.status, answer.text));
    }
}

#[tokio::test]
async fn phone_numbers_are_found_however_they_are_written() {
    let tenant = Stage::shared().await.tenant("f-find-phones").await;
    define(&tenant, "mob", "phone", json!({"indexed": true})).await;
    for (number, second, mob) in [
        ("+41446681800", Some("+33142685300"), "+41 44 668 18 00"),
        ("+4930901820", None, "+4930901820"),
        ("+390236618300", None, "+390236618300"),
    ] {
        let mut phones = vec![json!({"number": number, "kind": "work"})];
        phones.extend(second.map(|number| json!({"number": number, "kind": "home"})));
        let body = json!({"last_name": "P", "phones": phones, "custom": {"mob": mob}});
        made(&tenant.admin.post("/api/v1/contacts", body).await);
        made(&tenant.admin.post("/api/v1/companies", json!({"name": "P", "phones": phones})).await);
    }
    let everywhere = [
        ("phones.number = \"+41446681800\"", 1),
        ("phones.number = \"+33 1 42.68.53.00\"", 1),
        ("phones.number:\"+41 (44) 668-18-00\"", 1),
        ("phones.number = (\"+4930901820\", \"+39 02 36618300\")", 2),
        ("phones.number != \"+33142685300\"", 2),
        ("phones.number = \"+16502530000\"", 0),
    ];
    let of_contacts = [
        ("custom.mob = \"+41 446 681 800\"", 1),
        ("custom.mob:\"+41 (44)\"", 1),
        ("custom.mob:\"+49 30-90\"", 1),
        ("custom.mob:\"+39\u{a0}02\"", 1),
        ("custom.mob:\"+4\"", 2),
    ];
    let mut wrong = Wrong::default();
    find(&tenant, "companies", &everywhere, &mut wrong).await;
    find(&tenant, "contacts", &everywhere, &mut wrong).await;
    find(&tenant, "contacts", &of_contacts, &mut wrong).await;
    wrong.none();
}

#[tokio::test]
async fn addresses_and_domains_are_found_as_people_write_them() {
    let tenant = Stage::shared().await.tenant("f-find-addresses").await;
    define(&tenant, "addr", "email", json!({"indexed": true})).await;
    define(&tenant, "web", "url", json!({"indexed": true})).await;
    for (name, mail, web) in [
        ("A", "info@müller.test", "https://müller.test/Pfad"),
        ("B", "info@example.test", "https://example.test"),
    ] {
        let body =
            json!({"last_name": name, "emails": [{"address": mail}], "custom": {"addr": mail, "web": web}});
        made(&tenant.admin.post("/api/v1/contacts", body).await);
    }
    made(&tenant.admin.post("/api/v1/companies", json!({"name": "M", "domains": ["müller.test"]})).await);
    let mut wrong = Wrong::default();
    let filters = [
        ("emails.address = \"INFO@Müller.test\"", 1),
        ("emails.domain = \"müller.test\"", 1),
        ("emails.domain = \"EXAMPLE.test\"", 1),
        ("custom.addr:\"INFO@EX\"", 1),
        ("custom.addr:\"info@müller.test\"", 1),
        ("custom.addr:\"info@mül\"", 1),
        ("custom.addr:\"info@\"", 2),
        ("custom.web:\"https://müller.test\"", 1),
        ("custom.web:\"HTTPS://MÜLLER.test/Pf\"", 1),
        ("custom.web:\"https://mü\"", 1),
        ("custom.web:\"https://ex\"", 1),
    ];
    find(&tenant, "contacts", &filters, &mut wrong).await;
    find(
        &tenant,
        "companies",
        &[("domains:\"müller.test\"", 1), ("domains = \"MÜLLER.TEST\"", 1)],
        &mut wrong,
    )
    .await;
    wrong.none();
}

#[tokio::test]
async fn a_refusal_of_a_prefix_does_not_speak_of_too_many_records() {
    let tenant = Stage::shared().await.tenant("f-prefix").await;
    for (key, kind) in [("plain", "text"), ("addr", "email"), ("mob", "phone"), ("web", "url")] {
        define(&tenant, key, kind, json!({})).await;
    }
    made(&tenant.admin.post("/api/v1/contacts", json!({"last_name": "X", "custom": {"plain": "abc"}})).await);
    let mut wrong = Wrong::default();
    for filter in
        ["custom.plain:\"ab\"", "custom.addr:\"a\"", "custom.mob:\"+49\"", "custom.web:\"https://\""]
    {
        let answer = tenant.admin.get(&format!("/api/v1/contacts{}", query(&[("filter", filter)]))).await;
        let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        let honest = answer.status == 200 || !detail.contains("too many") && detail.contains("index");
        wrong.unless(honest, || format!("{filter}: {} {detail}", answer.status));
    }
    wrong.none();
}

#[tokio::test]
async fn an_option_that_there_is_not_is_refused_everywhere() {
    let tenant = Stage::shared().await.tenant("f-options").await;
    let options = json!([{"key": "gold", "label": "Gold"}, {"key": "old", "label": "Old"}]);
    let tier = define(&tenant, "tier", "picklist", json!({"options": options, "indexed": true})).await;
    define(&tenant, "slow", "picklist", json!({"options": options})).await;
    define(&tenant, "many", "multi_picklist", json!({"options": options})).await;
    let ask = async |filter: &str| {
        tenant.admin.get(&format!("/api/v1/contacts{}", query(&[("filter", filter)]))).await
    };
    let mut wrong = Wrong::default();
    for filter in [
        "custom.tier = \"silver\"",
        "custom.tier != \"silver\"",
        "custom.tier = (\"gold\", \"silver\")",
        "custom.tier = \"Gold\"",
        "custom.slow = \"silver\"",
        "custom.many:\"silver\"",
        "NOT custom.tier = \"\"",
        "lifecycle = \"silver\"",
    ] {
        let answer = ask(filter).await;
        wrong.unless(answer.status == 400, || format!("{filter}: {} {:.300}", answer.status, answer.text));
    }
    // What was an option once is still asked for.
    let path = format!("/api/v1/objects/contact/fields/{}", text(&tier["id"]));
    let retired = json!([{"key": "gold", "label": "Gold"}, {"key": "old", "label": "Old", "retired": true}]);
    tenant.admin.patch(&path, json!({"options": retired})).await.expect(200);
    for filter in ["custom.tier = \"old\"", "custom.tier = (\"gold\", \"old\")", "custom.many:\"gold\""] {
        let answer = ask(filter).await;
        wrong.unless(answer.status == 200, || format!("{filter}: {} {:.300}", answer.status, answer.text));
    }
    wrong.none();
}
