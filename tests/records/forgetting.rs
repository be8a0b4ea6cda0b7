//! The purge takes what the change log keeps of a record with it.

use anyhow::Result;
use ids::TenantId;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use sqlx::PgConnection;
use uuid::Uuid;

use super::world::{Caller, World, named};

pub(super) const MONTH: std::time::Duration = std::time::Duration::from_secs(30 * 86_400);

/// Makes a record in the trash one that lies there longer than a month.
pub(super) async fn age(sql: &mut PgConnection, tenant: TenantId, id: &str) -> Result<()> {
    for statement in [
        "UPDATE records.contacts SET deleted_at = deleted_at - interval '31 days' WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NOT NULL",
        "UPDATE records.companies SET deleted_at = deleted_at - interval '31 days' WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NOT NULL",
        "UPDATE records.purge_due SET counted_from = counted_from - interval '31 days' WHERE tenant_id = $1 AND record_id = $2",
    ] {
        sqlx::query(statement).bind(tenant.uuid()).bind(id.parse::<Uuid>()?).execute(&mut *sql).await?;
    }
    Ok(())
}

async fn changes(sql: &mut PgConnection, caller: &Caller, id: &str) -> Result<i64> {
    let query =
        sqlx::query_scalar("SELECT count(*) FROM records.change WHERE tenant_id = $1 AND record_id = $2");
    Ok(query.bind(caller.tenant.uuid()).bind(id.parse::<Uuid>()?).fetch_one(sql).await?)
}

#[tokio::test]
async fn the_values_of_a_purged_record_are_gone_from_the_change_log() -> Result<()> {
    let world = World::alone("globcrm_test_forgetting_values").await?;
    let (admin, stranger) = (world.admin()?, world.admin()?);
    let mut sql = world.sql().await?;
    let (old, young, live) = (
        admin.create(named("Old", "Secret")).await?.id,
        admin.create(named("Young", "")).await?.id,
        admin.create(named("Live", "")).await?.id,
    );
    let foreign = stranger.create(named("Foreign", "")).await?.id;
    admin.update(&old, named("Older", ""), &["first_name"]).await?;
    admin.delete(&old, &[]).await?;
    admin.delete(&young, &[]).await?;
    let company = pb::Company { name: Some("Old Ltd".to_owned()), ..Default::default() };
    let company = admin.create_company(company).await?.id;
    let delete = pb::DeleteCompanyRequest { id: company.clone() };
    admin.service.delete_company(admin.request(delete, &[])).await?;
    for id in [&old, &company] {
        age(&mut sql, admin.tenant, id).await?;
    }
    assert_eq!(world.purge(MONTH)?.round().await?, 2);
    for (caller, id, left) in [
        (&admin, &old, 0),
        (&admin, &company, 0),
        (&admin, &young, 2),
        (&admin, &live, 1),
        (&stranger, &foreign, 1),
    ] {
        assert_eq!(changes(&mut sql, caller, id).await?, left);
    }
    Ok(())
}

/// An answer that is kept for a repeated call holds the whole record.
#[tokio::test]
async fn the_values_of_a_purged_record_are_gone_from_the_answers_kept() -> Result<()> {
    let world = World::alone("globcrm_test_forgetting_answers").await?;
    let (admin, stranger) = (world.admin()?, world.admin()?);
    let mut keyed = Vec::new();
    for (caller, name, key) in
        [(&admin, "Old", "k-1"), (&admin, "Live", "k-2"), (&stranger, "Foreign", "k-1")]
    {
        let made = caller.create_as(named(name, "Secret"), &[("idempotency-key", key)]).await?;
        keyed.push(made.into_inner().contact.unwrap().id);
    }
    admin.delete(&keyed[0], &[]).await?;
    assert_eq!(world.purge(std::time::Duration::ZERO)?.round().await?, 1);
    let mut sql = world.sql().await?;
    let kept: Vec<String> =
        sqlx::query_scalar("SELECT encode(answer, 'escape') FROM records.idempotency ORDER BY created_at")
            .fetch_all(&mut sql)
            .await?;
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept.iter().zip(&keyed[1..]).all(|(answer, id)| answer.contains(id)), "{kept:?}");
    // The others go when they are too old to be given again, also of a tenant that asks for nothing more.
    sqlx::query("UPDATE records.idempotency SET created_at = created_at - interval '25 hours'")
        .execute(&mut sql)
        .await?;
    admin.delete(&keyed[1], &[]).await?;
    assert_eq!(world.purge(std::time::Duration::ZERO)?.round().await?, 1);
    assert_eq!(world.count(&mut sql, "idempotency", admin.tenant).await?, 0);
    Ok(())
}

