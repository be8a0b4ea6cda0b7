//! Whom a purge waits for: no record, person, object or tenant holds up the others, and no transaction grows with their number.

use anyhow::Result;
use ids::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::forgetting::{MONTH, age};
use super::retention::alone;
use super::world::{Caller, World, named};
use crate::database::execute;

/// A contact that has been in the trash for longer than a month.
async fn old(admin: &Caller, sql: &mut PgConnection, name: &str) -> Result<Uuid> {
    let id = admin.create(named(name, "")).await?.id;
    admin.delete(&id, &[]).await?;
    age(sql, admin.tenant, &id).await?;
    Ok(id.parse()?)
}

/// Puts records on the list that are gone but for that, two months ago.
async fn list(sql: &mut PgConnection, tenant: TenantId, object: &str, records: i32) -> Result<()> {
    sqlx::query(
        "INSERT INTO records.purge_due (tenant_id, object, record_id, counted_from)
         SELECT $1, $2, gen_random_uuid(), now() - interval '62 days' FROM generate_series(1, $3)",
    )
    .bind(tenant.uuid())
    .bind(object)
    .bind(records)
    .execute(sql)
    .await?;
    Ok(())
}

/// From now on nothing is purged whose row of the list fulfils a condition.
async fn obstruct(sql: &mut PgConnection, condition: &str) -> Result<()> {
    execute(
        sql,
        "CREATE FUNCTION records.obstruct() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'obstructed'; END $$",
    )
    .await?;
    let trigger = format!(
        "CREATE TRIGGER obstruct BEFORE DELETE ON records.purge_due FOR EACH ROW WHEN ({condition})
         EXECUTE FUNCTION records.obstruct()"
    );
    execute(sql, &trigger).await
}

async fn attempts(sql: &mut PgConnection, tenant: TenantId) -> Result<Vec<(i32, i64)>> {
    let query = sqlx::query_as(
        "SELECT attempts, count(*) FROM records.purge_due WHERE tenant_id = $1 GROUP BY attempts ORDER BY attempts",
    );
    Ok(query.bind(tenant.uuid()).fetch_all(sql).await?)
}

#[tokio::test]
async fn a_record_that_cannot_be_purged_fails_no_other_and_is_tried_again_later() -> Result<()> {
    let world = alone("globcrm_test_purge_stuck").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    let stuck = old(&admin, &mut sql, "Stuck").await?;
    for name in ["Ada", "Bob"] {
        old(&admin, &mut sql, name).await?;
    }
    obstruct(&mut sql, &format!("OLD.record_id = '{stuck}'")).await?;
    assert_eq!(world.purge(MONTH)?.round().await?, 2);
    // Once with the others and once alone.
    assert_eq!(attempts(&mut sql, admin.tenant).await?, [(2, 1)]);
    execute(&mut sql, "DROP TRIGGER obstruct ON records.purge_due").await?;
    assert_eq!(world.purge(MONTH)?.round().await?, 0, "it is put off");
    sqlx::query("UPDATE records.purge_due SET counted_from = counted_from - interval '2 minutes'")
        .execute(&mut sql)
        .await?;
    assert_eq!(world.purge(MONTH)?.round().await?, 1, "not for long after a first failure");
    Ok(())
}

#[tokio::test]
async fn any_number_of_records_that_cannot_be_purged_is_passed_by() -> Result<()> {
    let world = alone("globcrm_test_purge_head").await?;
    let (admin, other) = (world.admin()?, world.admin()?);
    let mut sql = world.sql().await?;
    list(&mut sql, admin.tenant, "contact", 120).await?;
    let good = old(&admin, &mut sql, "Good").await?;
    old(&other, &mut sql, "Other").await?;
    obstruct(&mut sql, &format!("OLD.tenant_id = '{}' AND OLD.record_id <> '{good}'", admin.tenant)).await?;
    assert_eq!(world.purge(MONTH)?.round().await?, 1, "the other tenant's");
    let mut gone = 0;
    for _ in 0..2 {
        gone += world.purge(MONTH)?.round().await?;
    }
    assert_eq!(gone, 1, "the one behind the others");
    assert_eq!(world.purge(MONTH)?.round().await?, 0);
    let left: i64 = attempts(&mut sql, admin.tenant).await?.iter().map(|(_, records)| records).sum();
    assert_eq!(left, 120);
    Ok(())
}

#[tokio::test]
async fn tenants_take_turns_however_much_one_has_to_purge() -> Result<()> {
    let world = alone("globcrm_test_purge_turns").await?;
    let (admin, other) = (world.admin()?, world.admin()?);
    let mut sql = world.sql().await?;
    list(&mut sql, admin.tenant, "contact", 130).await?;
    old(&other, &mut sql, "Other").await?;
    let mut gone = Vec::new();
    for _ in 0..4 {
        gone.push(world.purge(MONTH)?.round().await?);
    }
    assert_eq!(gone, [51, 50, 30, 0]);
    Ok(())
}

#[tokio::test]
async fn records_of_an_unknown_object_are_left_alone_and_hold_up_no_other() -> Result<()> {
    let world = alone("globcrm_test_purge_unknown").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    for object in ["aardvark", "zebra"] {
        list(&mut sql, admin.tenant, object, 60).await?;
    }
    old(&admin, &mut sql, "Good").await?;
    assert_eq!(world.purge(MONTH)?.round().await?, 1);
    assert_eq!(attempts(&mut sql, admin.tenant).await?, [(0, 120)]);
    Ok(())
}

