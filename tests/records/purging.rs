//! A purge is a change of what names the purged record, and an event that says that it is gone.

use std::time::Duration;

use anyhow::Result;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::forgetting::{MONTH, age};
use super::retention::alone;
use super::world::{ALL, Caller, Refusal, World, named};
use crate::waiting;

async fn company(caller: &Caller, parent_id: Option<String>) -> Result<String> {
    let company = pb::Company { name: Some("Acme".to_owned()), parent_id, ..Default::default() };
    Ok(caller.create_company(company).await?.id)
}

async fn read(caller: &Caller, id: &str) -> Result<pb::Company> {
    let request = pb::GetCompanyRequest { id: id.to_owned(), ..Default::default() };
    let answer = caller.service.get_company(caller.request(request, &[])).await?;
    Ok(answer.into_inner().company.unwrap())
}

async fn delete(caller: &Caller, id: &str) -> Result<()> {
    let request = pb::DeleteCompanyRequest { id: id.to_owned() };
    caller.service.delete_company(caller.request(request, &[])).await?;
    Ok(())
}

/// The event of a record that has a version.
async fn event_of(world: &World, id: &str, version: i64) -> Result<events::Event> {
    let mut sql = world.sql().await?;
    let query = sqlx::query_scalar("SELECT envelope FROM records.outbox WHERE record_id = $1");
    let envelopes: Vec<Vec<u8>> = query.bind(id.parse::<Uuid>()?).fetch_all(&mut sql).await?;
    let events = envelopes.iter().map(|envelope| events::Event::decode(envelope));
    let events = events.collect::<Result<Vec<_>, _>>()?;
    let found: Vec<_> = events.into_iter().filter(|event| event.version == version).collect();
    anyhow::ensure!(found.len() == 1, "{} events of version {version}", found.len());
    Ok(found.into_iter().next().unwrap())
}

#[tokio::test]
async fn a_purge_gives_every_record_that_named_it_a_version_and_an_event() -> Result<()> {
    let world = alone("globcrm_test_purging").await?;
    let admin = world.admin()?;
    let cleaner = world.caller(admin.tenant, &ALL)?;
    let mut sql = world.sql().await?;
    let above = company(&admin, None).await?;
    let (below, trashed, beside) = (
        company(&admin, Some(above.clone())).await?,
        company(&admin, Some(above.clone())).await?,
        company(&admin, None).await?,
    );
    delete(&admin, &trashed).await?;
    let contact = admin.create(named("Ada", "Lovelace")).await?.id;
    let link = pb::ContactCompany { company_id: above.clone(), is_primary: Some(true), ..Default::default() };
    let link =
        pb::LinkContactCompanyRequest { contact_id: contact.clone(), link: Some(link), ..Default::default() };
    admin.service.link_contact_company(admin.request(link, &[])).await?;
    delete(&cleaner, &above).await?;
    age(&mut sql, admin.tenant, &above).await?;
    assert_eq!(world.purge(MONTH)?.round().await?, 1);

    let seen = read(&admin, &below).await?;
    assert_eq!((seen.parent_id, seen.version), (None, 2));
    assert_eq!(seen.updated_by, cleaner.id.to_string(), "in the name of the user who deleted it");
    let event = event_of(&world, &below, 2).await?;
    assert_eq!((event.kind.as_str(), event.actor), ("records.company.updated.v1", cleaner.id));
    let parent: Vec<_> =
        event.changes.iter().map(|c| (c.field.as_str(), c.before.clone(), c.after.clone())).collect();
    assert_eq!(parent, [("parent_id", Some(json!(above).to_string()), Some("null".to_owned()))]);
    // Its log keeps what was before, so that a client's merge sees it.
    let logged: Value =
        sqlx::query_scalar("SELECT before FROM records.change WHERE record_id = $1 AND version = 2")
            .bind(below.parse::<Uuid>()?)
            .fetch_one(&mut sql)
            .await?;
    assert_eq!(logged, json!({"parent_id": above}));
    // One in the trash, too; one that did not name it has no change.
    event_of(&world, &trashed, 3).await?;
    assert_eq!(read(&admin, &beside).await?.version, 1);
    // A link is part of its contact.
    assert_eq!(admin.get(&contact).await?.version, 3);
    let event = event_of(&world, &contact, 3).await?;
    assert_eq!((event.actor, event.changes[0].field.as_str()), (cleaner.id, "companies"));
    let before: Value = serde_json::from_str(event.changes[0].before.as_deref().unwrap_or_default())?;
    assert_eq!((&before["company_id"], &before["is_primary"]), (&json!(above), &json!(true)));
    assert_eq!(world.count(&mut sql, "contact_company", admin.tenant).await?, 0);
    // The event of the purge says who and that, and nothing of what stood in the record.
    let event = event_of(&world, &above, 3).await?;
    assert_eq!(
        (event.kind.as_str(), event.actor, event.changes.len()),
        ("records.company.purged.v1", cleaner.id, 0)
    );
    Ok(())
}