/// A record that was changed very often is forgotten piece by piece, also when that breaks off after the record itself.
#[tokio::test]
async fn a_purge_that_broke_off_is_taken_up_again() -> Result<()> {
    let world = World::alone("globcrm_test_forgetting_broken").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    let made = admin.create(named("Often", "Changed")).await?;
    let other = admin.create(named("Live", "")).await?;
    admin.delete(&made.id, &[]).await?;
    age(&mut sql, admin.tenant, &made.id).await?;
    let id: Uuid = made.id.parse()?;
    sqlx::query(
        "INSERT INTO records.change (tenant_id, object, record_id, version, verb, changed_at, actor, before)
         SELECT $1, 'contact', $2, n, 'updated', now(), $1, '{\"last_name\": \"Changed\"}'
         FROM generate_series(100, 12000) AS n",
    )
    .bind(admin.tenant.uuid())
    .bind(id)
    .execute(&mut sql)
    .await?;
    sqlx::query("DELETE FROM records.contacts WHERE tenant_id = $1 AND id = $2")
        .bind(admin.tenant.uuid())
        .bind(id)
        .execute(&mut sql)
        .await?;
    assert_eq!(world.purge(MONTH)?.round().await?, 1);
    assert_eq!(changes(&mut sql, &admin, &made.id).await?, 0);
    assert_eq!(changes(&mut sql, &admin, &other.id).await?, 1);
    assert_eq!(world.count(&mut sql, "purge_due", admin.tenant).await?, 0);
    Ok(())
}

#[tokio::test]
async fn the_changes_of_a_record_in_the_trash_cannot_be_removed() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(named("Zoë", "")).await?;
    admin.delete(&made.id, &[]).await?;
    let mut tx = world.tx(admin.tenant).await?;
    let refused = sqlx::query("DELETE FROM records.change").execute(tx.conn()).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|e| e.code()).as_deref(), Some("42501"));
    drop(tx);
    // Nor past the table.
    let mut tx = world.tx(admin.tenant).await?;
    let refused = sqlx::query("DELETE FROM records.change_p0").execute(tx.conn()).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|e| e.code()).as_deref(), Some("42501"));
    Ok(())
}

/// The guard knows which records there are from record_object: what is not in there is taken for a record that exists.
#[tokio::test]
async fn the_changes_of_an_object_without_a_record_table_cannot_be_removed() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let id = admin.tenant.uuid();
    let mut tx = world.tx(admin.tenant).await?;
    sqlx::query(
        "INSERT INTO records.change (tenant_id, object, record_id, version, verb, changed_at, actor, before)
         SELECT $1, object, $2, 1, 'created', now(), $1, '{}' FROM unnest(ARRAY['deal', 'contacts', 'contact']) AS object",
    )
    .bind(admin.tenant.uuid())
    .bind(id)
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    for (object, code) in [("deal", Some("42501")), ("contacts", Some("42501")), ("contact", None)] {
        let mut tx = world.tx(admin.tenant).await?;
        let removed =
            sqlx::query("DELETE FROM records.change WHERE tenant_id = $1 AND record_id = $2 AND object = $3")
                .bind(admin.tenant.uuid())
                .bind(id)
                .bind(object)
                .execute(tx.conn())
                .await
                .map(|done| done.rows_affected());
        let refused = removed.as_ref().err().and_then(|e| e.as_database_error()?.code());
        assert_eq!(
            (removed.as_ref().ok(), refused.as_deref()),
            (code.is_none().then_some(&1), code),
            "{object}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_service_cannot_say_which_objects_have_record_tables() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    for statement in [
        "INSERT INTO records.record_object (object, table_name) VALUES ('deal', 'outbox')",
        "UPDATE records.record_object SET table_name = 'outbox' WHERE object = 'contact'",
        "DELETE FROM records.record_object",
        "SELECT records.record_table('outbox', 0, 'deal')",
        "SELECT records.drop_record_table('contacts')",
        "SELECT records.protect('outbox', 0)",
    ] {
        let mut tx = world.tx(admin.tenant).await?;
        let refused = sqlx::query(statement).execute(tx.conn()).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{statement}: {refused}");
    }
    Ok(())
}

/// The guard looks at a statement as a whole: one record that exists keeps the changes of all that the statement removes.
#[tokio::test]
async fn the_changes_of_gone_records_cannot_take_those_of_another_with_them() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let tenant = admin.tenant.uuid();
    let mut tx = world.tx(admin.tenant).await?;
    sqlx::query(
        "INSERT INTO records.change (tenant_id, object, record_id, version, verb, changed_at, actor, before)
         SELECT $1, object, gen_random_uuid(), 1, 'created', now(), $1, '{}'
         FROM unnest(ARRAY['contact', 'company']) AS object, generate_series(1, 50)",
    )
    .bind(tenant)
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    let company = pb::Company { name: Some("Live Ltd".to_owned()), ..Default::default() };
    let company: Uuid = admin.create_company(company).await?.id.parse()?;
    let contact: Uuid = admin.create(named("Live", "")).await?.id.parse()?;
    for (kept, removed) in [
        (vec![], Err("42501")),
        (vec![contact], Err("42501")),
        (vec![company], Err("42501")),
        (vec![contact, company], Ok(100)),
    ] {
        let mut tx = world.tx(admin.tenant).await?;
        let delete = sqlx::query("DELETE FROM records.change WHERE tenant_id = $1 AND record_id <> ALL($2)");
        let done = delete.bind(tenant).bind(&kept).execute(tx.conn()).await.map(|done| done.rows_affected());
        let code = done.as_ref().err().and_then(|e| e.as_database_error()?.code());
        assert_eq!(
            done.as_ref().map_err(|_| code.as_deref()),
            removed.as_ref().map_err(|code| Some(*code)),
            "{kept:?}"
        );
    }
    Ok(())
}
