//! What removals and moves ask the database for is found by indexes, however much of it there is.

use anyhow::{Context, Result};
use ids::TenantId;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use sqlx::PgConnection;
use uuid::Uuid;

use super::retention::{alone, operation_purge, upload_purge};
use crate::database::execute;

const ROWS: i64 = 20_000;

/// Young uploads, each with a finished operation, and companies of which none stands below another.
async fn fill(sql: &mut PgConnection, tenant: TenantId) -> Result<()> {
    for statement in [
        "INSERT INTO records.upload (tenant_id, id, principal_id, content_type, size, sha256, created_at)
         SELECT $1, gen_random_uuid(), $1, '', 1, md5(n::text) || md5(n::text), now() FROM generate_series(1, $2) AS n",
        "INSERT INTO records.operation (tenant_id, id, kind, state, principal_id, request, claim_until, created_at,
             finished_at, upload_id)
         SELECT $1, gen_random_uuid(), 'import', 'succeeded', $1, '', now(), now(), now(), id
         FROM records.upload LIMIT $2",
        "INSERT INTO records.operation_error (tenant_id, operation_id, line, number, column_name, reason, detail)
         SELECT $1, id, 1, 1, '', '', '' FROM records.operation LIMIT $2",
        "INSERT INTO records.companies (tenant_id, id, version, created_at, created_by, updated_at, updated_by, owner_id,
             source, external_ids, tags, name, name_folded, domains, phones, addresses, custom)
         SELECT $1, gen_random_uuid(), 1, now(), $1, now(), $1, $1, 'api', '{}', '{}', 'C', 'c', '{}', '[]', '[]', '{}'
         FROM generate_series(1, $2) AS n",
    ] {
        sqlx::query(statement).bind(tenant.uuid()).bind(ROWS).execute(&mut *sql).await?;
    }
    for statement in [
        "UPDATE records.upload SET created_at = now() - interval '8 days' WHERE id IN (SELECT id FROM records.upload LIMIT 3)",
        "UPDATE records.operation SET finished_at = now() - interval '31 days' WHERE id IN (SELECT id FROM records.operation LIMIT 3)",
        "ANALYZE",
    ] {
        execute(sql, statement).await?;
    }
    Ok(())
}

#[tokio::test]
async fn old_uploads_and_operations_and_the_way_up_are_found_by_indexes() -> Result<()> {
    let world = alone("globcrm_test_retention_plans").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    // Nothing was asked through the service before: what it reads of empty tables would count.
    fill(&mut sql, admin.tenant).await?;
    let moved: Uuid = line(&mut sql, admin.tenant, 1).await?;
    let parent: Uuid = line(&mut sql, admin.tenant, 10).await?;
    let before = scans(&mut sql).await?;
    let (uploads, operations) = (upload_purge(&world)?, operation_purge(&world)?);
    assert_eq!((uploads.round().await?, operations.round().await?), (3, 3));
    let request = pb::UpdateCompanyRequest {
        id: moved.to_string(),
        company: Some(pb::Company { parent_id: Some(parent.to_string()), ..Default::default() }),
        update_mask: None,
    };
    admin.service.update_company(admin.request(request, &[])).await?;
    // A session tells of what it read when it ends.
    world.db.close().await;
    uploads.worker.close().await;
    operations.worker.close().await;
    assert_eq!(scans(&mut sql).await?, before, "no sequential scan");
    Ok(())
}

#[tokio::test]
async fn what_names_a_record_is_read_slice_by_slice() -> Result<()> {
    let world = alone("globcrm_test_holder_plans").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    let parent: Uuid = line(&mut sql, admin.tenant, 1).await?;
    fill(&mut sql, admin.tenant).await?;
    sqlx::query("UPDATE records.companies SET parent_id = $1 WHERE tenant_id = $2 AND id <> $1")
        .bind(parent)
        .bind(admin.tenant.uuid())
        .execute(&mut sql)
        .await?;
    execute(&mut sql, "VACUUM ANALYZE records.companies").await?;
    let object = records::OBJECTS.iter().find(|object| object.name == "company").context("no company")?;
    let statements = object.statements();
    let holders = statements.following.iter().find(|f| f.column == "parent_id").context("no parent")?.holders;
    let plan: Vec<String> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("EXPLAIN (ANALYZE, TIMING OFF) {holders}")))
            .bind(admin.tenant.uuid())
            .bind([parent])
            .bind(Uuid::nil())
            .bind(500_i64)
            .fetch_all(&mut sql)
            .await?;
    let scans: Vec<&String> = plan.iter().filter(|line| line.contains(" Scan using ")).collect();
    assert_eq!(scans.len(), 1, "{plan:#?}");
    assert!(scans[0].contains("parent_id_id_idx") && scans[0].contains("(actual rows=500"), "{plan:#?}");
    Ok(())
}

/// Companies of which each stands below the one before; gives the last.
async fn line(sql: &mut PgConnection, tenant: TenantId, length: i32) -> Result<Uuid> {
    let mut last = None;
    for _ in 0..length {
        let insert = sqlx::query_scalar(
            "INSERT INTO records.companies (tenant_id, id, version, created_at, created_by, updated_at, updated_by,
                 owner_id, source, external_ids, tags, name, name_folded, domains, phones, addresses, custom, parent_id)
             VALUES ($1, gen_random_uuid(), 1, now(), $1, now(), $1, $1, 'api', '{}', '{}', 'C', 'c', '{}', '[]', '[]',
                 '{}', $2)
             RETURNING id",
        );
        last = Some(insert.bind(tenant.uuid()).bind(last).fetch_one(&mut *sql).await?);
    }
    last.context("no company")
}

/// Sequential scans so far.
async fn scans(sql: &mut PgConnection) -> Result<Vec<(String, i64)>> {
    execute(sql, "SELECT pg_stat_force_next_flush()").await?;
    let read = sqlx::query_as(
        "SELECT relname::text, seq_scan FROM pg_stat_user_tables
         WHERE relname IN ('upload', 'operation', 'operation_error', 'contact_company') OR relname LIKE 'companies%'
         ORDER BY relname",
    );
    Ok(read.fetch_all(sql).await?)
}