/// A company with 1,101 below it, in the trash for longer than the retention.
async fn old_above_1101(admin: &Caller, sql: &mut PgConnection) -> Result<String> {
    let above = company(admin, None).await?;
    let one = company(admin, Some(above.clone())).await?;
    sqlx::query(
        "INSERT INTO records.companies (tenant_id, id, version, created_at, created_by, updated_at, updated_by, source,
             external_ids, tags, name, name_folded, domains, parent_id, phones, addresses, custom)
         SELECT tenant_id, gen_random_uuid(), version, created_at, created_by, updated_at, updated_by, source,
             external_ids, tags, name, name_folded, domains, parent_id, phones, addresses, custom
         FROM records.companies, generate_series(1, 1100) WHERE id = $1",
    )
    .bind(one.parse::<Uuid>()?)
    .execute(&mut *sql)
    .await?;
    delete(admin, &above).await?;
    age(sql, admin.tenant, &above).await?;
    Ok(above)
}

#[tokio::test]
async fn references_are_cleared_slice_by_slice_before_the_purge() -> Result<()> {
    let world = alone("globcrm_test_purging_slices").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    old_above_1101(&admin, &mut sql).await?;
    assert_eq!(world.purge(MONTH)?.round().await?, 1);
    let (left, changed): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE parent_id IS NOT NULL), count(*) FILTER (WHERE version = 2)
         FROM records.companies WHERE tenant_id = $1",
    )
    .bind(admin.tenant.uuid())
    .fetch_one(&mut sql)
    .await?;
    assert_eq!((left, changed), (0, 1101));
    let events: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM records.outbox WHERE tenant_id = $1 AND type = 'records.company.updated.v1' AND lane = 1",
    )
    .bind(admin.tenant.uuid())
    .fetch_one(&mut sql)
    .await?;
    assert_eq!(events, 1101);
    Ok(())
}

#[tokio::test]
async fn a_record_whose_purge_has_begun_cannot_be_restored() -> Result<()> {
    let world = alone("globcrm_test_purging_begun").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    let above = old_above_1101(&admin, &mut sql).await?;
    // Somebody holds one of the second slice for longer than a statement of the purge waits.
    let mut holder = world.sql().await?;
    sqlx::raw_sql("BEGIN").execute(&mut holder).await?;
    sqlx::query(
        "SELECT id FROM records.companies WHERE id = (
             SELECT id FROM records.companies WHERE tenant_id = $1 AND parent_id IS NOT NULL
             ORDER BY id OFFSET 700 LIMIT 1) FOR UPDATE",
    )
    .bind(admin.tenant.uuid())
    .execute(&mut holder)
    .await?;
    assert_eq!(world.purge(MONTH)?.round().await?, 0);
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await?;
    let named = "SELECT count(*) FROM records.companies WHERE tenant_id = $1 AND parent_id IS NOT NULL";
    let left: i64 = sqlx::query_scalar(named).bind(admin.tenant.uuid()).fetch_one(&mut sql).await?;
    assert!((1..1101).contains(&left), "a part is taken away: {left}");
    let request = pb::RestoreCompanyRequest { id: above.clone() };
    let restored = admin.service.restore_company(admin.request(request, &[])).await;
    assert_eq!(Refusal::from(restored.unwrap_err()).is(), (404, "COMPANY_NOT_FOUND"));
    // It was put off for a minute.
    let sooner = "UPDATE records.purge_due SET counted_from = counted_from - interval '2 minutes'";
    sqlx::query(sooner).execute(&mut sql).await?;
    assert_eq!(world.purge(MONTH)?.round().await?, 1);
    let left: i64 = sqlx::query_scalar(named).bind(admin.tenant.uuid()).fetch_one(&mut sql).await?;
    assert_eq!(left, 0);
    Ok(())
}

#[tokio::test]
async fn the_purge_locks_linked_contacts_in_order_of_their_ids() -> Result<()> {
    let world = alone("globcrm_test_purging_ties").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    let (first, second) = (company(&admin, None).await?, company(&admin, None).await?);
    let (first, second) = (first.clone().min(second.clone()), first.max(second));
    let (a, b) = (admin.create(named("A", "A")).await?.id, admin.create(named("B", "B")).await?.id);
    for (contact, company_id) in [(&b, &first), (&a, &second)] {
        let link = pb::ContactCompany { company_id: company_id.clone(), ..Default::default() };
        let link = pb::LinkContactCompanyRequest {
            contact_id: contact.clone(),
            link: Some(link),
            ..Default::default()
        };
        admin.service.link_contact_company(admin.request(link, &[])).await?;
    }
    for id in [&first, &second] {
        delete(&admin, id).await?;
        age(&mut sql, admin.tenant, id).await?;
    }
    let mut other = world.sql().await?;
    let lock = "SELECT id FROM records.contacts WHERE id = $1 FOR UPDATE";
    sqlx::raw_sql("BEGIN").execute(&mut other).await?;
    sqlx::query(lock).bind(a.parse::<Uuid>()?).execute(&mut other).await?;
    let purge = world.purge(MONTH)?;
    let round = tokio::spawn(async move { purge.round().await });
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
    waiting::until(Duration::from_secs(20), "the purge waits for the first contact", async || {
        sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut sql).await.is_ok_and(|waits| waits)
    })
    .await;
    sqlx::query(lock).bind(b.parse::<Uuid>()?).execute(&mut other).await?;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await?;
    assert_eq!(round.await??, 2);
    Ok(())
}
