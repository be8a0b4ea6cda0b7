use error::{Code, Error};

use proptest::prelude::*;

use super::{Ask, mask};
use crate::{Deleted, Limits, list};

fn refused(filter: &str) -> Error {
    let limits = Limits::NONE;
    Ask { filter, limits, ..Ask::default() }.sql().expect_err(filter)
}

#[test]
fn wrong_types_are_refused_at_the_value() {
    let cases = [
        ("last_name = 5", 12),
        ("last_name = true", 12),
        (r#"score = "5""#, 8),
        ("score = 5.5", 8),
        ("score = 2026-01-01", 8),
        ("score = (1, 2.5)", 12),
        ("score > true", 8),
        (r#"do_not_call = "true""#, 14),
        ("birthday = 2026-02-30", 11),
        ("birthday = 2026-01-01T00:00:00Z", 11),
        (r#"created_at > "2026-01-01T00:00:00Z""#, 13),
        (r#"owner_id = "me""#, 11),
        (r#"lifecycle = "vip""#, 12),
        (r#"custom.tier = "platinum""#, 14),
        (r#"custom.tier != "Gold""#, 15),
        (r#"custom.tier = ("gold", "platinum")"#, 23),
        (r#"custom.colours:"purple""#, 15),
        ("revenue > 5", 10),
        (r#"revenue > "5""#, 10),
        (r#"revenue > "1.005 EUR""#, 10),
        ("custom.seats = 1.5", 15),
        ("custom.tier = 1", 14),
        ("custom.active = 1", 16),
        (r#"custom.renewal = "2026-01-01""#, 17),
        ("custom.budget >= 5", 17),
        ("custom.loose = 0.1234567890123456", 15),
    ];
    for (filter, position) in cases {
        let error = refused(filter);
        assert_eq!(
            (error.code(), error.reason()),
            (Code::InvalidArgument, "FILTER_TYPE_MISMATCH"),
            "{filter}"
        );
        assert_eq!(error.metadata()["position"], position.to_string(), "{filter}");
    }
}

#[test]
fn operators_that_a_type_does_not_have_are_refused() {
    let cases = [
        r#"last_name > "m""#,
        r#"timezone:"E""#,
        r#"score:"5""#,
        "do_not_call > true",
        "late > true",
        "late:*",
        "late = (true, false)",
        "late = 2026-01-01",
        r#"lifecycle:"le""#,
        r#"custom.tier:"go""#,
        r#"custom.colours = "red""#,
        r#"custom.memo:"x""#,
        r#"emails.address > "a""#,
    ];
    for filter in cases {
        let error = refused(filter);
        assert_eq!(error.reason(), "FILTER_TYPE_MISMATCH", "{filter}");
    }
}

#[test]
fn a_hidden_field_answers_as_an_unknown_one() {
    let pairs = [
        ("custom.secret", "custom.random"),
        ("birthday", "birthdax"),
        ("emails.address", "emails.addresx"),
        ("custom.later", "custom.never"),
    ];
    for (hidden, unknown) in pairs {
        for text in ["FIELD > 5", "score = 1 AND FIELD:*", r#"NOT FIELD = "x""#, "FIELD = (1, 2)"] {
            let answer = |name: &str| {
                let filter = text.replace("FIELD", name);
                let error = Ask { filter: &filter, mask: mask(), ..Ask::default() }.sql().unwrap_err();
                format!("{error:?}").replace(name, "FIELD")
            };
            assert_eq!(answer(hidden), answer(unknown), "{text}");
        }
        let answer = |name: &str| {
            let error = Ask { order_by: name, mask: mask(), ..Ask::default() }.sql().unwrap_err();
            assert_eq!(error.reason(), "UNKNOWN_FIELD");
            format!("{error:?}").replace(name, "FIELD")
        };
        assert_eq!(answer(hidden), answer(unknown));
    }
}

#[test]
fn a_hidden_unindexed_field_is_not_told_from_an_unknown_one() {
    let mask = auth::FieldMask::new([("custom.loose".to_owned(), auth::Access::None)]);
    let error = Ask { filter: "custom.loose = 1", mask, ..Ask::default() }.sql().unwrap_err();
    assert_eq!(error.reason(), "UNKNOWN_FIELD");
}

#[test]
fn unindexed_fields_are_refused_in_large_sets() {
    let orders = ["custom.loose", "score", "created_at, custom.loose"];
    for order_by in orders {
        let error = Ask { order_by, ..Ask::default() }.sql().unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::Unprocessable, "FIELD_NOT_INDEXED"), "{order_by}");
        let limits = Limits::NONE;
        assert!(Ask { order_by, limits, ..Ask::default() }.sql().is_ok(), "{order_by}");
    }
    let error = Ask { order_by: "custom.loose", ..Ask::default() }.sql().unwrap_err();
    assert_eq!(error.metadata()["action"], "index");
    let error = Ask { order_by: "score", ..Ask::default() }.sql().unwrap_err();
    assert_eq!(error.metadata()["action"], "narrow", "nobody can index a standard field");
    // Standard and custom fields alike.
    for filter in [
        "custom.loose = 1",
        r#"custom.colours:"red""#,
        "custom.memo:*",
        "score > 3",
        r#"NOT lifecycle = "lead""#,
        "birthday:*",
        "do_not_call = true",
        r#"timezone = "UTC""#,
        r#"last_name = "Å" OR score = 3"#,
        r#"last_name != "Å" AND score = 3"#,
        r#"last_name != "Å" AND custom.loose = 3"#,
        "created_at:* AND score = 3",
        "NOT (last_name = \"Å\" OR NOT score = 3)",
        r#"last_name = "Å" OR (last_name:"B" AND score = 3) OR custom.loose = 1"#,
    ] {
        let error = Ask { filter, ..Ask::default() }.sql().unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::Unprocessable, "FIELD_NOT_INDEXED"), "{filter}");
        assert!(Ask { filter, limits: Limits::NONE, ..Ask::default() }.sql().is_ok(), "{filter}");
    }
    // An index has chosen the rows.
    for filter in [
        r#"last_name = "Å" AND score = 3"#,
        r#"custom.tier = "gold" AND custom.loose = 3 AND timezone = "UTC""#,
        r#"tags:"x" AND (score = 3 OR custom.loose = 4)"#,
        r#"(last_name = "Å" OR custom.nick:"b") AND score = 3"#,
        r#"(last_name = "Å" AND score = 3) OR (tags:"x" AND custom.loose = 3)"#,
        r#"emails.domain = "a.test" AND score = 3"#,
        "id:*",
        "last_name:*",
        r#"last_name != "Å""#,
    ] {
        assert!(Ask { filter, ..Ask::default() }.sql().is_ok(), "{filter}");
    }
    // Nothing could find it, however few they are.
    let error = refused(r#"custom.loose_text:"x""#);
    assert_eq!(error.reason(), "FIELD_NOT_INDEXED");
    assert!(!error.message().contains("too many"), "{}", error.message());
}

#[test]
fn indexes_of_live_rows_do_not_count_in_the_trash() {
    let asked = |filter: &str, order_by: &str, limits| {
        Ask { filter, order_by, limits, deleted: Deleted::Only, ..Ask::default() }.sql()
    };
    for (filter, order_by) in [
        (r#"last_name = "Å""#, ""),
        (r#"custom.tier = "gold""#, ""),
        ("", "created_at"),
        ("", "custom.seats desc"),
        ("", "last_name, deleted_at"),
    ] {
        let error = asked(filter, order_by, Limits::default()).unwrap_err();
        assert_eq!(error.reason(), "FIELD_NOT_INDEXED", "{filter} {order_by}");
        assert!(error.message().contains("of the trash"), "{}", error.message());
        assert_eq!(error.metadata()["action"], "narrow", "{filter} {order_by}");
        asked(filter, order_by, Limits::NONE).unwrap();
    }
    for (filter, order_by) in [
        ("", "deleted_at desc"),
        ("deleted_at > 2026-01-01 AND score = 3", "deleted_at, last_name"),
        (r#"tags:"x""#, ""),
        (r#"emails.address = "a@b.test""#, "id desc"),
    ] {
        asked(filter, order_by, Limits::default()).unwrap();
    }
    let live = Ask { order_by: "deleted_at", ..Ask::default() }.sql().unwrap_err();
    assert_eq!(live.reason(), "FIELD_NOT_INDEXED");
}

#[test]
fn impossible_orders_are_refused_with_the_position() {
    let cases = [
        ("created_at,", 11),
        (", created_at", 0),
        ("created_at down", 0),
        ("created_at desc nulls", 0),
        ("created_at, created_at desc", 12),
        ("id, created_at", 4),
        ("created_at, custom.tier", 12),
        ("lifecycle", 0),
        ("timezone", 0),
        ("tags", 0),
        ("custom.boss", 0),
        ("created_at, last_name, revenue, custom.seats", 32),
    ];
    for (order_by, position) in cases {
        let error = Ask { order_by, ..Ask::default() }.sql().expect_err(order_by);
        assert_eq!((error.code(), error.reason()), (Code::InvalidArgument, "ORDER_INVALID"), "{order_by}");
        assert_eq!(error.metadata()["position"], position.to_string(), "{order_by}");
    }
}

#[test]
fn a_page_size_is_refused_and_never_clamped() {
    assert_eq!(list::page_size(None).unwrap(), 50);
    for size in [1, 50, 200] {
        assert_eq!(list::page_size(Some(size)).unwrap(), size as usize);
    }
    for size in [i32::MIN, -1, 0, 201, i32::MAX] {
        let error = list::page_size(Some(size)).unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::InvalidArgument, "PAGE_SIZE_INVALID"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_comparison_makes_the_compiler_panic_or_lets_its_value_into_the_text(
        name in prop::sample::select(vec![
            "last_name", "timezone", "score", "do_not_call", "late", "birthday", "created_at", "owner_id", "lifecycle", "revenue",
            "tags", "emails.address", "custom.tier", "custom.nick", "custom.seats", "custom.budget", "custom.active",
            "custom.renewal", "custom.boss", "custom.colours", "custom.memo", "custom.loose", "custom.loose_money",
        ]),
        op in prop::sample::select(vec!["=", "!=", "<", ">=", ":"]),
        value in "\"xyzzy[^\"\\\\\u{0}]{0,8}\"|-?[0-9]{1,17}(\\.[0-9]{1,3})?|[0-9]{4}-[0-9]{2}-[0-9]{2}|true|\\*|\"-?[0-9]{1,18}(\\.[0-9]{1,3})? [A-Z]{3}\"",
        order_by in "[a-z_., ]{0,20}",
    ) {
        let filter = format!("{name} {op} {value}");
        let limits = Limits::NONE;
        if let Ok(sql) = (Ask { filter: &filter, limits, ..Ask::default() }).sql() {
            prop_assert!(!sql.to_lowercase().contains("xyzzy"), "{}", sql);
        }
        drop(Ask { order_by: &order_by, limits, ..Ask::default() }.sql());
    }
}
