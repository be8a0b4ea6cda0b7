use serde_json::{Value, json};

use super::options;
use crate::{FieldRules, FieldType, display, parse, parse_text, slot};

/// The canonical JSON, or the reasons with their pointers.
fn read(field_type: FieldType, value: Value) -> Result<Value, Vec<String>> {
    let options = options();
    let rules = FieldRules { options: &options, region: "DE".parse().ok(), ..FieldRules::default() };
    outcome(parse(field_type, &value, &rules))
}

fn read_cell(field_type: FieldType, cell: &str) -> Result<Value, Vec<String>> {
    let options = options();
    let rules = FieldRules { options: &options, region: "DE".parse().ok(), ..FieldRules::default() };
    outcome(parse_text(field_type, cell, &rules))
}

fn outcome(parsed: Result<Option<crate::Canonical>, Vec<crate::FieldError>>) -> Result<Value, Vec<String>> {
    match parsed {
        Ok(canonical) => Ok(canonical.map_or(Value::Null, crate::Canonical::into_json)),
        Err(errors) => Err(errors.into_iter().map(|e| format!("{}{}", e.reason, e.pointer)).collect()),
    }
}

fn refused(reasons: &[&str]) -> Result<Value, Vec<String>> {
    Err(reasons.iter().map(ToString::to_string).collect())
}

#[test]
fn json_values_become_canonical() {
    use FieldType::*;
    let cases = [
        (Text, json!("  Zoe\u{308}  x "), json!("Zoë  x")),
        (LongText, json!("  Zoe\u{308} \r\n x "), json!("Zoë \n x")),
        (Text, json!(" \n "), Value::Null),
        // What turns the direction, or cannot be seen, is taken out; joiners stay where there is something to join.
        (Text, json!("\u{202e}evil\u{202c}"), json!("evil")),
        (Text, json!("Ad\u{200b}mi\u{ad}n\u{2066}\u{feff}"), json!("Admin")),
        (Text, json!("\u{200b}"), Value::Null),
        (Text, json!("\u{200d} \u{200f}\u{3164}\u{2800}"), Value::Null),
        (LongText, json!("a\u{2067}b\n\u{2060}"), json!("ab")),
        (Text, json!("\u{645}\u{6cc}\u{200c}\u{62e}"), json!("\u{645}\u{6cc}\u{200c}\u{62e}")),
        (Text, json!("\u{1f469}\u{200d}\u{1f4bb}"), json!("\u{1f469}\u{200d}\u{1f4bb}")),
        (Text, Value::Null, Value::Null),
        (LongText, json!("a\tb"), json!("a\tb")),
        (Integer, json!(5.0), json!(5)),
        (Integer, json!(9_007_199_254_740_992_i64), json!(9_007_199_254_740_992_i64)),
        (Decimal, json!(2.50), json!(2.5)),
        (Decimal, json!(5.0), json!(5)),
        (Decimal, json!(-0.0), json!(0)),
        (Decimal, json!(0.1), json!(0.1)),
        (Decimal, json!(1e-15), json!(1e-15)),
        (Decimal, json!(123_456_789_012_345_i64), json!(123_456_789_012_345_i64)),
        (
            Money,
            json!({"currency": "eur", "amount_minor": 125_000}),
            json!({"amount_minor": 125_000, "currency": "EUR"}),
        ),
        (Boolean, json!(false), json!(false)),
        (Date, json!("2024-02-29"), json!("2024-02-29")),
        (Datetime, json!("2026-01-01T01:30:00+02:00"), json!("2025-12-31T23:30:00Z")),
        (Datetime, json!("2026-01-01T00:00:00.5Z"), json!("2026-01-01T00:00:00.500Z")),
        (Datetime, json!("2026-01-01T00:00:00.123456789Z"), json!("2026-01-01T00:00:00.123456Z")),
        (Picklist, json!("gold"), json!("gold")),
        (MultiPicklist, json!(["silver", "gold", "silver"]), json!(["gold", "silver"])),
        (MultiPicklist, json!([]), Value::Null),
        (
            Lookup,
            json!("0190AD00-0000-7000-8000-00000000000A"),
            json!("0190ad00-0000-7000-8000-00000000000a"),
        ),
        (Email, json!(" Zoe@Exämple.TEST "), json!("zoe@xn--exmple-cua.test")),
        (Phone, json!("030 / 901820"), json!("+4930901820")),
        (Phone, json!("+1 (202) 555-0143"), json!("+12025550143")),
        (Url, json!("HTTPS://Example.COM:8080/Path?q=A"), json!("https://example.com:8080/Path?q=A")),
        (Url, json!("http://[::1]/x"), json!("http://[::1]/x")),
    ];
    for (field_type, given, expected) in cases {
        assert_eq!(read(field_type, given.clone()), Ok(expected), "{field_type} {given}");
    }
}

