//! What columns may feed, and what is said where they do not fit.

use serde_json::{Value, json};

use super::files::{Columns, FIRST, FM, Import};
use super::{Wrong, define, violation};
use crate::stage::Stage;

#[tokio::test]
async fn a_missing_column_is_named_with_those_that_are_there() {
    let tenant = Stage::shared().await.tenant("f-missing").await;
    let columns = [FM[0], ("Mail", "emails.address"), ("Telefon", "phones.number")];
    let outcome = Import { columns: &columns, ..Import::default() }
        .run(&tenant, "First;E-Mail-Adresse;Phone\nAnn;a@x.test;+4930901820\n")
        .await;
    assert!(outcome.has_failed() && outcome.made.is_empty(), "{outcome:?}");
    assert_eq!(outcome.operation["failure"], "COLUMN_MISSING", "{outcome:?}");
    let said = outcome.operation["errors"].to_string();
    for name in ["Mail", "Telefon", "E-Mail-Adresse", "Phone"] {
        assert!(said.contains(name), "{name} is not named: {said}");
    }
    let named: Vec<String> = outcome.errors().into_iter().map(|(_, column, _)| column).collect();
    assert_eq!(named, ["Mail", "Telefon"], "{said}");
}

#[tokio::test]
async fn a_file_without_rows_is_held_against_its_mapping_too() {
    let tenant = Stage::shared().await.tenant("f-no-rows").await;
    let import = Import { columns: FIRST, ..Import::default() };
    let files: [(&str, &[u8]); 6] = [
        ("a header", b"Surname;Given name"),
        ("a header and blank lines", b"Surname\r\n\r\n\r\n"),
        ("JSON", b"[{\"First\": \"Ann\"}, {\"First\": \"Bob\"}]"),
        ("XML", b"<?xml version=\"1.0\"?><people><First>Ann</First></people>"),
        ("a workbook", b"PK\x03\x04\x14\x00\x08\x00\x08\x00First\x00\x00"),
        ("a mail", b"Subject: First"),
    ];
    let mut wrong = Wrong::default();
    for (what, file) in files {
        let taken = import.tried(&tenant, file).await;
        let refused = match &taken {
            Ok(outcome) => outcome.has_failed() && outcome.made.is_empty(),
            Err(refusal) => refusal.status == 422,
        };
        wrong.unless(refused, || format!("{what}: {taken:?}"));
        if let Ok(outcome) = taken
            && outcome.operation["failure"] == "COLUMN_MISSING"
        {
            let said = outcome.operation["errors"].to_string();
            wrong.unless(said.contains("\"First\""), || format!("{what} does not name First: {said}"));
        }
    }
    wrong.none();
}

#[tokio::test]
async fn an_error_of_a_row_names_its_column_or_its_field() {
    let tenant = Stage::shared().await.tenant("f-named-errors").await;
    define(&tenant, "nr", "integer", json!({"unique": true})).await;
    let columns = [FM[0], FM[1], ("No.", "custom.nr")];
    let import = |policy: &str| Import {
        columns: &columns,
        more: json!({"duplicate_policy": policy}),
        ..Import::default()
    };
    import("skip").run(&tenant, "First,Mail,No.\nAnn,a@x.test,7\n").await;
    let outcome = import("fail").run(&tenant, "First,Mail,No.\nAnn,a@x.test,8\nBob,b@x.test,7\n,,9\n").await;
    assert!(outcome.has_error((2, "Mail", "DUPLICATE")), "{outcome:?}");
    assert!(outcome.has_error((3, "No.", "DUPLICATE_VALUE")), "{outcome:?}");
    assert_eq!(outcome.counts(), [0, 0, 0, 3]);
    for error in outcome.operation["errors"].as_array().expect("errors") {
        let named = |part: &str| error[part].as_str().is_some_and(|name| !name.is_empty());
        assert!(named("column") || named("field"), "{error}");
    }
}

#[tokio::test]
async fn only_columns_that_are_mapped_need_a_name_of_their_own() {
    let tenant = Stage::shared().await.tenant("f-repeated").await;
    let mut wrong = Wrong::default();
    for (n, header) in ["First,Mail,,,", "First,Mail,Tag,tag,Tag", "x,First,x,Mail,x"].into_iter().enumerate()
    {
        let row: Vec<String> = header
            .split(',')
            .map(|name| match name {
                "First" => "Ann".to_owned(),
                "Mail" => format!("a{n}@x.test"),
                _ => "noise".to_owned(),
            })
            .collect();
        let outcome = Import::default().run(&tenant, format!("{header}\n{}\n", row.join(","))).await;
        wrong.unless(outcome.people() == [format!("Ann//a{n}@x.test")], || format!("{header}: {outcome:?}"));
    }
    let outcome = Import::default().run(&tenant, "Mail,First,Mail\nb@x.test,Bob,c@x.test\n").await;
    wrong.unless(outcome.has_failed() && outcome.made.is_empty(), || format!("{outcome:?}"));
    let said = outcome.operation["errors"].to_string();
    wrong.unless(said.contains("Mail") && !said.contains("First"), || format!("not named: {said}"));
    wrong.none();
}

