//! When contacts and companies had their last activity, as events of another service tell it.

use anyhow::Result;
use events::{Change, Delivery, Event, Handler};
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::json;
use uuid::Uuid;

use super::world::{Caller, World};
use crate::world::done;

/// An event of an activity: at an hour of a day, linked to records.
async fn hear(
    world: &World,
    who: &Caller,
    (activity, verb, version): (Uuid, &str, i64),
    hour: u8,
    links: &[(&str, &str)],
) -> Result<()> {
    let links: Vec<_> = links.iter().map(|(object, id)| json!({"object": object, "id": id})).collect();
    let change =
        |field: &str, after: String| Change { field: field.to_owned(), before: None, after: Some(after) };
    let completed_at = format!("\"2026-05-05T{hour:02}:00:00Z\"");
    let event = Event {
        id: world.clock.new_uuid(),
        kind: format!("activities.activity.{verb}.v1"),
        tenant: who.tenant,
        object: "activity".to_owned(),
        record_id: activity,
        version,
        actor: who.id,
        actor_kind: None,
        owner: None,
        team: None,
        changes: vec![change("completed_at", completed_at), change("links", json!(links).to_string())],
        values_omitted: false,
        time: world.clock.now(),
        traceparent: None,
    };
    let mut tx = world.tx(who.tenant).await?;
    records::Activities.handle(&mut tx, &Delivery { event, attempt: 1 }).await?;
    tx.commit().await?;
    Ok(())
}

/// The hours of the last activities, and the versions.
async fn last(who: &Caller, contact: &str, company: &str) -> Result<[(Option<u8>, i64); 2]> {
    let hour = |at: Option<prost_types::Timestamp>| at.map(|at| proto::moment(&at).unwrap().hour());
    let contact = who.get(contact).await?;
    let request = pb::GetCompanyRequest { id: company.to_owned(), ..Default::default() };
    let company = done(who.service.get_company(who.request(request, &[])).await)?.company.unwrap();
    Ok([(hour(contact.last_activity_at), contact.version), (hour(company.last_activity_at), company.version)])
}

#[tokio::test]
async fn the_last_activity_is_the_latest_completed_one_that_is_there() -> Result<()> {
    let world = World::new().await?;
    let (admin, other) = (world.admin()?, world.admin()?);
    let named = pb::Contact { last_name: Some("Ada".to_owned()), ..Default::default() };
    let ada = admin.create(named).await?.id;
    let acme =
        admin.create_company(pb::Company { name: Some("Acme".to_owned()), ..Default::default() }).await?.id;
    let (first, second) = (world.clock.new_uuid(), world.clock.new_uuid());
    let both = [("contact", ada.as_str()), ("company", acme.as_str()), ("deal", ada.as_str())];
    hear(&world, &admin, (first, "completed", 2), 10, &both).await?;
    assert_eq!(last(&admin, &ada, &acme).await?, [(Some(10), 1), (Some(10), 1)]);
    // An earlier one, which is heard of later, and one of nobody.
    hear(&world, &admin, (second, "completed", 2), 9, &both[..1]).await?;
    hear(
        &world,
        &admin,
        (world.clock.new_uuid(), "completed", 2),
        12,
        &[("contact", &Uuid::now_v7().to_string())],
    )
    .await?;
    hear(&world, &other, (world.clock.new_uuid(), "completed", 2), 13, &both).await?;
    assert_eq!(last(&admin, &ada, &acme).await?, [(Some(10), 1), (Some(10), 1)]);
    // It is about the company no more.
    hear(&world, &admin, (first, "completed", 3), 10, &both[..1]).await?;
    assert_eq!(last(&admin, &ada, &acme).await?, [(Some(10), 1), (None, 1)]);
    // An event that was late does no harm.
    hear(&world, &admin, (first, "completed", 2), 10, &both).await?;
    assert_eq!(last(&admin, &ada, &acme).await?, [(Some(10), 1), (None, 1)]);
    hear(&world, &admin, (first, "deleted", 4), 10, &[]).await?;
    assert_eq!(last(&admin, &ada, &acme).await?, [(Some(9), 1), (None, 1)]);
    hear(&world, &admin, (first, "completed", 5), 10, &both).await?;
    assert_eq!(last(&admin, &ada, &acme).await?, [(Some(10), 1), (Some(10), 1)]);
    for activity in [first, second] {
        hear(&world, &admin, (activity, "deleted", 8), 10, &[]).await?;
        hear(&world, &admin, (activity, "purged", 9), 10, &[]).await?;
    }
    assert_eq!(last(&admin, &ada, &acme).await?, [(None, 1), (None, 1)]);
    let mut sql = world.sql().await?;
    // That of nobody is remembered until it is purged.
    assert_eq!(world.count(&mut sql, "heard_activity", admin.tenant).await?, 1);
    Ok(())
}
