//! An import that updates adds to what is there, takes nothing away, and can say no.

use serde_json::{Value, json};

use super::files::{Columns, FM, Import};
use super::{Wrong, define, made};
use crate::stage::{Stage, Tenant, text};

const UPDATE: &str = "update";

/// Imports a row of cells without commas; what the contact with `path` is then. A dry run before it must say the same and change nothing.
async fn updated(tenant: &Tenant, path: &str, columns: Columns<'_>, row: &str) -> Value {
    let headers: Vec<&str> = columns.iter().map(|(column, _)| *column).collect();
    let file = format!("{}\n{row}\n", headers.join(","));
    let import = |dry: bool| Import {
        columns,
        more: json!({"duplicate_policy": UPDATE, "dry_run": dry}),
        ..Import::default()
    };
    let before = tenant.admin.get(path).await.expect(200);
    let dry = import(true).run(tenant, &file).await;
    assert_eq!(tenant.admin.get(path).await.expect(200), before, "a dry run of {row} changed something");
    let outcome = import(false).run(tenant, &file).await;
    assert_eq!(outcome.counts(), dry.counts(), "{row}: {} {}", outcome.operation, dry.operation);
    assert_eq!(outcome.counts(), [0, 1, 0, 0], "{row}: {}", outcome.operation);
    tenant.admin.get(path).await.expect(200)
}

#[tokio::test]
async fn no_is_false_in_every_way_to_write_it() {
    let tenant = Stage::shared().await.tenant("f-no").await;
    define(&tenant, "vip", "boolean", json!({})).await;
    let columns: Columns<'_> = &[
        ("Mail", "emails.address"),
        ("Call", "do_not_call"),
        ("Mailing", "do_not_email"),
        ("VIP", "custom.vip"),
    ];
    let mut wrong = Wrong::default();
    for (n, word) in ["false", "0", "No", "FALSE", "no"].into_iter().enumerate() {
        let mail = format!("no{n}@x.test");
        let body = json!({"last_name": "No", "emails": [{"address": mail}], "do_not_call": true, "do_not_email": true,
                          "custom": {"vip": true}});
        let (_, path) = made(&tenant.admin.post("/api/v1/contacts", body).await);
        let now = updated(&tenant, &path, columns, &format!("{mail},{word},,{word}")).await;
        let switches = [&now["do_not_call"], &now["do_not_email"], &now["custom"]["vip"]];
        wrong.unless(switches == [false, true, false], || format!("{word}, nothing, {word}: {switches:?}"));
        let now = updated(&tenant, &path, columns, &format!("{mail},,{word},")).await;
        wrong.unless(now["do_not_email"] == false, || format!("do_not_email {word}: {now}"));
    }
    wrong.none();
}

#[tokio::test]
async fn what_is_neither_yes_nor_no_is_an_error() {
    let tenant = Stage::shared().await.tenant("f-maybe").await;
    let columns = [FM[0], ("Call", "do_not_call")];
    let file = "First,Call\nAnn,maybe\nBob,2\nCid,yes\n";
    let outcome = Import { columns: &columns, ..Import::default() }.run(&tenant, file).await;
    assert_eq!(outcome.people(), ["Cid//"], "{outcome:?}");
    assert!(outcome.has_error((2, "Call", "")) && outcome.has_error((3, "Call", "")), "{outcome:?}");
    assert_eq!(outcome.made[0]["do_not_call"], true);
}

/// A contact with three numbers, two addresses, two tags, an id elsewhere and a postal address.
async fn rich(tenant: &Tenant, mail: &str) -> String {
    let body = json!({
        "last_name": "Rich", "tags": ["b", "ä"], "external_ids": {"erp": mail},
        "emails": [{"address": mail, "kind": "work", "is_primary": true}, {"address": format!("home-{mail}"), "kind": "home"}],
        "phones": [
            {"number": "+4930901820", "kind": "work", "is_primary": true},
            {"number": "+41446681800", "kind": "home"},
            {"number": "+390236618300", "kind": "mobile"},
        ],
        "addresses": [{"kind": "billing", "city": "Wien", "country": "AT"}],
    });
    made(&tenant.admin.post("/api/v1/contacts", body).await).1
}