#[tokio::test]
async fn a_contact_comes_whole_out_of_a_row() {
    let tenant = Stage::shared().await.tenant("f-whole").await;
    let company = json!({"name": "Bücher & Söhne", "domains": ["buecher.test"]});
    let company = tenant.admin.post("/api/v1/companies", company).await.expect(201);
    let me = tenant.admin.get("/api/v1/me").await.expect(200);
    let columns: Columns<'_> = &[
        ("First", "first_name"),
        ("Mail", "emails.address"),
        ("Mail 2", "emails.address"),
        ("Phone", "phones.number"),
        ("Cell", "phones.number"),
        ("Labels", "tags"),
        ("City", "addresses.city"),
        ("Country", "addresses.country"),
        ("ERP", "external_ids.erp"),
        ("Owner", "owner.email"),
        ("Company", "company.name"),
        ("As", "company.role"),
    ];
    let headers: Vec<&str> = columns.iter().map(|(column, _)| *column).collect();
    let file = format!(
        "{}\nAnn|a@x.test|ann@home.test|+41446681800|+33142685300|vip; früh|Zürich|CH|E-77|{}|Bücher & Söhne|CFO\n",
        headers.join("|"),
        me["user"]["email"].as_str().expect("an address"),
    );
    let outcome = Import { columns, ..Import::default() }.run(&tenant, file).await;
    assert_eq!(outcome.counts(), [1, 0, 0, 0], "{outcome:?}");
    let contact = &outcome.made[0];
    let part = |list: &str, part: &str| -> Vec<Value> {
        contact[list].as_array().expect("a list").iter().map(|entry| entry[part].clone()).collect()
    };
    assert_eq!(part("emails", "address"), ["a@x.test", "ann@home.test"]);
    assert_eq!(part("phones", "number"), ["+41446681800", "+33142685300"]);
    assert_eq!(
        (part("addresses", "city"), part("addresses", "country")),
        (vec![json!("Zürich")], vec![json!("CH")])
    );
    assert_eq!(contact["external_ids"], json!({"erp": "E-77"}));
    assert_eq!(contact["owner_id"], me["user"]["id"]);
    let mut tags = contact["tags"].as_array().expect("tags").clone();
    tags.sort_by_key(Value::to_string);
    assert_eq!(tags, ["früh", "vip"]);
    let path = format!("/api/v1/contacts/{}/companies", contact["id"].as_str().expect("an id"));
    let links = tenant.admin.get(&path).await.expect(200);
    assert_eq!(
        (&links["companies"][0]["company_id"], &links["companies"][0]["role"]),
        (&company["id"], &json!("CFO"))
    );
}

#[tokio::test]
async fn companies_come_out_of_files_too() {
    let tenant = Stage::shared().await.tenant("f-companies").await;
    let columns: Columns<'_> =
        &[("Firma", "name"), ("Web", "domains"), ("Umsatz", "annual_revenue"), ("Leute", "employee_count")];
    let more = json!({"object": "company", "duplicate_policy": "update", "decimal_separator": ","});
    let import = Import { columns, more, ..Import::default() };
    let file = "Firma;Web;Umsatz;Leute\nÖl AG;oel.test;1250,50 CHF;7\nTee KG;tee.test;;viele\n";
    let outcome = import.run(&tenant, file).await;
    assert_eq!(outcome.counts(), [1, 0, 0, 1], "{outcome:?}");
    assert!(outcome.has_error((3, "Leute", "")), "{outcome:?}");
    let company = &outcome.made[0];
    let money = json!({"amount_minor": 125_050, "currency": "CHF"});
    assert_eq!((&company["name"], &company["annual_revenue"]), (&json!("Öl AG"), &money));
    // Known again by its domain, and keeps what it had.
    let outcome = import.run(&tenant, "Firma;Web;Umsatz;Leute\n;oel.test;;8\n").await;
    assert_eq!(outcome.counts(), [0, 1, 0, 0], "{outcome:?}");
    let path = format!("/api/v1/companies/{}", company["id"].as_str().expect("an id"));
    let now = tenant.admin.get(&path).await.expect(200);
    assert_eq!(
        (&now["employee_count"], &now["annual_revenue"], &now["name"]),
        (&json!(8), &money, &json!("Öl AG"))
    );
}

