//! How PostgreSQL runs the lists of a tenant with many records: by index, never by looking at all of them.

use anyhow::Result;
use ids::TenantId;
use proto::common::v1::ShowDeleted;
use proto::records::v1 as pb;
use sqlx::PgConnection;

use super::world::{World, named};
use crate::database::execute;

const ROWS: i64 = 30_000;

/// Gives a tenant this many contacts.
pub(crate) async fn fill(sql: &mut PgConnection, tenant: TenantId, rows: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO records.contacts (tenant_id, id, version, created_at, created_by, updated_at, updated_by, owner_id,
             source, external_ids, tags, first_name, first_name_folded, last_name, last_name_folded, full_name,
             full_name_folded, emails, phones, addresses, do_not_call, do_not_email, consents, custom, num_01, txt_01, ts_01)
         SELECT $1, gen_random_uuid(), 1, now() - n * interval '1 minute', $1, now(), $1, $1, 'api', '{}', '{}',
             'First', 'first', 'Last ' || n % 500, 'last ' || n % 500, 'First Last ' || n % 500,
             'first last ' || n % 500, '[]', '[]', '[]', false, false, '[]',
             jsonb_build_object('seats', n, 'tier', CASE WHEN n % 5 = 0 THEN 'gold' ELSE 'silver' END),
             CASE WHEN n % 10 > 0 THEN n END, CASE WHEN n % 5 = 0 THEN 'gold' ELSE 'silver' END,
             timestamptz '2026-01-01' + n * interval '1 hour'
         FROM generate_series(1, $2) AS n",
    )
    .bind(tenant.uuid())
    .bind(rows)
    .execute(&mut *sql)
    .await?;
    execute(sql, "ANALYZE records.contacts").await
}

#[tokio::test]
async fn lists_of_many_records_are_served_by_indexes() -> Result<()> {
    // Of its own, so that nothing else is counted.
    let world = World::alone("globcrm_test_records_plans").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    fill(&mut sql, admin.tenant, ROWS).await?;
    let before = reads(&mut sql).await?;
    for (filter, order_by) in [
        ("custom.tier = \"gold\"", "custom.seats desc"),
        ("custom.seats > 100", "custom.seats"),
        ("", "created_at desc"),
        ("last_name:\"last 4\"", "last_name"),
        ("last_name = \"Last 77\"", ""),
        ("custom.renewal > 2026-02-01", "custom.renewal desc"),
        ("tags:\"vip\"", ""),
    ] {
        let request = pb::ListContactsRequest {
            filter: filter.to_owned(),
            order_by: order_by.to_owned(),
            page_size: Some(50),
            ..Default::default()
        };
        let listed = admin.list(request).await?;
        assert_eq!(
            listed.contacts.len(),
            if filter.starts_with("tags") { 0 } else { 50 },
            "{filter} {order_by}"
        );
    }
    // A session tells of what it read when it ends.
    world.db.close().await;
    let after = reads(&mut sql).await?;
    assert_eq!(after.0, before.0, "no sequential scan");
    let rows = after.1 - before.1;
    assert!(rows < 6_000, "{rows} rows read for {} answers", 6 * 50);
    Ok(())
}

/// The plan is made for the average tenant, which has two contacts.
#[tokio::test]
async fn the_kept_plan_of_a_plain_list_serves_the_largest_of_many_tenants() -> Result<()> {
    let world = World::alone("globcrm_test_records_kept_plans").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    fill(&mut sql, admin.tenant, ROWS / 10).await?;
    // As many tenants with one contact each.
    execute(
        &mut sql,
        "INSERT INTO records.contacts
         SELECT (jsonb_populate_record(c, jsonb_build_object('tenant_id', gen_random_uuid(), 'id', gen_random_uuid()))).*
         FROM records.contacts AS c",
    )
    .await?;
    execute(&mut sql, "ANALYZE records.contacts").await?;
    let before = reads(&mut sql).await?;
    let (mut listed, mut page_token) = (0, String::new());
    for _ in 0..8 {
        let page = admin.list(pb::ListContactsRequest { page_token, ..Default::default() }).await?;
        let first = page.contacts.first().map(|contact| contact.id.clone()).unwrap_or_default();
        admin.get(&first).await?;
        (listed, page_token) = (listed + page.contacts.len(), page.next_page_token);
    }
    assert_eq!(listed, 8 * 50);
    world.db.close().await;
    let after = reads(&mut sql).await?;
    assert_eq!(after.0, before.0, "no sequential scan");
    let rows = after.1 - before.1;
    assert!(rows <= 8 * (50 + 1 + 1), "{rows} rows read for {listed} of pages and 8 by id");
    Ok(())
}

