use serde_json::{Map, Value};

use crate::{FieldType, SlotColumn, custom, email, fold, key, phone, text};

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
    assert!(custom::fits(&object(custom::CUSTOM_BYTES - 8), 1));
    assert!(!custom::fits(&object(custom::CUSTOM_BYTES - 7), 1));
    assert!(custom::fits(&object(custom::CUSTOM_BYTES - 7), 2));
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

#[test]
fn a_text_that_nobody_sees_is_no_text() {
    for blank in [
        "",
        " ",
        "\u{a0}",
        "\u{3000}",
        "\u{200b}",
        "\u{200d}\u{200c}",
        "\u{2800}",
        "\u{3164}",
        "\u{34f}",
        "\u{61c}",
        "\u{180e}",
        "\u{1bca0}",
        "\u{e0100}",
        "\u{fe0f}",
        "\u{ffa0}",
        "\u{2028}\u{2029}",
        "\u{1d173} \u{e0041}",
        "\u{202a}\u{feff}\n\t",
    ] {
        assert_eq!(text::clean(blank, 10).unwrap(), None, "{blank:?}");
        assert_eq!(text::line(blank, 10).unwrap(), None, "{blank:?}");
    }
    for seen in ["a", "\u{301}", "❤\u{fe0f}", "१", "\u{200d}x"] {
        assert!(text::clean(seen, 10).unwrap().is_some(), "{seen:?}");
    }
}

#[test]
fn a_text_is_counted_in_its_normal_form() {
    let decomposed = "o\u{308}".repeat(10);
    assert_eq!(text::clean(&decomposed, 10).unwrap().unwrap(), "ö".repeat(10));
    assert_eq!(text::length(&decomposed), 10);
    assert_eq!(text::length(&format!(" {} \r\n", "a\u{200b}".repeat(10))), 10);
    assert!(text::clean(&"o\u{308}".repeat(11), 10).is_err());
    // A character of four bytes is one.
    assert_eq!(text::length(&"💎".repeat(10)), 10);
}

#[test]
fn one_line_has_no_line_break_of_any_kind() {
    for broken in ["a\nb", "a\r\nb", "a\tb", "a\u{2028}b", "a\u{2029}b"] {
        assert_eq!(text::line(broken, 10).unwrap_err().reason, "TEXT_CONTROL_CHARACTER", "{broken:?}");
    }
    assert_eq!(text::line(" a b\n", 10).unwrap().as_deref(), Some("a b"));
}

#[test]
fn folding_knows_one_apostrophe_and_one_hyphen() {
    for apostrophe in ["'", "’", "‘", "ʼ", "´", "`", "′", "＇", "‛"] {
        assert_eq!(fold(&format!("O{apostrophe}Brien")), "o'brien", "{apostrophe}");
    }
    for hyphen in ["-", "‐", "‑", "‒", "–", "—", "−", "－", "﹣"] {
        assert_eq!(fold(&format!("Jean{hyphen}Luc")), "jean-luc", "{hyphen}");
    }
}

#[test]
fn marks_that_came_with_a_number_are_not_part_of_it() {
    for pasted in [
        "\u{202a}+49 30 901820\u{202c}",
        "\u{200b}+4930901820",
        "+49\u{200b}30\u{ad}90\u{2060}18\u{feff}20",
        "\u{2066}+49 (30) 901820\u{2069}",
        "+49\u{a0}30\u{202f}901820\u{200e}",
        "\u{61c}+49 30\u{2212}901820",
        "tel:+49-30-901820\u{200f}",
    ] {
        assert_eq!(phone::parse(pasted, None).unwrap(), "+4930901820", "{pasted:?}");
    }
    for bad in ["\u{200b}", "\u{202a}\u{202c}", "+49 30 901820 ext. 5", "+49 30 901820;ext=5", "x\u{200b}1"] {
        assert_eq!(phone::parse(bad, None).unwrap_err().reason, "PHONE_INVALID", "{bad:?}");
    }
}