#[tokio::test]
async fn dates_have_the_form_that_was_named_and_are_never_guessed() {
    let tenant = Stage::shared().await.tenant("f-dates").await;
    let columns = [FM[0], ("Born", "birthday")];
    /// A format, and cells with the dates that they are in it.
    type Case = (&'static str, &'static [(&'static str, Option<&'static str>)]);
    let cases: [Case; 5] = [
        (
            "DD.MM.YYYY",
            &[
                ("28.02.1990", Some("1990-02-28")),
                ("30.02.1990", None),
                ("02/28/1990", None),
                ("1990-02-28", Some("1990-02-28")),
            ],
        ),
        ("MM/DD/YYYY", &[("02/03/1990", Some("1990-02-03")), ("28/02/1990", None), ("02.03.1990", None)]),
        ("DD/MM/YYYY", &[("02/03/1990", Some("1990-03-02")), ("02/28/1990", None)]),
        ("YYYYMMDD", &[("19900203", Some("1990-02-03")), ("19901332", None)]),
        // Nothing was named.
        (
            "",
            &[
                ("02/03/1990", None),
                ("28.02.1990", None),
                ("32901", None),
                ("3.2.90", None),
                ("1990-02-03", Some("1990-02-03")),
            ],
        ),
    ];
    let mut wrong = Wrong::default();
    for (form, cells) in cases {
        let more = if form.is_empty() { json!({}) } else { json!({"date_format": form}) };
        let import = Import { columns: &columns, more, ..Import::default() };
        let row = |(n, (cell, _)): (usize, &(&str, Option<&str>))| format!("P{n};{cell}\n");
        let rows: String = cells.iter().enumerate().map(row).collect();
        let outcome = match import.tried(&tenant, format!("First;Born\n{rows}")).await {
            Ok(outcome) => outcome,
            Err(refusal) => {
                wrong.0.push(format!("{form}: {}", refusal.text));
                continue;
            }
        };
        for (n, (cell, date)) in cells.iter().enumerate() {
            let of_row = outcome.made.iter().find(|c| c["first_name"] == format!("P{n}").as_str());
            let line = i64::try_from(n + 2).expect("a line");
            let right = match date {
                Some(date) => of_row.is_some_and(|contact| contact["birthday"] == *date),
                None => of_row.is_none() && outcome.has_error((line, "Born", "DATE_INVALID")),
            };
            wrong.unless(right, || format!("{form} {cell}: {of_row:?} {}", outcome.operation));
        }
    }
    wrong.none();
}

#[tokio::test]
async fn numbers_without_a_country_belong_to_the_region_that_was_named() {
    let tenant = Stage::shared().await.tenant("f-regions").await;
    let columns = [FM[0], ("Phone", "phones.number")];
    let mut wrong = Wrong::default();
    for (region, cell, number) in [
        ("CH", "044 668 18 00", "+41446681800"),
        ("fr", "01 42 68 53 00", "+33142685300"),
        ("US", "(650) 253-0000", "+16502530000"),
        ("CH", "+33 1 42 68 53 00", "+33142685300"),
    ] {
        let import = Import { columns: &columns, more: json!({"region": region}), ..Import::default() };
        match import.tried(&tenant, format!("First;Phone\nAnn;{cell}\n")).await {
            Ok(outcome) => {
                let right = outcome.made.first().is_some_and(|c| c["phones"][0]["number"] == number);
                wrong.unless(right, || format!("{region} {cell}: {outcome:?}"));
            }
            Err(refusal) => wrong.0.push(format!("{region}: {}", refusal.text)),
        }
    }
    let import = Import { columns: &columns, more: json!({"region": "QQ"}), ..Import::default() };
    match import.tried(&tenant, "First;Phone\nAnn;044 668 18 00\n").await {
        Ok(outcome) => wrong.0.push(format!("QQ: {outcome:?}")),
        Err(refusal) => wrong.unless(violation(&refusal, "/region").is_some(), || refusal.text.clone()),
    }
    wrong.none();
}

#[tokio::test]
async fn fractions_are_written_as_was_said_and_never_guessed() {
    let tenant = Stage::shared().await.tenant("f-fractions").await;
    define(&tenant, "rate", "decimal", json!({})).await;
    define(&tenant, "budget", "money", json!({})).await;
    let columns = [FM[0], ("Rate", "custom.rate"), ("Budget", "custom.budget")];
    let money = |minor: i64| json!({"amount_minor": minor, "currency": "CHF"});
    let file = "First|Rate|Budget\nAnn|2,75|1250,5 CHF\n";
    let said = json!({"decimal_separator": ","});
    let comma = Import { columns: &columns, more: said, ..Import::default() }.run(&tenant, file).await;
    assert_eq!(comma.made[0]["custom"], json!({"rate": 2.75, "budget": money(125_050)}), "{comma:?}");
    let unsaid = Import { columns: &columns, ..Import::default() }.run(&tenant, file).await;
    assert!(unsaid.made.is_empty() && unsaid.has_error((2, "Rate", "")), "{unsaid:?}");
}
