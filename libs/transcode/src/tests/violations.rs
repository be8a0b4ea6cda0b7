use super::{expected, invalid};

#[test]
fn all_violations_of_a_body_are_reported_at_once() {
    let long = "x".repeat(101);
    let body = format!(
        r#"{{
            "nope": {{"deep": [1]}}, "a/b~c": 1, "firstName": "camel",
            "first_name": 5, "last_name": "{long}", "owner_id": "not-a-uuid", "score": 1000001,
            "lifecycle": "LEAD", "do_not_call": "true", "tags": ["ok", "", "dup", "dup", null, 7],
            "emails": [{{"kind": "work"}}, {{"address": null}}, {{"address": "", "x": 1}}, "e"],
            "consents": [{{"purpose": "p", "given_at": "yesterday"}}, {{"purpose": "p", "given_at": 5}}],
            "external_ids": {{"{}": "v", "k": 1, "n\u0000": "v"}},
            "job_title": "nul\u0000", "custom": {{"a": {{"b": ["\u0000", 1e999]}}, "c\u0000": 1}},
            "phones": {{}}, "addresses": [{{"kind": "unspecified", "country": "DEU"}}], "language": null
        }}"#,
        "k".repeat(61)
    );
    let found = invalid("POST", "/api/v1/contacts", &body);
    let key = format!("/external_ids/{}", "k".repeat(61));
    let wanted = expected(&[
        ("/nope", "UNKNOWN_FIELD"),
        ("/a~1b~0c", "UNKNOWN_FIELD"),
        ("/firstName", "UNKNOWN_FIELD"),
        ("/first_name", "TYPE_MISMATCH"),
        ("/last_name", "TOO_LONG"),
        ("/owner_id", "UUID_INVALID"),
        ("/score", "OUT_OF_RANGE"),
        ("/lifecycle", "ENUM_VALUE_UNKNOWN"),
        ("/do_not_call", "TYPE_MISMATCH"),
        ("/tags/1", "TOO_SHORT"),
        ("/tags/4", "TYPE_MISMATCH"),
        ("/tags/5", "TYPE_MISMATCH"),
        ("/tags/3", "REPEATED"),
        ("/emails/0/address", "REQUIRED"),
        ("/emails/1/address", "REQUIRED"),
        ("/emails/2/address", "REQUIRED"),
        ("/emails/2/x", "UNKNOWN_FIELD"),
        ("/emails/3", "TYPE_MISMATCH"),
        ("/consents/0/given_at", "TIMESTAMP_INVALID"),
        ("/consents/1/given_at", "TYPE_MISMATCH"),
        (key.as_str(), "TOO_LONG"),
        ("/external_ids/k", "TYPE_MISMATCH"),
        ("/external_ids/n\0", "NUL_CHARACTER"),
        ("/job_title", "NUL_CHARACTER"),
        ("/custom/a/b/0", "NUL_CHARACTER"),
        ("/custom/a/b/1", "OUT_OF_RANGE"),
        ("/custom/c\0", "NUL_CHARACTER"),
        ("/phones", "TYPE_MISMATCH"),
        ("/addresses/0/kind", "ENUM_VALUE_UNKNOWN"),
        ("/addresses/0/country", "TOO_LONG"),
    ]);
    assert_eq!(found, wanted);
}

#[test]
fn required_members_of_a_whole_body_are_named() {
    let found = invalid("POST", "/api/v1/auth/login", "{\"email\": \"\", \"password\": null}");
    let wanted = [("/email", "REQUIRED"), ("/password", "REQUIRED"), ("/organization", "REQUIRED")];
    assert_eq!(found, expected(&wanted));
    let found = invalid("POST", "/api/v1/imports", "");
    let wanted = [("/upload_id", "REQUIRED"), ("/object", "REQUIRED"), ("/mapping", "TOO_FEW_ITEMS")];
    assert_eq!(found, expected(&wanted));
}