#[test]
fn json_values_are_refused_with_their_reason() {
    use FieldType::*;
    let cases: [(FieldType, Value, &[&str]); 47] = [
        (Text, json!(5), &["TYPE_MISMATCH"]),
        (Text, json!("a\0b"), &["NUL_CHARACTER"]),
        (Text, json!("a\u{1b}b"), &["TEXT_CONTROL_CHARACTER"]),
        (Text, json!("x".repeat(501)), &["TOO_LONG"]),
        (LongText, json!("x".repeat(10_001)), &["TOO_LONG"]),
        (Integer, json!(5.5), &["TYPE_MISMATCH"]),
        (Integer, json!("5"), &["TYPE_MISMATCH"]),
        (Integer, json!(true), &["TYPE_MISMATCH"]),
        (Integer, json!(9_007_199_254_740_993_i64), &["OUT_OF_RANGE"]),
        (Integer, json!(u64::MAX), &["OUT_OF_RANGE"]),
        (Integer, json!(1e300), &["OUT_OF_RANGE"]),
        (Decimal, json!("1.5"), &["TYPE_MISMATCH"]),
        (Decimal, json!(0.123_456_789_012_345_6), &["DECIMAL_TOO_PRECISE"]),
        (Decimal, json!(1_234_567_890_123_456_i64), &["DECIMAL_TOO_PRECISE"]),
        (Decimal, json!(1e15), &["DECIMAL_TOO_PRECISE"]),
        (Decimal, json!(1e-16), &["DECIMAL_TOO_PRECISE"]),
        (Decimal, json!(5.416_063_796_462_17e-45), &["DECIMAL_TOO_PRECISE"]),
        (Money, json!(5), &["TYPE_MISMATCH"]),
        (Money, json!({}), &["REQUIRED/amount_minor", "REQUIRED/currency"]),
        (
            Money,
            json!({"amount_minor": 1.5, "currency": "EURO"}),
            &["TYPE_MISMATCH/amount_minor", "CURRENCY_UNKNOWN/currency"],
        ),
        (Money, json!({"amount_minor": 1, "currency": "XAU"}), &["CURRENCY_UNKNOWN/currency"]),
        (Money, json!({"amount_minor": 1, "currency": "EUR", "x": 1}), &["UNKNOWN_FIELD"]),
        (Boolean, json!("true"), &["TYPE_MISMATCH"]),
        (Boolean, json!(1), &["TYPE_MISMATCH"]),
        (Date, json!("2023-02-29"), &["DATE_INVALID"]),
        (Date, json!("31.12.2026"), &["DATE_INVALID"]),
        (Date, json!("0000-01-01"), &["DATE_INVALID"]),
        (Date, json!("2026-1-1"), &["DATE_INVALID"]),
        (Datetime, json!("2026-01-01T00:00:00"), &["TIMESTAMP_INVALID"]),
        (Datetime, json!("2026-01-01"), &["TIMESTAMP_INVALID"]),
        (Datetime, json!("9999-12-31T23:59:59-01:00"), &["TIMESTAMP_INVALID"]),
        (Picklist, json!("Gold"), &["OPTION_UNKNOWN"]),
        (Picklist, json!("tin"), &["OPTION_RETIRED"]),
        (MultiPicklist, json!("gold"), &["TYPE_MISMATCH"]),
        (
            MultiPicklist,
            json!(["gold", "no", 5, "tin"]),
            &["OPTION_UNKNOWN/1", "TYPE_MISMATCH/2", "OPTION_RETIRED/3"],
        ),
        (Lookup, json!("0190ad00000070008000000000000000"), &["UUID_INVALID"]),
        (Email, json!("zoe@localhost"), &["EMAIL_INVALID"]),
        (Email, json!("Zoe <zoe@example.test>"), &["EMAIL_INVALID"]),
        (Email, json!("zoe@[127.0.0.1]"), &["EMAIL_INVALID"]),
        (Email, json!("@example.test"), &["EMAIL_INVALID"]),
        (Phone, json!("12"), &["PHONE_INVALID"]),
        (Phone, json!("+49 30 901820 ext. 5"), &["PHONE_INVALID"]),
        (Phone, json!("call me"), &["PHONE_INVALID"]),
        (Url, json!("javascript:alert(1)"), &["URL_INVALID"]),
        (Url, json!("https://user@example.test/"), &["URL_INVALID"]),
        (Url, json!("https:///path"), &["URL_INVALID"]),
        (Url, json!("https://999.1.1.999/"), &["URL_INVALID"]),
    ];
    for (field_type, given, reasons) in cases {
        assert_eq!(read(field_type, given.clone()), refused(reasons), "{field_type} {given}");
    }
}

