use auth::RowPredicate;
use time::macros::{date, datetime};
use uuid::Uuid;

use super::{Ask, CONTACTS, NOW, custom_fields, statement};
use crate::cursor::Position;
use crate::list::Phase;
use crate::{Bind, Deleted, Limits, Projection, RowScope};

fn text(value: &str) -> Bind {
    Bind::Text(value.to_owned())
}

fn texts(values: &[&str]) -> Bind {
    Bind::Texts(values.iter().map(ToString::to_string).collect())
}

#[test]
fn filters_become_these_conditions() {
    let some_id = "0190ad00-0000-7000-8000-00000000000a";
    let id = Bind::Uuid(some_id.parse().unwrap());
    let by_id = format!("owner_id = \"{some_id}\"");
    let by_boss = format!("custom.boss = \"{some_id}\"");
    let cases: Vec<(&str, &str, Vec<Bind>)> = vec![
        (
            r#"last_name = "Ångström""#,
            "(t.last_name_key = $2 AND t.last_name = $3)",
            vec![text("angstrom"), text("Ångström")],
        ),
        (
            r#"last_name = ("Meyer", "MEYER")"#,
            "(t.last_name_key = $2 AND t.last_name = ANY($3))",
            vec![text("meyer"), texts(&["Meyer", "MEYER"])],
        ),
        (
            r#"last_name != "Meyer""#,
            "((t.last_name_key = $2 AND t.last_name = $3)) IS NOT TRUE",
            vec![text("meyer"), text("Meyer")],
        ),
        (
            r#"last_name:"Mey""#,
            "(t.last_name_key >= $2 AND t.last_name_key < $3)",
            vec![text("mey"), text("mez")],
        ),
        (r#"last_name:"  ""#, "t.last_name IS NOT NULL", vec![]),
        ("last_name:*", "t.last_name IS NOT NULL", vec![]),
        ("NOT last_name:*", "(t.last_name IS NOT NULL) IS NOT TRUE", vec![]),
        (r#"timezone = "UTC""#, "t.timezone = $2", vec![text("UTC")]),
        ("score >= 5", "t.score >= $2", vec![Bind::Int(5)]),
        ("score = (1, 2)", "t.score = ANY($2)", vec![Bind::Ints(vec![1, 2])]),
        ("do_not_call = true", "t.do_not_call = $2", vec![Bind::Bool(true)]),
        ("late = true", "t.late_at <= $2", vec![Bind::Now(NOW)]),
        ("late != false", "t.late_at <= $2", vec![Bind::Now(NOW)]),
        ("late = false", "(t.late_at <= $2) IS NOT TRUE", vec![Bind::Now(NOW)]),
        ("NOT late != true", "t.late_at <= $2", vec![Bind::Now(NOW)]),
        ("birthday < 2000-02-29", "t.birthday < $2", vec![Bind::Date(date!(2000 - 02 - 29))]),
        ("created_at > 2026-01-01", "t.created_at > $2", vec![Bind::Time(datetime!(2026-01-01 0:00 UTC))]),
        (
            "created_at <= 2026-01-01T02:00:00+02:00",
            "t.created_at <= $2",
            vec![Bind::Time(datetime!(2026-01-01 0:00 UTC))],
        ),
        (&by_id, "t.owner_id = $2", vec![id.clone()]),
        (r#"lifecycle = ("lead", "customer")"#, "t.lifecycle = ANY($2)", vec![texts(&["lead", "customer"])]),
        (
            r#"revenue >= "1250.00 EUR""#,
            "(t.revenue_minor >= $2 AND t.revenue_currency = $3)",
            vec![Bind::Int(125_000), text("EUR")],
        ),
        (
            r#"tags:"VIP""#,
            "EXISTS (SELECT 1 FROM records.contact_tag AS s WHERE s.tenant_id = $1 AND s.contact_id = t.id AND s.tag_key = $2)",
            vec![text("vip")],
        ),
        (
            r#"emails.address != "Zoe@Example.TEST""#,
            "NOT EXISTS (SELECT 1 FROM records.contact_email AS s WHERE s.tenant_id = $1 AND s.contact_id = t.id AND s.address = $2)",
            vec![text("zoe@example.test")],
        ),
        (
            "tags:*",
            "EXISTS (SELECT 1 FROM records.contact_tag AS s WHERE s.tenant_id = $1 AND s.contact_id = t.id)",
            vec![],
        ),
        (r#"custom.tier = "gold""#, "t.txt_01 = $2", vec![text("gold")]),
        (
            r#"custom.tier != ("gold", "tin")"#,
            "(t.txt_01 = ANY($2)) IS NOT TRUE",
            vec![texts(&["gold", "tin"])],
        ),
        (
            r#"custom.nick = "Zoë""#,
            "(t.txt_02 = $2 AND t.custom->>$3 = $4)",
            vec![text("zoe"), text("nick"), text("Zoë")],
        ),
        ("custom.seats > 5", "t.num_01 > $2", vec![Bind::Float(5.0)]),
        (
            r#"custom.budget < "EUR 12.5""#,
            "(t.num_02 < $3 AND t.custom->$2->>'currency' = $4)",
            vec![text("budget"), Bind::Float(1250.0), text("EUR")],
        ),
        ("custom.active = false", "t.num_03 = $2", vec![Bind::Float(0.0)]),
        ("custom.renewal >= 2026-12-01", "t.ts_01 >= $2", vec![Bind::Time(datetime!(2026-12-01 0:00 UTC))]),
        (&by_boss, "t.ref_01 = $2", vec![id]),
        ("custom.seats:*", "t.num_01 IS NOT NULL", vec![]),
        (
            r#"NOT (score = 1 AND (timezone = "UTC" OR NOT do_not_call = true))"#,
            "((t.score = $2) IS NOT TRUE OR ((t.timezone = $3) IS NOT TRUE AND t.do_not_call = $4))",
            vec![Bind::Int(1), text("UTC"), Bind::Bool(true)],
        ),
        ("NOT score != 1", "t.score = $2", vec![Bind::Int(1)]),
    ];
    for (filter, expected, binds) in cases {
        let limits = Limits::NONE;
        let (condition, found) = Ask { filter, limits, ..Ask::default() }.condition().unwrap();
        assert_eq!(condition, expected, "{filter}");
        assert!(found == binds, "binds of {filter}");
    }
}

#[test]
fn unindexed_fields_are_read_from_the_canonical_values() {
    let limits = Limits::NONE;
    let cases = [
        ("custom.loose >= 1.5", "(u.custom->$2)::float8 >= $3"),
        (r#"custom.loose_text = "Zoë""#, "u.custom->>$2 = $3"),
        (r#"custom.memo != "x""#, "(u.custom->>$2 = $3) IS NOT TRUE"),
        (r#"custom.colours:"red""#, "u.custom->$2 ? $3"),
        ("custom.colours:*", "u.custom->$2 IS NOT NULL"),
        (
            r#"custom.loose_money = "1.00 EUR""#,
            "((u.custom->$2->'amount_minor')::float8 = $3 AND u.custom->$2->>'currency' = $4)",
        ),
        ("custom.loose_date < 2026-01-01", "((u.custom->>$2 || 'T00:00:00Z')::timestamptz) < $3"),
    ];
    for (filter, expected) in cases {
        assert_eq!(Ask { filter, limits, ..Ask::default() }.condition().unwrap().0, expected, "{filter}");
    }
    // However many comparisons there are, a row's values are unpacked once; and not at all for a slot.
    let filter = "custom.loose = 1 OR custom.loose = 2 OR custom.memo:* OR custom.tier = \"gold\"";
    let sql = Ask { filter, limits, ..Ask::default() }.sql().unwrap();
    assert_eq!(sql.matches("t.custom").count(), 1, "{sql}");
    let sql = Ask { filter: "custom.budget > \"1.00 EUR\"", ..Ask::default() }.sql().unwrap();
    assert!(!sql.contains("LATERAL"), "{sql}");
}

#[test]
fn a_statement_begins_with_its_tenant_and_reads_both_phases() {
    let ask = Ask { order_by: "custom.renewal desc, created_at", ..Ask::default() };
    let both = ask
        .list(|list| [Phase::Set, Phase::Unset].map(|phase| statement(list, phase).text().to_owned()))
        .unwrap();
    assert_eq!(
        both[0],
        "SELECT t.id AS _id, t.ts_01 AS _k0, t.created_at AS _k1 FROM records.contacts AS t WHERE t.tenant_id = $1 \
         AND t.deleted_at IS NULL AND t.ts_01 IS NOT NULL ORDER BY t.ts_01 DESC, t.created_at, t.id LIMIT $2"
    );
    assert_eq!(
        both[1],
        "SELECT t.id AS _id, t.ts_01 AS _k0, t.created_at AS _k1 FROM records.contacts AS t WHERE t.tenant_id = $1 \
         AND t.deleted_at IS NULL AND t.ts_01 IS NULL ORDER BY t.created_at, t.id LIMIT $2"
    );
}

#[test]
fn orders_become_these_clauses() {
    let cases = [
        ("", "ORDER BY t.id"),
        ("id desc", "ORDER BY t.id DESC"),
        ("created_at", "ORDER BY t.created_at, t.id"),
        ("created_at desc", "ORDER BY t.created_at DESC, t.id DESC"),
        ("created_at desc, id asc", "ORDER BY t.created_at DESC, t.id"),
        ("last_name, score desc", "ORDER BY t.last_name_key, t.score DESC NULLS LAST, t.id DESC"),
        (
            "revenue asc,score,custom.seats desc",
            "ORDER BY t.revenue_minor, t.score, t.num_01 DESC NULLS LAST, t.id DESC",
        ),
    ];
    for (order_by, expected) in cases {
        let sql = Ask { order_by, ..Ask::default() }.sql().unwrap();
        let clause = &sql[sql.find("ORDER BY").unwrap()..sql.find(" LIMIT").unwrap()];
        assert_eq!(clause, expected, "{order_by}");
    }
    let limits = Limits::NONE;
    let sql = Ask { order_by: "custom.loose_text", limits, ..Ask::default() }.sql().unwrap();
    assert!(sql.contains("ORDER BY lower(left(u.custom->>$2, 128)) COLLATE \"C\", t.id"), "{sql}");
}

#[test]
fn positions_become_these_conditions() {
    let seats = || Some(Bind::Float(5.0));
    let time = || Some(Bind::Time(datetime!(2026-01-01 0:00 UTC)));
    let cases = [
        ("", false, vec![], "AND t.id > $2"),
        ("created_at desc", false, vec![time()], "AND (t.created_at, t.id) < ($2, $3)"),
        (
            "created_at desc, id asc",
            false,
            vec![time()],
            "AND t.created_at <= $2 AND (t.created_at < $2 OR t.id > $3)",
        ),
        ("custom.seats", false, vec![seats()], "AND t.num_01 IS NOT NULL AND (t.num_01, t.id) > ($2, $3)"),
        ("custom.seats", true, vec![None], "AND t.num_01 IS NULL AND t.id > $2"),
        (
            "custom.seats, score",
            true,
            vec![None, Some(Bind::Int(5))],
            "AND t.num_01 IS NULL AND (t.score > $2 OR t.score IS NULL OR (t.score = $2 AND t.id > $3))",
        ),
        (
            "custom.seats, created_at desc",
            false,
            vec![seats(), time()],
            "AND t.num_01 IS NOT NULL AND t.num_01 >= $2 AND (t.num_01 > $2 OR \
             (t.created_at < $3 OR (t.created_at = $3 AND t.id < $4)))",
        ),
        (
            "created_at, custom.seats",
            false,
            vec![time(), seats()],
            "AND t.created_at >= $2 AND (t.created_at > $2 OR \
             (t.num_01 > $3 OR t.num_01 IS NULL OR (t.num_01 = $3 AND t.id > $4)))",
        ),
        (
            "created_at, custom.seats",
            false,
            vec![time(), None],
            "AND t.created_at >= $2 AND (t.created_at > $2 OR (t.num_01 IS NULL AND t.id > $3))",
        ),
        (
            "custom.seats, created_at",
            true,
            vec![None, time()],
            "AND t.num_01 IS NULL AND (t.created_at, t.id) > ($2, $3)",
        ),
    ];
    for (order_by, unset_phase, keys, expected) in cases {
        let position = Position { unset_phase, id: Uuid::from_u128(1), keys };
        let phase = if unset_phase { Phase::Unset } else { Phase::Set };
        let sql = Ask { order_by, ..Ask::default() }
            .list(|list| {
                let projection = Projection::parse(&[], None, &auth::FieldMask::default(), "").unwrap();
                list.statement(&projection, phase, Some(&position), 51).text().to_owned()
            })
            .unwrap();
        let start = sql.find("t.deleted_at IS NULL ").unwrap() + "t.deleted_at IS NULL ".len();
        assert_eq!(&sql[start..sql.find(" ORDER BY").unwrap()], expected, "{order_by}");
    }
}

#[test]
fn row_predicates_become_these_conditions() {
    let [a, b] = [Uuid::from_u128(1), Uuid::from_u128(2)];
    let cases = [
        (RowPredicate::Always, ""),
        (RowPredicate::Never, " AND FALSE"),
        (RowPredicate::OwnerIn(vec![]), " AND FALSE"),
        (RowPredicate::OwnerIn(vec![a]), " AND t.owner_id = $2"),
        (RowPredicate::TeamIn(vec![a, b]), " AND t.team_id = ANY($2)"),
        (
            RowPredicate::AnyOf(vec![RowPredicate::OwnerIn(vec![a]), RowPredicate::TeamIn(vec![b])]),
            " AND (t.owner_id = $2 OR t.team_id = $3)",
        ),
        (RowPredicate::AnyOf(vec![RowPredicate::OwnerIn(vec![a]), RowPredicate::Always]), ""),
        (RowPredicate::AnyOf(vec![]), " AND FALSE"),
    ];
    for (predicate, expected) in cases {
        let scope = RowScope::from(&predicate);
        assert_eq!(scope.all, expected.is_empty());
        let sql = Ask { predicate, ..Ask::default() }
            .list(|list| list.count_statement(1).text().to_owned())
            .unwrap();
        let start = sql.find("t.deleted_at IS NULL").unwrap() + "t.deleted_at IS NULL".len();
        assert_eq!(&sql[start..sql.find(" LIMIT").unwrap()], expected);
    }
}

#[test]
fn a_filter_cannot_reach_around_the_row_predicate() {
    let predicate = RowPredicate::Never;
    let filter = "score = 1 OR score = 2";
    let limits = Limits::NONE;
    let sql = Ask { filter, predicate, limits, ..Ask::default() }.sql().unwrap();
    assert!(sql.contains("AND (t.score = $2 OR t.score = $3) AND FALSE"), "{sql}");
}

#[test]
fn the_trash_holds_deleted_rows_only() {
    let sql = Ask { deleted: Deleted::Only, ..Ask::default() }.sql().unwrap();
    assert!(sql.contains("WHERE t.tenant_id = $1 AND t.deleted_at IS NOT NULL"), "{sql}");
}

#[test]
fn no_value_ever_stands_in_the_text() {
    let probe = "xyzzy'; DROP TABLE records.contacts; --";
    let quoted = format!("\"{probe}\"");
    let limits = Limits::NONE;
    for name in
        ["last_name", "timezone", "tags", "emails.address", "custom.nick", "custom.tier", "custom.memo"]
    {
        for op in ["=", "!=", ":"] {
            let filter = format!("{name} {op} {quoted}");
            if let Ok(sql) = (Ask { filter: &filter, limits, ..Ask::default() }).sql() {
                assert!(!sql.to_lowercase().contains("xyzzy"), "{sql}");
            }
        }
    }
    assert!(custom_fields().iter().all(|field| !CONTACTS.name.contains(&field.key)));
}

#[test]
fn the_second_phase_is_left_out_where_it_cannot_find_anything() {
    let statements = |filter: &str, order_by: &str| {
        let projection = Projection::parse(&[], None, &auth::FieldMask::default(), "").unwrap();
        Ask { filter, order_by, limits: Limits::NONE, ..Ask::default() }
            .list(|list| list.statements(&projection, 50).len())
            .unwrap()
    };
    assert_eq!(statements("", "custom.seats"), 2);
    assert_eq!(statements("", "created_at"), 1);
    assert_eq!(statements("custom.seats > 5", "custom.seats"), 1);
    assert_eq!(statements("score = 1 AND custom.seats:*", "custom.seats"), 1);
    assert_eq!(statements("score = 1 OR custom.seats:*", "custom.seats"), 2);
    assert_eq!(statements("custom.seats != 5", "custom.seats"), 2);
    assert_eq!(statements("NOT custom.seats:*", "custom.seats"), 2);
}
