//! Imports as a client sees them: what is said about a file, what was taken, and what a preview shows.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::problem;
use crate::journey::writing::finished;
use crate::stage::{Stage, Tenant, text};
use crate::waiting;

async fn upload(tenant: &Tenant, content_type: &str, bytes: &[u8]) -> String {
    let call = tenant.admin.call(Method::POST, "/api/v1/uploads").bytes(content_type, bytes.to_vec());
    text(&call.send().await.expect(201)["id"])
}

fn request(upload: &str, columns: &[(&str, &str)], more: &Value) -> Value {
    let mapping: Vec<Value> =
        columns.iter().map(|(column, field)| json!({"column": column, "field": field})).collect();
    let mut request = json!({"upload_id": upload, "object": "contact", "mapping": mapping});
    for (name, value) in more.as_object().into_iter().flatten() {
        request[name] = value.clone();
    }
    request
}

/// The operation when it is over, and what was answered when it was queued.
async fn imported(tenant: &Tenant, request: Value) -> (Value, Value) {
    let queued = tenant.admin.post("/api/v1/imports", request).await.expect(202);
    let path = format!("/api/v1/operations/{}", text(&queued["id"]));
    let over = waiting::outcome(Duration::from_secs(60), "the import is over", async || {
        let operation = tenant.admin.get(&path).await.expect(200);
        if operation["finished_at"].is_null() { Err(operation.to_string()) } else { Ok(operation) }
    });
    (over.await, queued)
}

async fn names(tenant: &Tenant) -> Vec<String> {
    let page = tenant.admin.get("/api/v1/contacts?order_by=first_name").await.expect(200);
    let contacts = page["contacts"].as_array().expect("contacts").iter();
    contacts.map(|contact| text(&contact["first_name"])).collect()
}

const FM: [(&str, &str); 2] = [("First", "first_name"), ("Mail", "emails.address")];

#[tokio::test]
async fn the_charset_of_the_upload_counts_and_what_the_request_says_counts_more() {
    let stage = Stage::shared().await;
    let cases: [(&str, &[u8], Value, &str, &str); 6] = [
        ("text/csv; charset=windows-1251", b"\xc8\xe2\xe0\xed", json!({}), "Иван", "windows-1251"),
        ("text/csv; charset=\"ISO-8859-2\"", b"\xa3ukasz", json!({}), "Łukasz", "ISO-8859-2"),
        ("text/csv;charset=shift_jis", b"\x8e\x52\x93\x63", json!({}), "山田", "Shift_JIS"),
        ("text/csv; charset=macintosh", b"Jos\x8e", json!({}), "José", "macintosh"),
        (
            "text/csv; charset=klingon",
            b"\xcf\xb8\xf2\xf0",
            json!({"encoding": "cp1251"}),
            "Пётр",
            "windows-1251",
        ),
        ("text/csv", "Zoë".as_bytes(), json!({}), "Zoë", "UTF-8"),
    ];
    for (content_type, bytes, more, name, encoding) in cases {
        let tenant = stage.tenant("charsets").await;
        let file = [b"First,Mail\n", bytes, b",a@x.test\n"].concat();
        let upload = upload(&tenant, content_type, &file).await;
        let (operation, queued) = imported(&tenant, request(&upload, &FM, &more)).await;
        assert_eq!(operation["result"]["created"], 1, "{content_type}: {operation}");
        assert_eq!(operation["detected"]["encoding"], encoding, "{operation}");
        assert_eq!(queued["detected"], operation["detected"]);
        assert_eq!(names(&tenant).await, [name], "{content_type}");
    }
    let tenant = stage.tenant("charsets-unknown").await;
    let unknown = upload(&tenant, "text/csv; charset=klingon", b"First\nAnn\n").await;
    for path in ["/api/v1/imports", "/api/v1/imports:preview"] {
        let body = if path.ends_with("preview") {
            json!({"upload_id": unknown})
        } else {
            request(&unknown, &FM[..1], &json!({}))
        };
        let answer = tenant.admin.post(path, body).await;
        problem(&answer, 422, "VALIDATION_FAILED");
        assert_eq!(answer.violations(), [("/upload_id".to_owned(), "ENCODING_UNKNOWN".to_owned())]);
    }
}