/// `number kind` of each phone, sorted.
fn phones(contact: &Value) -> Vec<String> {
    let phones = contact["phones"].as_array().expect("phones").iter();
    let mut phones: Vec<String> = phones
        .map(|p| {
            format!("{} {}", text(&p["number"]), p["kind"].as_str().unwrap_or_default()).trim_end().to_owned()
        })
        .collect();
    phones.sort();
    phones
}

#[tokio::test]
async fn numbers_are_added_and_keep_their_kinds() {
    let tenant = Stage::shared().await.tenant("f-phones").await;
    let columns: Columns<'_> = &[("Mail", "emails.address"), ("Phone", "phones.number")];
    let kept = ["+390236618300 mobile", "+41446681800 home", "+4930901820 work"];
    let mut wrong = Wrong::default();
    // The mobile one in another notation, the home one, a new one.
    for (n, cell) in ["+39 02 3661-8300", "+41 (44) 668 18 00", "+33 1 42 68 53 00"].into_iter().enumerate() {
        let mail = format!("p{n}@x.test");
        let path = rich(&tenant, &mail).await;
        let now = updated(&tenant, &path, columns, &format!("{mail},{cell}")).await;
        let mut expected: Vec<String> = kept.map(str::to_owned).into();
        if n == 2 {
            expected.push("+33142685300".to_owned());
            expected.sort();
        }
        wrong.unless(phones(&now) == expected, || format!("{cell}: {}", now["phones"]));
        let primary = now["phones"].as_array().expect("phones").iter().filter(|p| p["is_primary"] == true);
        wrong.unless(primary.count() == 1, || format!("{cell}: {}", now["phones"]));
    }
    wrong.none();
}

#[tokio::test]
async fn every_other_list_is_added_to_as_well() {
    let tenant = Stage::shared().await.tenant("f-lists").await;
    let path = rich(&tenant, "lists@x.test").await;
    let columns: Columns<'_> = &[
        ("Mail", "emails.address"),
        ("Mail 2", "emails.address"),
        ("Labels", "tags"),
        ("CRM", "external_ids.crm"),
        ("City", "addresses.city"),
    ];
    let now = updated(&tenant, &path, columns, "lists@x.test,third@x.test,c; b,77,Linz").await;
    let words = |list: &str, part: &str| {
        let mut words: Vec<String> =
            now[list].as_array().expect("a list").iter().map(|e| text(&e[part])).collect();
        words.sort();
        words
    };
    let mut wrong = Wrong::default();
    let mails = words("emails", "address");
    wrong.unless(mails == ["home-lists@x.test", "lists@x.test", "third@x.test"], || format!("{mails:?}"));
    let mut tags: Vec<String> = now["tags"].as_array().expect("tags").iter().map(text).collect();
    tags.sort();
    wrong.unless(tags == ["b", "c", "ä"], || format!("{tags:?}"));
    let elsewhere = &now["external_ids"];
    wrong.unless(*elsewhere == json!({"erp": "lists@x.test", "crm": "77"}), || elsewhere.to_string());
    let cities = words("addresses", "city");
    wrong.unless(cities == ["Linz", "Wien"], || format!("{cities:?}"));
    wrong.unless(phones(&now).len() == 3, || now["phones"].to_string());
    wrong.none();
}

#[tokio::test]
async fn domains_of_a_company_are_added_to() {
    let tenant = Stage::shared().await.tenant("f-domains").await;
    let body = json!({"name": "Acme", "domains": ["acme.test", "acme.example"],
                      "phones": [{"number": "+4930901820", "kind": "work", "is_primary": true}]});
    let (_, path) = made(&tenant.admin.post("/api/v1/companies", body).await);
    let columns: Columns<'_> = &[("Web", "domains"), ("Phone", "phones.number")];
    let more = json!({"object": "company", "duplicate_policy": UPDATE});
    let outcome = Import { columns, more, ..Import::default() }
        .run(&tenant, "Web,Phone\nacme.test; acme.invalid,+41446681800\n")
        .await;
    assert_eq!(outcome.counts(), [0, 1, 0, 0], "{outcome:?}");
    let now = tenant.admin.get(&path).await.expect(200);
    let mut domains: Vec<String> = now["domains"].as_array().expect("domains").iter().map(text).collect();
    domains.sort();
    assert_eq!(domains, ["acme.example", "acme.invalid", "acme.test"]);
    assert_eq!(phones(&now), ["+41446681800", "+4930901820 work"]);
}
