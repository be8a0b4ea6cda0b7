use auth::RowPredicate;
use db::TenantTx;
use query::{Bind, Deleted, List, ListRequest, Projection, fetch_page, filter};
use serde_json::{Map, Value};
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use super::fixture::{Ask, COLUMNS, Fixture, with_things};

/// The plans of the first page's statements, as one text.
async fn plan(fixture: &Fixture, filter: &str, order_by: &str, page_size: usize) -> String {
    let ask = Ask { filter: filter.into(), order_by: order_by.into(), ..Ask::default() };
    let expr = filter::parse(&ask.filter).unwrap();
    let list = List::new(fixture.tenant.id().uuid(), &fixture.request(&ask, expr.as_ref())).unwrap();
    let mut tx = TenantTx::begin(&fixture.db, fixture.tenant).await.unwrap();
    // The question is which conditions an index can serve, not from which number of rows on it pays.
    sqlx::query("SET LOCAL enable_seqscan = off").execute(tx.conn()).await.unwrap();
    let mut text = String::new();
    for statement in list.statements(&fixture.projection(), page_size) {
        let rows = statement.explain().into_query().fetch_all(tx.conn()).await.unwrap();
        for row in rows {
            text += &row.get::<String, _>(0);
            text.push('\n');
        }
    }
    text
}

/// The line of the plan that holds `needle`.
fn line<'p>(plan: &'p str, needle: &str) -> &'p str {
    plan.lines().find(|line| line.contains(needle)).unwrap_or_else(|| panic!("no {needle} in\n{plan}"))
}

#[test]
fn filters_and_orders_are_index_conditions_under_row_level_security() {
    with_things(6_000, |fixture| async move {
        let filters = [
            (r#"name = "Ångström""#, "name_key = "),
            (r#"name:"angs""#, "name_key >= "),
            (r#"custom.nick = "Zoë""#, "txt_02 = "),
            (r#"custom.nick:"zo""#, "txt_02 >= "),
            ("custom.seats > 6", "num_01 > "),
            (r#"custom.budget >= "1250.00 EUR""#, "num_02 >= "),
            ("custom.renewal >= 2026-01-01", "ts_01 >= "),
            (r#"custom.boss = "00000000-0000-0000-0000-00000000000b""#, "ref_01 = "),
        ];
        for (filter, condition) in filters {
            // All matches, so that walking another index until a page is full is no way out. A leaky operator could only
            // be a filter behind the policy.
            let plan = plan(&fixture, filter, "", 100_000).await;
            assert!(line(&plan, "Index Cond").contains(condition), "{filter}\n{plan}");
        }
        for order_by in
            ["custom.seats", "custom.seats desc", "name desc", "made_at desc", "custom.renewal, score"]
        {
            let plan = plan(&fixture, "", order_by, 50).await;
            assert!(!plan.lines().next().unwrap_or_default().contains("Seq Scan"), "{order_by}\n{plan}");
            assert!(plan.contains("Index Scan") && !plan.contains("Seq Scan"), "{order_by}\n{plan}");
        }
    });
}

#[test]
fn the_planner_sees_the_tenant_and_prunes_partitions() {
    with_things(200, |fixture| async move {
        let plan = plan(&fixture, "", "made_at", 50).await;
        assert!(plan.contains("thing_0") != plan.contains("thing_1"), "one partition only:\n{plan}");
    });
}

#[test]
fn a_kept_plan_is_made_once_for_a_connection() {
    with_things(200, |fixture| async move {
        let ask = Ask::default();
        let list = List::new(fixture.tenant.id().uuid(), &fixture.request(&ask, None)).unwrap();
        let mut tx = TenantTx::begin_snapshot_with_kept_plans(&fixture.db, fixture.tenant).await.unwrap();
        for _ in 0..3 {
            let page = fetch_page(&mut tx, &list, &fixture.projection(), &fixture.key, 7, "").await.unwrap();
            assert_eq!(page.rows.len(), 7);
        }
        let plans = sqlx::query_as::<_, (i64, i64)>(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE 'SELECT t.id%'",
        );
        assert_eq!(plans.fetch_one(tx.conn()).await.unwrap(), (3, 0));
    });
}

#[test]
fn only_what_has_one_best_plan_is_said_to_have_one() {
    with_things(1, |fixture| async move {
        let has_one_plan = |ask: &Ask, fixed: &[(&'static str, Bind)]| {
            let expr = filter::parse(&ask.filter).unwrap();
            ListRequest { fixed, ..fixture.request(ask, expr.as_ref()) }.has_one_plan()
        };
        let of_owner =
            || Ask { predicate: RowPredicate::OwnerIn(vec![Uuid::from_u128(1)]), ..Ask::default() };
        let by_id = [("id", Bind::Uuid(Uuid::from_u128(1)))];
        assert!(has_one_plan(&Ask::default(), &[]));
        assert!(has_one_plan(&of_owner(), &by_id), "a record by its id");
        for (ask, why) in [
            (of_owner(), "a row scope"),
            (Ask { filter: "score > 1".into(), ..Ask::default() }, "a filter"),
            (Ask { order_by: "made_at".into(), ..Ask::default() }, "an order"),
            (Ask { deleted: Deleted::Only, ..Ask::default() }, "the trash"),
        ] {
            assert!(!has_one_plan(&ask, &[]), "{why}");
        }
        assert!(
            !has_one_plan(&Ask::default(), &[("owner_id", Bind::Uuid(Uuid::from_u128(1)))]),
            "a fixed column"
        );
    });
}

#[test]
fn hidden_and_unwanted_values_are_not_read() {
    let mask =
        auth::FieldMask::new(["score", "custom.seats"].map(|name| (name.to_owned(), auth::Access::None)));
    with_things(40, |fixture| async move {
        let cases = [
            ("", None),
            ("name, custom.nick,custom.mail", Some(["nick", "mail"])),
            ("name", Some(["none", "none"])),
        ];
        for (fields, only) in cases {
            let projection = Projection::parse(COLUMNS, Some(&fixture.custom), &mask, fields).unwrap();
            let ask = Ask::default();
            let list = List::new(fixture.tenant.id().uuid(), &fixture.request(&ask, None)).unwrap();
            let mut tx = TenantTx::begin(&fixture.db, fixture.tenant).await.unwrap();
            let page = fetch_page(&mut tx, &list, &projection, &fixture.key, 50, "").await.unwrap();
            for row in &page.rows {
                let thing =
                    fixture.things.iter().find(|thing| thing.id == row.get::<Uuid, _>("_id")).unwrap();
                let found: Map<String, Value> = row.get::<Json<_>, _>("custom").0;
                let expected: Map<String, Value> = thing
                    .values
                    .iter()
                    .filter_map(|(name, value)| {
                        Some((name.strip_prefix("custom.")?.to_owned(), value.clone()))
                    })
                    .filter(|(key, _)| only.map_or(key != "seats", |only| only.contains(&key.as_str())))
                    .collect();
                assert_eq!(found, expected, "{fields}");
                assert_eq!(row.get::<Option<i32>, _>("score"), None);
                assert_eq!(
                    row.get::<Option<&str>, _>("name"),
                    thing.values.get("name").and_then(Value::as_str)
                );
            }
        }
    });
}