#[tokio::test]
async fn what_is_said_about_a_file_is_checked_and_what_was_taken_is_answered() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("import-options").await;
    let file = "sep=,\nFirst;Mail;Born;Phone;Note;Note\nAnn;a@x.test;31.01.1980;030 901820;'x;y';z\n\
                Bob;b@x.test;01/31/1980;030 901820;;\n";
    let upload = upload(&tenant, "text/csv", file.as_bytes()).await;
    let columns = [FM[0], FM[1], ("Born", "birthday"), ("Phone", "phones.number")];
    let wrong = json!({"encoding": "klingon", "delimiter": "ab", "quote": "x", "date_format": "YY.MM.DD",
                       "decimal_separator": ";", "region": "ZZ"});
    let answer = tenant.admin.post("/api/v1/imports", request(&upload, &columns, &wrong)).await;
    problem(&answer, 422, "VALIDATION_FAILED");
    let expected = [
        ("/encoding", "ENCODING_UNKNOWN"),
        ("/delimiter", "ENUM_VALUE_UNKNOWN"),
        ("/quote", "ENUM_VALUE_UNKNOWN"),
        ("/date_format", "ENUM_VALUE_UNKNOWN"),
        ("/decimal_separator", "ENUM_VALUE_UNKNOWN"),
        ("/region", "COUNTRY_UNKNOWN"),
    ];
    assert_eq!(answer.violations(), expected.map(|(at, reason)| (at.to_owned(), reason.to_owned())));

    let said = json!({"delimiter": ";", "quote": "'", "date_format": "DD.MM.YYYY", "decimal_separator": ",", "region": "de"});
    let (operation, queued) = imported(&tenant, request(&upload, &columns, &said)).await;
    let detected = json!({"encoding": "UTF-8", "delimiter": ";", "quote": "'", "header_line": 2,
                          "date_format": "DD.MM.YYYY", "decimal_separator": ",", "region": "DE"});
    assert_eq!((&operation["detected"], &queued["detected"]), (&detected, &detected));
    let listed = tenant.admin.get("/api/v1/operations").await.expect(200);
    assert_eq!(listed["operations"][0]["detected"], detected);
    assert_eq!(
        (&operation["result"]["created"], &operation["result"]["failed"]),
        (&json!(1), &json!(1)),
        "{operation}"
    );
    let error = &operation["errors"][0];
    assert_eq!(
        (&error["line"], &error["column"], &error["reason"]),
        (&json!(4), &json!("Born"), &json!("DATE_INVALID"))
    );
    let page = tenant.admin.get("/api/v1/contacts").await.expect(200);
    let contact = &page["contacts"][0];
    assert_eq!(
        (&contact["birthday"], &contact["phones"][0]["number"]),
        (&json!("1980-01-31"), &json!("+4930901820"))
    );
}

