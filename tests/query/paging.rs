use db::TenantTx;
use query::{Limits, List, ListRequest, fetch_page};
use sqlx::Row;
use uuid::Uuid;

use super::filters::{any_predicate, cases};
use super::fixture::{Ask, with_things};
use super::generate::{any_filter, any_order};
use super::oracle::expected;

#[test]
fn pages_of_every_order_hold_every_row_once_and_in_order() {
    with_things(120, |fixture| async move {
        for (order_by, page_size) in cases((any_order(), 1_usize..40), 250) {
            let ask = Ask { order_by, ..Ask::default() };
            let found = fixture
                .all_ids(&ask, page_size)
                .await
                .unwrap_or_else(|error| panic!("{error:?} for {ask:?}"));
            assert_eq!(found, expected(&fixture.things, &ask), "{ask:?} by {page_size}");
        }
    });
}

#[test]
fn filtered_pages_hold_every_row_once_and_in_order() {
    with_things(120, |fixture| async move {
        let strategy = (any_filter(), any_predicate(), any_order(), 1_usize..20);
        for (filter, predicate, order_by, page_size) in cases(strategy, 200) {
            let ask = Ask { filter, order_by, predicate, ..Ask::default() };
            let found = fixture
                .all_ids(&ask, page_size)
                .await
                .unwrap_or_else(|error| panic!("{error:?} for {ask:?}"));
            assert_eq!(found, expected(&fixture.things, &ask), "{ask:?} by {page_size}");
        }
    });
}

#[test]
fn a_small_tenant_may_use_unindexed_fields() {
    with_things(60, |fixture| async move {
        let ask =
            Ask { filter: "custom.loose > 0".into(), order_by: "custom.loose desc".into(), ..Ask::default() };
        let expr = query::filter::parse(&ask.filter).unwrap();
        let strict = ListRequest { limits: Limits::default(), ..fixture.request(&ask, expr.as_ref()) };
        let mut tx = TenantTx::begin(&fixture.db, fixture.tenant).await.unwrap();
        assert_eq!(List::new(tx.tenant_id(), &strict).unwrap_err().reason(), "FIELD_NOT_INDEXED");
        let list = List::open(&mut tx, &strict).await.unwrap();
        let page = fetch_page(&mut tx, &list, &fixture.projection(), &fixture.key, 200, "").await.unwrap();
        let found: Vec<Uuid> = page.rows.iter().map(|row| row.get("_id")).collect();
        assert_eq!(found, expected(&fixture.things, &ask));
    });
}

#[test]
fn a_list_runs_in_its_own_tenants_transaction_only() {
    with_things(10, |fixture| async move {
        let ask = Ask::default();
        let list = List::new(fixture.other.id().uuid(), &fixture.request(&ask, None)).unwrap();
        let mut tx = TenantTx::begin(&fixture.db, fixture.tenant).await.unwrap();
        let refused =
            fetch_page(&mut tx, &list, &fixture.projection(), &fixture.key, 5, "").await.unwrap_err();
        assert_eq!(refused.reason(), "INTERNAL");
    });
}

#[test]
fn a_token_serves_its_own_request_only() {
    with_things(60, |fixture| async move {
        let ask = Ask { filter: "score >= 0".into(), order_by: "custom.seats desc".into(), ..Ask::default() };
        let first = fixture.page(fixture.tenant, &ask, 5, "").await.unwrap();
        let token = first.next_page_token;
        assert!(!token.is_empty());
        assert_eq!(fixture.page(fixture.tenant, &ask, 7, &token).await.unwrap().rows.len(), 7);
        let others = [
            Ask { filter: "score >= -1".into(), ..ask.clone() },
            Ask { filter: String::new(), ..ask.clone() },
            Ask { order_by: "custom.seats".into(), ..ask.clone() },
            Ask { deleted: query::Deleted::Only, ..ask.clone() },
        ];
        for other in others {
            let error = fixture.page(fixture.tenant, &other, 5, &token).await.unwrap_err();
            assert_eq!(error.reason(), "PAGE_TOKEN_MISMATCH", "{other:?}");
        }
        let error = fixture.page(fixture.other, &ask, 5, &token).await.unwrap_err();
        assert_eq!(error.reason(), "PAGE_TOKEN_MISMATCH");
        let error = fixture.page(fixture.tenant, &ask, 5, "nonsense").await.unwrap_err();
        assert_eq!(error.reason(), "PAGE_TOKEN_INVALID");
    });
}

#[test]
fn a_page_of_exactly_all_rows_is_the_last() {
    with_things(30, |fixture| async move {
        let ask = Ask { order_by: "score".into(), ..Ask::default() };
        let all = expected(&fixture.things, &ask).len();
        assert_eq!(fixture.page(fixture.tenant, &ask, all, "").await.unwrap().next_page_token, "");
        assert_ne!(fixture.page(fixture.tenant, &ask, all - 1, "").await.unwrap().next_page_token, "");
    });
}

#[test]
fn rows_carry_the_selected_columns_and_the_neighbours_none() {
    with_things(40, |fixture| async move {
        let ask = Ask::default();
        let page = fixture.page(fixture.other, &ask, 200, "").await.unwrap();
        assert!(!page.rows.is_empty());
        for row in &page.rows {
            let id: Uuid = row.get("_id");
            assert!(fixture.things.iter().all(|thing| thing.id != id), "a row of the other tenant");
        }
        let page = fixture.page(fixture.tenant, &ask, 200, "").await.unwrap();
        for row in &page.rows {
            let thing = fixture.things.iter().find(|thing| thing.id == row.get::<Uuid, _>("_id")).unwrap();
            assert_eq!(
                row.get::<Option<String>, _>("name").as_deref(),
                thing.values.get("name").and_then(|v| v.as_str())
            );
            let custom: serde_json::Value = row.get("custom");
            assert_eq!(custom.get("seats"), thing.values.get("custom.seats"));
            assert_eq!(custom.get("budget"), thing.values.get("custom.budget"));
        }
    });
}