#[test]
fn cells_become_the_same_canonical_values() {
    use FieldType::*;
    let cases = [
        (Text, " Zoë ", json!("Zoë")),
        (Text, "5", json!("5")),
        (Text, "", Value::Null),
        (Integer, "5", json!(5)),
        (Integer, "-17", json!(-17)),
        (Decimal, "2.50", json!(2.5)),
        (Decimal, "2", json!(2)),
        (Money, "1250.00 EUR", json!({"amount_minor": 125_000, "currency": "EUR"})),
        (Money, "eur 1250.5", json!({"amount_minor": 125_050, "currency": "EUR"})),
        (Money, "-0.05 EUR", json!({"amount_minor": -5, "currency": "EUR"})),
        (Money, "500 JPY", json!({"amount_minor": 500, "currency": "JPY"})),
        (Money, "1.234 KWD", json!({"amount_minor": 1234, "currency": "KWD"})),
        (Boolean, "Yes", json!(true)),
        (Boolean, "0", json!(false)),
        (Date, "2026-12-01", json!("2026-12-01")),
        (Picklist, "gold", json!("gold")),
        (Picklist, "SILBER", json!("silver")),
        (MultiPicklist, "Silber; gold", json!(["gold", "silver"])),
        (Phone, "030 901820", json!("+4930901820")),
        (Email, "ZOE@example.test", json!("zoe@example.test")),
    ];
    for (field_type, cell, expected) in cases {
        assert_eq!(read_cell(field_type, cell), Ok(expected), "{field_type} {cell}");
    }
}

#[test]
fn ambiguous_cells_are_refused() {
    use FieldType::*;
    let cases = [
        (Integer, "1,000", "TYPE_MISMATCH"),
        (Integer, "5.0", "TYPE_MISMATCH"),
        (Decimal, "1,5", "TYPE_MISMATCH"),
        (Decimal, "1.", "TYPE_MISMATCH"),
        (Decimal, "1e5", "TYPE_MISMATCH"),
        (Decimal, "NaN", "TYPE_MISMATCH"),
        (Money, "1250.00", "MONEY_INVALID"),
        (Money, "1.005 EUR", "MONEY_INVALID"),
        (Money, "1.250,00 EUR", "MONEY_INVALID"),
        (Money, "500.0 JPY", "MONEY_INVALID"),
        (Money, "99999999999999999999 EUR", "OUT_OF_RANGE"),
        (Boolean, "maybe", "TYPE_MISMATCH"),
        (Date, "31.12.2026", "DATE_INVALID"),
        (Picklist, "bronze", "OPTION_UNKNOWN"),
        (Picklist, "Tin", "OPTION_RETIRED"),
    ];
    for (field_type, cell, reason) in cases {
        assert_eq!(read_cell(field_type, cell), refused(&[reason]), "{field_type} {cell}");
    }
}