#[tokio::test]
async fn a_row_that_breaks_the_grammar_is_an_error_with_its_line_and_column_and_nothing_else() {
    let stage = Stage::shared().await;
    /// A file, the names that come of it, and its errors.
    type Case = (&'static [u8], &'static [&'static str], &'static [(i64, &'static str, &'static str)]);
    let cases: [Case; 5] = [
        (
            b"First,Mail\n\"Ann,ann@x.test\nBob,bob@x.test\nCid,cid@x.test\n",
            &[],
            &[(2, "First", "QUOTE_OPEN")],
        ),
        (
            b"First,Mail\nZo\xc3\xab,z@x.test\nJos\xe9,j@x.test\nS\xc3\xb8ren,s@x.test\n",
            &["Søren", "Zoë"],
            &[(3, "First", "ENCODING_INVALID")],
        ),
        (
            b"First,Mail,Last\nAnn,ann@x.test,Berg, PhD\nBob,b@x.test,B\n",
            &["Bob"],
            &[(2, "", "TOO_MANY_CELLS")],
        ),
        (
            b"First,Mail\n\"Bob \\\"The\\\" B\",bs@x.test\nCid,c@x.test\n",
            &["Cid"],
            &[(2, "First", "TEXT_AFTER_QUOTE")],
        ),
        (
            b"First,Last,Mail\nQ, \"Berg, PhD\", \"q@x.test\"\nCid,C,c@x.test\n",
            &["Cid"],
            &[(2, "Last", "QUOTE_IN_CELL")],
        ),
    ];
    for (file, made, errors) in cases {
        let tenant = stage.tenant("import-grammar").await;
        let upload = upload(&tenant, "text/csv", file).await;
        let (operation, _) = imported(&tenant, request(&upload, &FM, &json!({}))).await;
        assert_eq!(names(&tenant).await, made, "{operation}");
        let errors: Vec<Value> =
            errors.iter().map(|(line, column, reason)| json!([line, column, reason])).collect();
        let seen = operation["errors"].as_array().expect("errors").iter();
        let seen: Vec<Value> = seen.map(|e| json!([e["line"], e["column"], e["reason"]])).collect();
        assert_eq!(seen, errors, "{operation}");
        assert_eq!(operation["result"]["failed"], errors.len(), "{operation}");
    }
}

#[tokio::test]
async fn a_preview_shows_the_form_the_header_ten_rows_and_a_mapping() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("import-preview").await;
    let mut file = "Kunden\n\nVorname;Nachname;E-Mail-Adresse;Umsatz, netto;Tel.\n".to_owned();
    file.push_str("Ann;\"Berg; PhD\";a@x.test;1,5;\nBob;B\"x;b@x.test;2,5;030\n");
    for row in 0..20 {
        file.push_str(&format!("F{row};L{row};f{row}@x.test;3,5;\n"));
    }
    let upload = upload(&tenant, "text/csv", file.as_bytes()).await;
    let seen = tenant.admin.post("/api/v1/imports:preview", json!({"upload_id": upload})).await.expect(200);
    assert_eq!(
        (&seen["detected"]["delimiter"], &seen["detected"]["header_line"]),
        (&json!(";"), &json!(3)),
        "{seen}"
    );
    assert_eq!(seen["header"], json!(["Vorname", "Nachname", "E-Mail-Adresse", "Umsatz, netto", "Tel."]));
    let rows = seen["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 10);
    assert_eq!(
        rows[0],
        json!({"line": 4, "cells": ["Ann", "Berg; PhD", "a@x.test", "1,5", ""], "errors": []})
    );
    let error = &rows[1]["errors"][0];
    assert_eq!(
        (&error["line"], &error["column"], &error["reason"]),
        (&json!(5), &json!("Nachname"), &json!("QUOTE_IN_CELL"))
    );
    let mapping = json!([
        {"column": "Vorname", "field": "first_name"},
        {"column": "Nachname", "field": "last_name"},
        {"column": "E-Mail-Adresse", "field": "emails.address"},
        {"column": "Tel.", "field": "phones.number"},
    ]);
    assert_eq!(seen["mapping"], mapping);
    // What it suggests can be imported as it is.
    let import = json!({"upload_id": upload, "object": "contact", "mapping": mapping, "region": "DE"});
    let (operation, _) = imported(&tenant, import).await;
    assert_eq!(
        (&operation["result"]["created"], &operation["result"]["failed"]),
        (&json!(21), &json!(1)),
        "{operation}"
    );

    for (bytes, reason) in
        [(&b"\n"[..], "FILE_EMPTY"), (b"PK\x03\x04\x00\x00\x01", "FILE_NOT_TEXT"), (b"A,\"B\n", "QUOTE_OPEN")]
    {
        let upload = self::upload(&tenant, "text/csv", bytes).await;
        let answer = tenant.admin.post("/api/v1/imports:preview", json!({"upload_id": upload})).await;
        problem(&answer, 422, "VALIDATION_FAILED");
        assert_eq!(answer.violations(), [("/upload_id".to_owned(), reason.to_owned())]);
    }
}

#[tokio::test]
async fn a_preview_of_companies_suggests_what_their_import_takes() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("import-preview-companies").await;
    let file = "Kunden\n\nFirma;Domain;Mitarbeiter;Tel.;annual_revenue;Rest\n\
                Acme GmbH;acme.test;12;030 901820;1.250,50 EUR;x\nDuo;duo.test;1.234;;;\n";
    let actions = json!([{"object": "company", "actions": ["import", "create", "read"], "scopes": ["all"]}]);
    let member = stage.member(&tenant, "importer", actions, json!([])).await.client;
    let call = member.call(Method::POST, "/api/v1/uploads").bytes("text/csv", file.as_bytes().to_vec());
    let upload = text(&call.send().await.expect(201)["id"]);
    // Who imports companies alone sees no contacts' import.
    let refused = member.post("/api/v1/imports:preview", json!({"upload_id": upload})).await;
    problem(&refused, 403, "PERMISSION_DENIED");
    let seen =
        member.post("/api/v1/imports:preview", json!({"upload_id": upload, "object": "company"})).await;
    let seen = seen.expect(200);
    let mapping = json!([
        {"column": "Firma", "field": "name"},
        {"column": "Domain", "field": "domains"},
        {"column": "Mitarbeiter", "field": "employee_count"},
        {"column": "Tel.", "field": "phones.number"},
        {"column": "annual_revenue", "field": "annual_revenue"},
    ]);
    assert_eq!((&seen["detected"]["header_line"], &seen["mapping"]), (&json!(3), &mapping), "{seen}");

    let mut import = json!({"upload_id": upload, "object": "company", "mapping": mapping, "region": "DE", "decimal_separator": ","});
    let over = async |import: Value| {
        let queued = member.post("/api/v1/imports", import).await.expect(202);
        finished(&member, &text(&queued["id"])).await
    };
    let operation = over(import.clone()).await;
    let result = &operation["result"];
    assert_eq!((&result["created"], &result["failed"]), (&json!(1), &json!(1)), "{operation}");
    let error = &operation["errors"][0];
    let told = ["column", "field", "reason"].map(|member| text(&error[member]));
    assert_eq!(told, ["Mitarbeiter", "employee_count", "TYPE_MISMATCH"], "{error}");
    let page = member.get("/api/v1/companies").await.expect(200);
    let company = &page["companies"][0];
    assert_eq!(company["annual_revenue"], json!({"amount_minor": 125_050, "currency": "EUR"}), "{company}");
    assert_eq!(
        (&company["employee_count"], &company["phones"][0]["number"]),
        (&json!(12), &json!("+4930901820"))
    );

    // What the file lacks is told at the line of its header.
    import["mapping"][0]["column"] = "Company".into();
    let operation = over(import).await;
    assert_eq!(operation["failure"], "COLUMN_MISSING", "{operation}");
    let error = &operation["errors"][0];
    assert_eq!(
        (&error["line"], &error["column"], &error["field"]),
        (&json!(3), &json!("Company"), &json!("name"))
    );
}