#[test]
fn lists_have_their_limits() {
    let ids = |count: usize| {
        let ids: Vec<String> = (0..count).map(|at| format!("\"00000000-0000-7000-8000-{at:012}\"")).collect();
        ids.join(",")
    };
    let body = format!("{{\"role_ids\":[{}]}}", ids(21));
    assert_eq!(invalid("POST", "/api/v1/users", &body), expected(&[("/role_ids", "TOO_MANY_ITEMS")]));
    let body = format!("{{\"team_ids\":[{},{}]}}", ids(25), ids(2));
    let wanted = [("/team_ids/25", "REPEATED"), ("/team_ids/26", "REPEATED")];
    assert_eq!(invalid("POST", "/api/v1/users", &body), expected(&wanted), "beyond the pairwise comparison");
    let role = r#"{"name":"r","permissions":[{"object":"contact","actions":[],"scopes":["own","x"]},{}]}"#;
    let wanted = [
        ("/permissions/0/actions", "TOO_FEW_ITEMS"),
        ("/permissions/0/scopes/1", "ENUM_VALUE_UNKNOWN"),
        ("/permissions/1/object", "REQUIRED"),
        ("/permissions/1/actions", "TOO_FEW_ITEMS"),
        ("/permissions/1/scopes", "TOO_FEW_ITEMS"),
    ];
    assert_eq!(invalid("POST", "/api/v1/roles", role), expected(&wanted));
    let pairs: Vec<String> = (0..21).map(|at| format!("\"k{at}\":\"v\"")).collect();
    let body = format!("{{\"external_ids\":{{{}}}}}", pairs.join(","));
    assert_eq!(invalid("POST", "/api/v1/contacts", &body), expected(&[("/external_ids", "TOO_MANY_ITEMS")]));
}

#[test]
fn the_zero_value_of_implicit_presence_is_checked() {
    let found = invalid("POST", "/api/v1/companies", "{\"annual_revenue\": {\"amount_minor\": 5}}");
    assert_eq!(found, expected(&[("/annual_revenue/currency", "REQUIRED")]));
    let found = invalid("POST", "/api/v1/companies", "{\"annual_revenue\": {\"currency\": \"EU\"}}");
    assert_eq!(
        found,
        expected(&[("/annual_revenue/currency", "TOO_SHORT"), ("/annual_revenue/amount_minor", "REQUIRED")])
    );
}

#[test]
fn integers_keep_their_range_and_their_syntax() {
    let money =
        |amount: &str| format!("{{\"annual_revenue\":{{\"amount_minor\":{amount},\"currency\":\"EUR\"}}}}");
    for (amount, reason) in [
        ("9007199254740993", "OUT_OF_RANGE"),
        ("-9007199254740993", "OUT_OF_RANGE"),
        ("99999999999999999999", "OUT_OF_RANGE"),
        ("1e30", "OUT_OF_RANGE"),
        ("1e400", "OUT_OF_RANGE"),
        ("1.5", "TYPE_MISMATCH"),
        ("\"5\"", "TYPE_MISMATCH"),
        ("true", "TYPE_MISMATCH"),
    ] {
        let found = invalid("POST", "/api/v1/companies", &money(amount));
        assert_eq!(found, expected(&[("/annual_revenue/amount_minor", reason)]), "{amount}");
    }
    for (amount, value) in [
        ("9007199254740992", 9_007_199_254_740_992),
        ("-9007199254740992", -9_007_199_254_740_992),
        ("5.0", 5),
        ("1e2", 100),
        ("-0", 0),
    ] {
        let request: proto::records::v1::CreateCompanyRequest =
            super::accepted("POST", "/api/v1/companies", &money(amount));
        assert_eq!(request.company.unwrap().annual_revenue.unwrap().amount_minor, Some(value), "{amount}");
    }
}

#[test]
fn lengths_count_code_points() {
    let fits = format!("{{\"first_name\":\"{}\"}}", "😀".repeat(100));
    super::accepted::<proto::records::v1::CreateContactRequest>("POST", "/api/v1/contacts", &fits);
    let over = format!("{{\"first_name\":\"{}\"}}", "é".repeat(101));
    assert_eq!(invalid("POST", "/api/v1/contacts", &over), expected(&[("/first_name", "TOO_LONG")]));
}

#[test]
fn custom_must_be_an_object_and_a_default_any_value() {
    for custom in ["[]", "\"x\"", "1", "true"] {
        let found = invalid("POST", "/api/v1/contacts", &format!("{{\"custom\": {custom}}}"));
        assert_eq!(found, expected(&[("/custom", "TYPE_MISMATCH")]));
    }
    for (sent, kept) in
        [("\"gold\"", "\"gold\""), ("{ \"a\" : 1 }", "{\"a\":1}"), ("false", "false"), ("null", "")]
    {
        let body = format!("{{\"key\":\"k\",\"default\":{sent}}}");
        let request: proto::fields::v1::CreateFieldRequest =
            super::accepted("POST", "/api/v1/objects/contact/fields", &body);
        assert_eq!(request.object, "contact");
        assert_eq!(request.field.unwrap().default, kept);
    }
}