#[test]
fn a_retired_option_stays_where_it_is_held() {
    let options = options();
    let held = json!("tin");
    let rules = FieldRules { options: &options, current: Some(&held), ..FieldRules::default() };
    assert!(parse(FieldType::Picklist, &json!("tin"), &rules).is_ok());
    let held = json!(["tin"]);
    let rules = FieldRules { options: &options, current: Some(&held), ..FieldRules::default() };
    assert!(parse(FieldType::MultiPicklist, &json!(["gold", "tin"]), &rules).is_ok());
}

#[test]
fn an_unset_required_value_is_refused_for_every_type() {
    let rules = FieldRules { required: true, ..FieldRules::default() };
    for field_type in FieldType::ALL {
        let reasons = parse(field_type, &Value::Null, &rules).unwrap_err();
        assert_eq!(reasons[0].reason, "REQUIRED", "{field_type}");
        assert_eq!(parse_text(field_type, "  ", &rules).unwrap_err()[0].reason, "REQUIRED");
    }
}

#[test]
fn a_slot_has_the_kind_its_type_names() {
    use crate::{SlotKind, SlotValue};
    let samples = [
        (FieldType::Text, json!("Ärger")),
        (FieldType::LongText, json!("x")),
        (FieldType::Integer, json!(5)),
        (FieldType::Decimal, json!(2.5)),
        (FieldType::Money, json!({"amount_minor": 5, "currency": "EUR"})),
        (FieldType::Boolean, json!(true)),
        (FieldType::Date, json!("2026-01-01")),
        (FieldType::Datetime, json!("2026-01-01T00:00:00Z")),
        (FieldType::Picklist, json!("gold")),
        (FieldType::MultiPicklist, json!(["gold"])),
        (FieldType::Lookup, json!("0190ad00-0000-7000-8000-00000000000a")),
        (FieldType::Email, json!("a@example.test")),
        (FieldType::Phone, json!("+4930901820")),
        (FieldType::Url, json!("https://example.test/")),
    ];
    assert_eq!(samples.len(), FieldType::ALL.len());
    for (field_type, value) in samples {
        let kind = slot(field_type, &value).map(|slot| match slot {
            SlotValue::Num(_) => SlotKind::Num,
            SlotValue::Text(_) => SlotKind::Text,
            SlotValue::Time(_) => SlotKind::Time,
            SlotValue::Ref(_) => SlotKind::Ref,
        });
        assert_eq!(kind, field_type.slot_kind(), "{field_type}");
        assert_eq!(slot(field_type, &Value::Null), None, "{field_type}");
    }
    assert_eq!(slot(FieldType::Text, &json!("Ärger")), Some(SlotValue::Text("arger".into())));
}

#[test]
fn names_of_types_are_read_back_and_match_serde() {
    for field_type in FieldType::ALL {
        assert_eq!(field_type.as_str().parse(), Ok(field_type));
        assert_eq!(serde_json::to_value(field_type).unwrap(), json!(field_type.as_str()));
    }
    assert!("number".parse::<FieldType>().is_err());
}

#[test]
fn values_are_displayed_for_people() {
    let options = options();
    let cases = [
        (FieldType::Money, json!({"amount_minor": -5, "currency": "EUR"}), "-0.05 EUR"),
        (FieldType::Money, json!({"amount_minor": 500, "currency": "JPY"}), "500 JPY"),
        (FieldType::Decimal, json!(1e-7), "0.0000001"),
        (FieldType::Picklist, json!("silver"), "Silber"),
        (FieldType::Picklist, json!("gone"), "gone"),
        (FieldType::MultiPicklist, json!(["gold", "silver"]), "Gold; Silber"),
        (FieldType::Boolean, json!(true), "true"),
        (FieldType::Text, Value::Null, ""),
    ];
    for (field_type, value, expected) in cases {
        assert_eq!(display(field_type, &value, &options), expected);
    }
}
