//! A purge is a change of what names the purged record, and an event that says that it is gone.

use anyhow::Result;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::{Value, json};
use uuid::Uuid;

use super::forgetting::{MONTH, age};
use super::retention::alone;
use super::world::{ALL, Caller, World, named};

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
async fn event(world: &World, id: &str, version: i64) -> Result<events::Event> {
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
async fn what_named_a_purged_company_changes_like_by_any_other_change() -> Result<()> {
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
    let link = pb::ContactCompany { company_id: above.clone(), is_primary: true, ..Default::default() };
    let link = pb::LinkContactCompanyRequest { contact_id: contact.clone(), link: Some(link) };
    admin.service.link_contact_company(admin.request(link, &[])).await?;
    delete(&cleaner, &above).await?;
    age(&mut sql, admin.tenant, &above).await?;
    assert_eq!(world.purge(MONTH)?.round().await?, 1);

    let seen = read(&admin, &below).await?;
    assert_eq!((seen.parent_id, seen.version), (None, 2));
    assert_eq!(seen.updated_by, cleaner.id.to_string(), "in the name of whoever put it into the trash");
    let told = event(&world, &below, 2).await?;
    assert_eq!((told.kind.as_str(), told.actor), ("records.company.updated.v1", cleaner.id));
    let parent: Vec<_> =
        told.changes.iter().map(|c| (c.field.as_str(), c.before.clone(), c.after.clone())).collect();
    assert_eq!(parent, [("parent_id", Some(json!(above).to_string()), Some("null".to_owned()))]);
    // Its log keeps what was before, so that a client's merge sees it.
    let logged: Value =
        sqlx::query_scalar("SELECT before FROM records.change WHERE record_id = $1 AND version = 2")
            .bind(below.parse::<Uuid>()?)
            .fetch_one(&mut sql)
            .await?;
    assert_eq!(logged, json!({"parent_id": above}));
    // One in the trash, too; one that did not name it has no change.
    event(&world, &trashed, 3).await?;
    assert_eq!(read(&admin, &beside).await?.version, 1);
    // A tie is a part of its contact.
    assert_eq!(admin.get(&contact).await?.version, 3);
    let told = event(&world, &contact, 3).await?;
    assert_eq!((told.actor, told.changes[0].field.as_str()), (cleaner.id, "companies"));
    let before: Value = serde_json::from_str(told.changes[0].before.as_deref().unwrap_or_default())?;
    assert_eq!((&before["company_id"], &before["is_primary"]), (&json!(above), &json!(true)));
    assert_eq!(world.count(&mut sql, "contact_company", admin.tenant).await?, 0);
    // The event of the purge says who and that, and nothing of what stood in the record.
    let told = event(&world, &above, 3).await?;
    assert_eq!(
        (told.kind.as_str(), told.actor, told.changes.len()),
        ("records.company.purged.v1", cleaner.id, 0)
    );
    Ok(())
}

#[tokio::test]
async fn more_than_a_slice_is_let_go_before_the_record_goes() -> Result<()> {
    let world = alone("globcrm_test_purging_slices").await?;
    let admin = world.admin()?;
    let mut sql = world.sql().await?;
    let above = company(&admin, None).await?;
    let one = company(&admin, Some(above.clone())).await?;
    sqlx::query(
        "INSERT INTO records.companies (tenant_id, id, version, created_at, created_by, updated_at, updated_by, source,
             external_ids, tags, name, name_folded, domains, parent_id, phones, addresses, custom)
         SELECT tenant_id, gen_random_uuid(), version, created_at, created_by, updated_at, updated_by, source,
             external_ids, tags, name, name_folded, domains, parent_id, phones, addresses, custom
         FROM records.companies, generate_series(1, 1100) WHERE id = $1",
    )
    .bind(one.parse::<Uuid>()?)
    .execute(&mut sql)
    .await?;
    delete(&admin, &above).await?;
    age(&mut sql, admin.tenant, &above).await?;
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