#[test]
fn the_beginning_of_a_number_is_that_of_its_stored_form() {
    let germany = "DE".parse().ok();
    assert_eq!(phone::prefix("+49 (151)", None).as_deref(), Some("+49151"));
    assert_eq!(phone::prefix("\u{202a}+49 151", None).as_deref(), Some("+49151"));
    assert_eq!(phone::prefix("0151", germany).as_deref(), Some("+49151"));
    assert_eq!(phone::prefix("0151", None), None);
    assert_eq!(phone::prefix("call", germany), None);
}

#[test]
fn an_address_ends_in_a_name_and_not_in_a_number() {
    for bad in
        ["a@192.0.2.1", "a@1.2.3", "a@x.1", "a@127.1", "a@0x7f.0x1", "a@example.0x1f", "a@１.２", "a@1.2.3."]
    {
        assert_eq!(email::parse(bad).unwrap_err().reason, "EMAIL_INVALID", "{bad}");
    }
    for good in ["a@1.example", "a@123.x1", "a@4chan.org", "a@xn--p1ai.xn--p1ai"] {
        assert_eq!(email::parse(good).unwrap(), good);
    }
    assert_eq!(email::parse("\u{202a}Zo\u{ad}e@Ex\u{200b}ample.test\u{202c}").unwrap(), "zoe@example.test");
}

#[test]
fn the_beginning_of_an_address_has_the_beginning_of_its_key() {
    let key = |field_type, value: &str| crate::slot_key(field_type, value);
    let stored = email::parse("Zoë.A@Bücher.example").unwrap();
    let whole = key(FieldType::Email, &stored);
    for typed in [
        "zo",
        "ZOË.A@",
        "zoe.a@b",
        "zoë.a@bü",
        "zoë.a@BÜCHER",
        "zoë.a@xn--bcher-kva.ex",
        "zoë.a@bücher.example",
    ] {
        assert!(whole.starts_with(&key(FieldType::Email, typed)), "{typed}: {whole}");
    }
    let stored = crate::url::parse("https://Bücher.example:8080/Über?q=1").unwrap();
    let whole = key(FieldType::Url, &stored);
    for typed in ["https", "HTTPS://bü", "https://xn--bcher-kva.example", "https://bücher.example:8080/üb"]
    {
        assert!(whole.starts_with(&key(FieldType::Url, typed)), "{typed}: {whole}");
    }
}

#[test]
fn currencies_that_were_replaced_stay_and_new_ones_are_there() {
    for (code, amount) in [
        ("ANG", "1.05"),
        ("XCG", "1.05"),
        ("HRK", "1.05"),
        ("SLL", "1.05"),
        ("SLE", "1.05"),
        ("ZWL", "1.05"),
        ("ZWG", "1.05"),
        ("VED", "1.05"),
        ("VES", "1.05"),
        ("DEM", "1.05"),
        ("ITL", "105"),
        ("BYR", "105"),
        ("MRO", "1.05"),
        ("BGN", "1.05"),
    ] {
        let money = crate::money::parse_text(&format!("{amount} {code}")).unwrap();
        assert_eq!((money.currency(), money.amount_minor), (code, 105));
        assert_eq!(money.to_string(), format!("{amount} {code}"));
    }
    for bad in ["XAU", "XXX", "XTS", "EURO", "QQQ", ""] {
        assert_eq!(crate::money::currency(bad).unwrap_err().reason, "CURRENCY_UNKNOWN", "{bad}");
    }
}

#[test]
fn a_number_with_its_country_code_is_the_same_in_every_region() {
    for region in ["US", "DE", "RU", "HU", ""] {
        let read = phone::parse("+49 151 12345678", region.parse().ok());
        assert_eq!(read.as_deref(), Ok("+4915112345678"), "in {region:?}");
    }
}