/// Lists, and whether an index serves them.
const BY_PRICE: [(&str, &str, bool); 27] = [
    ("", "custom.note", false),
    ("", "score desc", false),
    ("", "birthday", false),
    ("", "created_at desc, score", true),
    ("custom.note = \"x\"", "", false),
    ("custom.note:*", "", false),
    ("score > 3", "", false),
    ("timezone = \"Europe/Vienna\"", "", false),
    ("job_title:\"head\"", "", false),
    ("do_not_call = true", "", false),
    ("source = \"import\"", "", false),
    ("first_name = \"First\" OR score > 3", "", false),
    ("first_name != \"First\" AND custom.note = \"x\"", "", false),
    ("last_name = \"Last 7\" AND score > 3", "", true),
    ("last_name = (\"Last 7\", \"Last 8\") AND score > 3 OR first_name:\"f\"", "", true),
    ("created_at > 2000-01-01T00:00:00Z", "", true),
    // An index finds all of them, which is no help.
    ("first_name = \"First\" AND score > 3", "", false),
    ("created_at > 2000-01-01T00:00:00Z AND score > 3", "", false),
    ("last_name = \"Last 7\" AND score > 3 OR first_name:\"f\" AND custom.note = \"x\"", "", false),
    ("custom.tier = \"gold\" AND custom.note = \"x\"", "", true),
    ("lifecycle = \"lead\"", "", true),
    ("lead_source = \"fair\"", "", true),
    ("emails.address = \"a@b.test\"", "", true),
    ("emails.domain = \"B.test\"", "", true),
    ("tags:\"vip\"", "", true),
    ("NOT lifecycle:*", "", true),
    ("owner_id:* AND language = \"de\"", "", false),
];

#[tokio::test]
async fn what_no_index_serves_is_refused_of_many_records_whether_its_field_is_standard_or_custom()
-> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let list = async |filter: &str, order_by: &str, show_deleted: ShowDeleted| {
        let (filter, order_by) = (filter.to_owned(), order_by.to_owned());
        let show_deleted = show_deleted.into();
        admin.list(pb::ListContactsRequest { filter, order_by, show_deleted, ..Default::default() }).await
    };
    let mut sql = world.sql().await?;
    fill(&mut sql, admin.tenant, 20_000).await?;
    for (filter, order_by, _) in BY_PRICE {
        list(filter, order_by, ShowDeleted::Unspecified).await?;
    }
    fill(&mut sql, admin.tenant, 1).await?;
    for (filter, order_by, is_served) in BY_PRICE {
        match list(filter, order_by, ShowDeleted::Unspecified).await {
            Ok(_) => assert!(is_served, "{filter} {order_by}"),
            Err(refused) => {
                assert!(!is_served, "{filter} {order_by}");
                assert_eq!(refused.is(), (422, "FIELD_NOT_INDEXED"), "{filter} {order_by}");
            }
        }
    }
    // The trash is counted by itself.
    list("score > 3", "last_name", ShowDeleted::Only).await?;
    sqlx::query("UPDATE records.contacts SET deleted_at = now(), deleted_by = $1 WHERE tenant_id = $1")
        .bind(admin.tenant.uuid())
        .execute(&mut sql)
        .await?;
    list("score > 3", "score", ShowDeleted::Unspecified).await?;
    list("", "deleted_at desc", ShowDeleted::Only).await?;
    list("deleted_at < 2026-01-01 AND score > 3", "", ShowDeleted::Only).await?;
    for (filter, order_by) in [
        ("last_name = \"Last 7\"", ""),
        ("lifecycle = \"lead\"", ""),
        ("", "created_at"),
        ("deleted_at > 2026-01-01 AND score > 3", ""),
    ] {
        let refused = list(filter, order_by, ShowDeleted::Only).await.unwrap_err();
        assert_eq!(refused.is(), (422, "FIELD_NOT_INDEXED"), "{filter} {order_by}");
    }
    Ok(())
}

#[tokio::test]
async fn few_records_are_not_said_to_be_many_and_no_option_is_made_up() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let list = async |filter: &str| {
        admin.list(pb::ListContactsRequest { filter: filter.to_owned(), ..Default::default() }).await
    };
    admin.create(named("A", "")).await?;
    let refused = list("custom.note:\"x\"").await.unwrap_err();
    assert_eq!(refused.is(), (422, "FIELD_NOT_INDEXED"));
    assert!(!refused.message().contains("many"), "{}", refused.message());
    // As wrong as `lifecycle = "nope"`.
    for filter in
        ["lifecycle = \"nope\"", "custom.tier = \"platinum\"", "NOT custom.tier = (\"gold\", \"Gold\")"]
    {
        assert_eq!(list(filter).await.unwrap_err().is(), (400, "FILTER_TYPE_MISMATCH"), "{filter}");
    }
    // One that was made a moment ago is known, though the definitions that are held do not have it.
    {
        let mut set = world.definitions.lock().unwrap();
        set.version += 1;
        let tier = set.fields.iter_mut().find(|field| field.key == "tier").expect("tier");
        let (key, label) = ("platinum".to_owned(), "Platinum".to_owned());
        tier.options.push(proto::fields::v1::FieldOption { key, label, retired: false });
    }
    assert!(list("custom.tier = \"platinum\"").await?.contacts.is_empty());
    assert_eq!(list("custom.tier = \"nope\"").await.unwrap_err().is(), (400, "FILTER_TYPE_MISMATCH"));
    Ok(())
}

/// Sequential scans of contacts, and rows fetched by index, so far.
async fn reads(sql: &mut PgConnection) -> Result<(i64, i64)> {
    // Statistics come in when sessions end or after a moment; this session's own come at once.
    execute(sql, "SELECT pg_stat_force_next_flush()").await?;
    let read = sqlx::query_as(
        "SELECT sum(seq_scan)::bigint, sum(idx_tup_fetch)::bigint FROM pg_stat_user_tables
         WHERE schemaname = 'records' AND relname LIKE 'contact%'",
    );
    Ok(read.fetch_one(sql).await?)
}
