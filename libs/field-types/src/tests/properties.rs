use proptest::prelude::*;
use serde_json::{Value, json};

use super::options;
use crate::{FieldRules, FieldType, SLOT_TEXT_CHARS, display, fold, parse, parse_text, slot, text};

/// Any JSON a client may send, biased towards what the types read.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<String>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        "[a-zA-ZäÖß.]{1,8}@[a-zA-Zäö-]{1,6}\\.[a-z]{2,3}".prop_map(Value::from),
        "\\+?[0-9 ()/-]{3,16}".prop_map(Value::from),
        "https?://[a-zA-Z0-9.ä-]{1,12}(:[0-9]{1,5})?/[ -~]{0,8}".prop_map(Value::from),
        "[0-9]{4}-[01][0-9]-[0-3][0-9]".prop_map(Value::from),
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-]0[0-9]:30)"
            .prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1_000_000_i32..1_000_000, 0_u8..6).prop_map(|(n, d)| json!(f64::from(n) / 10_f64.powi(d.into()))),
        (-999_999_999_999_999_i64..=999_999_999_999_999, 0_i32..40)
            .prop_map(|(n, d)| format!("{n}e-{d}").parse::<f64>().map_or(Value::Null, Value::from)),
        any::<bool>().prop_map(Value::from),
        prop::collection::vec(prop::sample::select(vec!["gold", "silver", "tin", "x"]), 0..4)
            .prop_map(Value::from),
        prop::sample::select(vec!["gold", "silver", "tin"]).prop_map(Value::from),
        any::<u128>().prop_map(|id| Value::from(uuid::Uuid::from_u128(id).to_string())),
        (-(1_i64 << 54)..1 << 54, prop::sample::select(vec!["EUR", "jpy", "KWD", "XAU"]))
            .prop_map(|(n, c)| json!({"amount_minor": n, "currency": c})),
        Just(Value::Null),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn parsing_never_panics_and_changes_nothing_canonical(value in any_value()) {
        let options = options();
        let rules = FieldRules { options: &options, region: "US".parse().ok(), ..FieldRules::default() };
        for field_type in FieldType::ALL {
            if let Ok(Some(canonical)) = parse(field_type, &value, &rules) {
                let again = parse(field_type, canonical.as_json(), &rules);
                prop_assert_eq!(&again, &Ok(Some(canonical.clone())), "{}", field_type);
                let bytes = serde_json::to_vec(canonical.as_json()).unwrap();
                let stored: Value = serde_json::from_slice(&bytes).unwrap();
                prop_assert_eq!(&stored, canonical.as_json());
                prop_assert_eq!(slot(field_type, &stored).is_some(), field_type.slot_kind().is_some(), "{}", field_type);
            }
        }
    }

    #[test]
    fn what_is_displayed_is_read_back(value in any_value()) {
        let options = options();
        let rules = FieldRules { options: &options, region: "US".parse().ok(), ..FieldRules::default() };
        for field_type in FieldType::ALL {
            if let Ok(Some(canonical)) = parse(field_type, &value, &rules) {
                let cell = display(field_type, canonical.as_json(), &options);
                prop_assert_eq!(parse_text(field_type, &cell, &rules), Ok(Some(canonical)), "{} {}", field_type, cell);
            }
        }
    }

    #[test]
    fn cells_never_panic(cell in any::<String>()) {
        let options = options();
        let rules = FieldRules { options: &options, ..FieldRules::default() };
        for field_type in FieldType::ALL {
            let canonical = parse_text(field_type, &cell, &rules).ok().flatten();
            prop_assert!(canonical.is_none_or(|canonical| !canonical.as_json().is_null()));
        }
    }

    #[test]
    fn numeric_slots_have_the_order_of_their_values(a in -(1_i64 << 53)..=1 << 53, b in -(1_i64 << 53)..=1 << 53) {
        let (x, y) = (slot(FieldType::Integer, &json!(a)), slot(FieldType::Integer, &json!(b)));
        prop_assert_eq!(x.partial_cmp(&y), Some(a.cmp(&b)));
        let money = |n: i64| slot(FieldType::Money, &json!({"amount_minor": n, "currency": "EUR"}));
        prop_assert_eq!(money(a).partial_cmp(&money(b)), Some(a.cmp(&b)));
    }

    #[test]
    fn time_slots_have_the_order_of_their_values(a in any::<u32>(), b in any::<u32>()) {
        let text = |s: u32| {
            let moment = time::OffsetDateTime::from_unix_timestamp(s.into()).unwrap();
            Value::from(crate::moment::datetime_text(moment))
        };
        let (x, y) = (slot(FieldType::Datetime, &text(a)), slot(FieldType::Datetime, &text(b)));
        prop_assert_eq!(x.partial_cmp(&y), Some(a.cmp(&b)));
    }

    #[test]
    fn text_slots_have_the_order_of_the_folded_text(a in "[a-zA-ZäÖß ]{0,140}", b in "[a-zA-ZäÖß ]{0,140}") {
        let (x, y) = (slot(FieldType::Text, &json!(a)), slot(FieldType::Text, &json!(b)));
        let folded = |s: &str| text::cut(&fold(s), SLOT_TEXT_CHARS).to_owned();
        prop_assert_eq!(x.partial_cmp(&y), folded(&a).partial_cmp(&folded(&b)));
    }

    #[test]
    fn folding_twice_is_folding_once(value in any::<String>()) {
        let once = fold(&value);
        prop_assert_eq!(fold(&once), once);
    }

    #[test]
    fn a_prefix_of_a_text_folds_to_a_prefix(value in "[a-zA-ZäÖßéç가각 ]{0,40}", cut in 0_usize..40) {
        let folded = fold(&value);
        let prefix = fold(text::cut(&value, cut));
        prop_assert!(folded.starts_with(&prefix), "{} {}", folded, prefix);
    }
}
