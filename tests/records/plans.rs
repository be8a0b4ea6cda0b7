//! How PostgreSQL runs the lists of a tenant with many records: by index, never by looking at all of them.

use anyhow::Result;
use ids::TenantId;
use proto::records::v1 as pb;
use sqlx::PgConnection;

use super::world::World;
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

#[tokio::test]
async fn sorting_many_records_by_what_has_no_index_is_refused() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let sorted = || pb::ListContactsRequest { order_by: "custom.note".to_owned(), ..Default::default() };
    assert!(admin.list(sorted()).await?.contacts.is_empty(), "few records may be sorted by anything");
    fill(&mut world.sql().await?, admin.tenant, ROWS).await?;
    let refused = admin.list(sorted()).await.unwrap_err();
    assert_eq!(refused.is(), (422, "FIELD_NOT_INDEXED"));
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
