use serde_json::{Map, Value};

use crate::{FieldType, SlotColumn, custom, fold, key, phone, text};

#[test]
fn folding_hides_case_accents_and_spacing() {
    let cases = [
        ("  Ångström \t GmbH ", "angstrom gmbh"),
        ("Straße", "strasse"),
        ("STRASSE", "strasse"),
        ("Łódź", "lodz"),
        ("Ørsted", "orsted"),
        ("İstanbul", "istanbul"),
        ("ΟΔΟΣ", "οδοσ"),
        ("ﬁne", "fine"),
        ("Ｆｕｌｌ", "full"),
        ("a\u{200b}b", "ab"),
    ];
    for (given, expected) in cases {
        assert_eq!(fold(given), expected, "{given}");
    }
}

#[test]
fn folding_keeps_marks_that_make_another_letter() {
    assert_ne!(fold("कि"), fold("का"));
    assert_ne!(fold("か"), fold("が"));
}

#[test]
fn a_text_limit_counts_characters_not_bytes() {
    assert_eq!(text::clean(&"ö".repeat(5), 5).unwrap().unwrap().chars().count(), 5);
    assert_eq!(text::clean(&"ö".repeat(6), 5).unwrap_err().reason, "TOO_LONG");
}

#[test]
fn a_number_without_country_code_needs_a_region() {
    assert_eq!(phone::parse("030 901820", None).unwrap_err().reason, "PHONE_INVALID");
    assert_eq!(phone::parse("+49 30 901820", None).unwrap(), "+4930901820");
    assert_eq!(phone::parse("030 901820", "de".parse().ok()).unwrap(), "+4930901820");
    assert!("Germany".parse::<phone::Region>().is_err());
}

#[test]
fn keys_are_plain_and_bounded() {
    for good in ["a", "tier", "renewal_date_2", &"a".repeat(60)] {
        assert!(key::check(good).is_ok(), "{good}");
    }
    for bad in ["", "1a", "_a", "Tier", "a-b", "a'b", "ä", &"a".repeat(61)] {
        assert!(key::check(bad).is_err(), "{bad}");
    }
}

#[test]
fn custom_values_are_bounded_together() {
    let object = |len: usize| Map::from_iter([("k".to_owned(), Value::from("x".repeat(len)))]);
    // {"k":"…"} adds eight bytes.
    assert!(custom::check_size(&object(custom::CUSTOM_BYTES - 8)).is_ok());
    assert_eq!(custom::check_size(&object(custom::CUSTOM_BYTES - 7)).unwrap_err().reason, "CUSTOM_TOO_LARGE");
}

#[test]
fn slot_columns_are_thirty_and_have_the_kind_of_their_types() {
    assert_eq!(SlotColumn::all().count(), 30);
    for column in SlotColumn::all() {
        assert_eq!(column.name().parse(), Ok(column));
    }
    for bad in ["", "num_00", "num_11", "txt_1", "custom", "id"] {
        assert!(bad.parse::<SlotColumn>().is_err(), "{bad}");
    }
    for field_type in FieldType::ALL {
        assert!(SlotColumn::for_type(field_type).all(|column| Some(column.kind()) == field_type.slot_kind()));
        assert_eq!(SlotColumn::for_type(field_type).next().is_some(), field_type.slot_kind().is_some());
    }
    assert_eq!(SlotColumn::for_type(FieldType::Money).next().map(SlotColumn::name), Some("num_01"));
}