/// Nothing of the kind should be on the list; if there is, it must not stay at the head.
#[tokio::test]
async fn a_record_that_is_on_the_list_by_mistake_stays_and_is_put_off() -> Result<()> {
    let world = alone("globcrm_test_purge_mistake").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    let live = admin.create(named("Live", "")).await?.id;
    sqlx::query(
        "INSERT INTO records.purge_due (tenant_id, object, record_id, counted_from)
         VALUES ($1, 'contact', $2, now() - interval '62 days')",
    )
    .bind(admin.tenant.uuid())
    .bind(live.parse::<Uuid>()?)
    .execute(&mut sql)
    .await?;
    assert_eq!(world.purge(MONTH)?.round().await?, 0);
    assert_eq!(attempts(&mut sql, admin.tenant).await?, [(1, 1)]);
    let due = "SELECT count(*) FROM records.purge_due WHERE counted_from < now() - interval '30 days'";
    let due: i64 = sqlx::query_scalar(due).fetch_one(&mut sql).await?;
    assert_eq!(due, 0);
    assert_eq!(admin.get(&live).await?.version, 1);
    Ok(())
}

/// Companies that different people have deleted, each with some below it.
async fn families(world: &World, admin: &Caller, people: i32, below: i32) -> Result<()> {
    let mut sql = world.sql().await?;
    let columns = "tenant_id, id, version, created_at, created_by, updated_at, updated_by, source, external_ids, tags, name,
         name_folded, domains, phones, addresses, custom";
    let values = "1, now(), $1, now(), $1, 'api', '{}', '{}', 'C', 'c', '{}', '[]', '[]', '{}'";
    let families = format!(
        "WITH above AS (
             INSERT INTO records.companies ({columns}, deleted_at, deleted_by)
             SELECT $1, gen_random_uuid(), {values}, now() - interval '31 days', gen_random_uuid()
             FROM generate_series(1, $2) RETURNING id),
         below AS (
             INSERT INTO records.companies ({columns}, parent_id)
             SELECT $1, gen_random_uuid(), {values}, above.id FROM above, generate_series(1, $3))
         INSERT INTO records.purge_due (tenant_id, object, record_id, counted_from)
         SELECT $1, 'company', id, now() - interval '31 days' FROM above"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(families));
    query.bind(admin.tenant.uuid()).bind(people).bind(below).execute(&mut sql).await?;
    Ok(())
}

/// Changes in all, and in the transaction with most of them.
async fn changes(sql: &mut PgConnection, tenant: TenantId) -> Result<(i64, i64)> {
    let query = sqlx::query_as(
        "SELECT sum(changes)::bigint, max(changes) FROM (
             SELECT count(*) AS changes FROM records.change WHERE tenant_id = $1 GROUP BY xmin::text) AS by_transaction",
    );
    Ok(query.bind(tenant.uuid()).fetch_one(sql).await?)
}

#[tokio::test]
async fn no_transaction_grows_with_the_people_who_deleted_records() -> Result<()> {
    let world = alone("globcrm_test_purge_people").await?;
    let (many, few) = (world.admin()?, world.admin()?);
    let mut sql = world.sql().await?;
    // Few people and many changes of each: 500 changes are a transaction.
    families(&world, &few, 7, 150).await?;
    // Many people and a change of each: so many looks are.
    families(&world, &many, 40, 1).await?;
    assert_eq!(world.purge(MONTH)?.round().await?, 47);
    let (all, most) = changes(&mut sql, few.tenant).await?;
    assert_eq!(all, 7 * 150);
    assert!(most <= 500, "{most} changes in one transaction");
    let (all, most) = changes(&mut sql, many.tenant).await?;
    assert_eq!(all, 40);
    assert!(most <= 12, "changes in the names of {most} people in one transaction");
    Ok(())
}

/// What a pass asks across tenants is answered by an index, however many records are in the trash.
#[tokio::test]
async fn the_lists_are_found_by_an_index() -> Result<()> {
    let world = alone("globcrm_test_purge_plans").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    sqlx::query(
        "INSERT INTO records.purge_due (tenant_id, object, record_id, counted_from)
         SELECT $1, 'contact', gen_random_uuid(), now() FROM generate_series(1, 20000)",
    )
    .bind(admin.tenant.uuid())
    .execute(&mut sql)
    .await?;
    execute(&mut sql, "ANALYZE records.purge_due").await?;
    let before = reads(&mut sql).await?;
    let purge = world.purge(MONTH)?;
    assert_eq!(purge.round().await?, 0);
    // A session tells of what it read when it ends.
    purge.worker.close().await;
    let after = reads(&mut sql).await?;
    assert_eq!(after.0, before.0, "no sequential scan");
    assert!(after.1 - before.1 < 50, "{} entries read", after.1 - before.1);
    Ok(())
}

async fn reads(sql: &mut PgConnection) -> Result<(i64, i64)> {
    execute(sql, "SELECT pg_stat_force_next_flush()").await?;
    let query = sqlx::query_as(
        "SELECT seq_scan, (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'purge_due')
         FROM pg_stat_user_tables WHERE relname = 'purge_due'",
    );
    Ok(query.fetch_one(sql).await?)
}
