//! Timelines are the same whatever way their events come, and made anew; what is purged is gone from them.

use std::collections::BTreeMap;

use anyhow::Result;
use auth::VerifiedTenant;
use events::Event;
use proto::activities::v1 as pb;
use serde_json::{Value, json};
use uuid::Uuid;

use super::timeline::{event, happened, hear, link, own_events, task_about, told};
use super::world::{Caller, World, about};
use crate::database::execute;

/// Every entry of a tenant, whole.
pub(crate) async fn entries(world: &World, who: &Caller) -> Result<Vec<Value>> {
    let rows = sqlx::query_scalar(
        "SELECT to_jsonb(e) - 'tenant_id' FROM activities.timeline_entry AS e WHERE tenant_id = $1
         ORDER BY record_id, type, happened_at, id",
    );
    Ok(rows.bind(who.tenant.uuid()).fetch_all(&mut world.sql().await?).await?)
}

/// A contact, a company and a deal with some history.
fn history(world: &World, who: &Caller, [ada, acme, deal]: [&str; 3]) -> Vec<Event> {
    let tie = json!({"company_id": acme, "role": null, "is_primary": true});
    let people = json!([{"contact_id": ada}]);
    let stage = |name: &str| json!({"stage_id": Uuid::now_v7(), "key": "k", "name": name});
    vec![
        event(world, who, ("company", acme), "created", &[]),
        event(world, who, ("contact", ada), "created", &[("companies", Value::Null, tie.clone())]),
        event(world, who, ("deal", deal), "created", &[("contacts", Value::Null, people.clone())]),
        event(world, who, ("deal", deal), "stage_changed", &[("stage", Value::Null, stage("One"))]),
        event(
            world,
            who,
            ("deal", deal),
            "updated",
            &[("company_id", Value::Null, acme.into()), ("name", "A".into(), "B".into())],
        ),
        event(world, who, ("contact", ada), "updated", &[("job_title", Value::Null, "CTO".into())]),
        event(world, who, ("contact", ada), "updated", &[("companies", tie, Value::Null)]),
        event(world, who, ("deal", deal), "stage_changed", &[("stage", stage("One"), stage("Two"))]),
        event(world, who, ("company", acme), "deleted", &[]),
        event(world, who, ("company", acme), "restored", &[]),
    ]
}

#[tokio::test]
async fn events_may_come_again_and_in_any_order() -> Result<()> {
    let world = World::new().await?;
    let (straight, turned) = (world.admin()?, world.admin()?);
    let ids = ["contact", "company", "deal"].map(|object| world.known.add(object));
    let events = history(&world, &straight, ids.each_ref().map(String::as_str));
    hear(&world, &events).await?;
    let once = entries(&world, &straight).await?;
    assert_eq!(once.len(), 17);
    hear(&world, &events).await?;
    assert_eq!(entries(&world, &straight).await?, once, "an event that comes again changes nothing");
    let theirs = events.iter().rev().map(|event| Event { tenant: turned.tenant, ..event.clone() });
    hear(&world, &theirs.collect::<Vec<_>>()).await?;
    assert_eq!(entries(&world, &turned).await?, once, "nor does their order");
    Ok(())
}

#[tokio::test]
async fn an_activity_is_told_where_it_is_about_a_record_now() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let [ada, deal] = ["contact", "deal"].map(|object| world.known.add(object));
    let made = admin.create_activity(task_about("deal", &deal)).await?;
    admin.happen(&made.id, "start", &[]).await?;
    let links = vec![link("contact", &ada)];
    admin.change_activity(&made.id, pb::Activity { links, ..Default::default() }, &["links"]).await?;
    admin.happen(&made.id, "complete", &["outcome"]).await?;
    let events = own_events(&world, &admin).await?;
    let all = ["activity:completed", "activity:started", "activity:created"];
    hear(&world, &events.iter().rev().cloned().collect::<Vec<_>>()).await?;
    assert_eq!(
        happened(&told(&admin, ("contact", &ada), "").await?),
        all,
        "what was before the link as well"
    );
    assert!(told(&admin, ("deal", &deal), "").await?.is_empty());
    let after = entries(&world, &admin).await?;
    hear(&world, &events).await?;
    assert_eq!(entries(&world, &admin).await?, after);
    // A note, the same.
    let note = admin.create(about(&[("deal", &deal)])).await?;
    let linked = about(&[("deal", &deal), ("contact", &ada)]);
    hear(&world, &own_events(&world, &admin).await?).await?;
    assert_eq!(told(&admin, ("contact", &ada), "note").await?.len(), 0);
    admin.update(&note.id, linked, &["links"]).await?;
    hear(&world, &own_events(&world, &admin).await?).await?;
    assert_eq!(happened(&told(&admin, ("contact", &ada), "note").await?), ["note:created"]);
    Ok(())
}

#[tokio::test]
async fn timelines_are_made_anew_from_the_journal_byte_for_byte() -> Result<()> {
    let world = World::new().await?;
    let (admin, other) = (world.admin()?, world.admin()?);
    let ids = ["contact", "company", "deal"].map(|object| world.known.add(object));
    let [ada, acme, deal] = ids.each_ref().map(String::as_str);
    let events = history(&world, &admin, [ada, acme, deal]);
    hear(&world, &events).await?;
    let theirs = events.iter().map(|event| Event { tenant: other.tenant, ..event.clone() });
    hear(&world, &theirs.collect::<Vec<_>>()).await?;
    let made = admin.create_activity(task_about("deal", deal)).await?;
    admin.happen(&made.id, "complete", &["outcome"]).await?;
    admin.create(about(&[("contact", ada), ("deal", deal)])).await?;
    hear(&world, &own_events(&world, &admin).await?).await?;
    // A purge is told, and links that went with it are not told again.
    let eve = world.known.add("contact");
    let named = json!([{"contact_id": ada}, {"contact_id": eve}]);
    let purge = [
        event(
            &world,
            &admin,
            ("deal", deal),
            "updated",
            &[("contacts", json!([{"contact_id": ada}]), named.clone())],
        ),
        event(&world, &admin, ("contact", &eve), "purged", &[]),
        event(
            &world,
            &admin,
            ("deal", deal),
            "updated",
            &[("contacts", named, json!([{"contact_id": ada}]))],
        ),
    ];
    hear(&world, &purge).await?;
    let before = entries(&world, &admin).await?;
    let untouched = entries(&world, &other).await?;
    let tenant = admin.tenant.uuid();
    let mut sql = world.sql().await?;
    for damage in [
        format!("DELETE FROM activities.timeline_entry WHERE tenant_id = '{tenant}' AND type IN ('record', 'note')"),
        format!("UPDATE activities.timeline_entry SET data = '{{}}', event = 'x' WHERE tenant_id = '{tenant}' AND type = 'field_change'"),
        format!(
            "INSERT INTO activities.timeline_entry SELECT (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid(), 'event_id', gen_random_uuid()))).*
             FROM activities.timeline_entry AS e WHERE tenant_id = '{tenant}'"
        ),
    ] {
        execute(&mut sql, &damage).await?;
    }
    assert_ne!(entries(&world, &admin).await?, before);
    let rebuilt = activities::rebuild_timeline(&world.db, VerifiedTenant::from_claim(admin.tenant)).await?;
    assert_eq!(entries(&world, &admin).await?, before);
    assert!(rebuilt.facts > 10 && rebuilt.strays > 5, "{rebuilt:?}");
    assert_eq!(entries(&world, &other).await?, untouched);
    let again = activities::rebuild_timeline(&world.db, VerifiedTenant::from_claim(admin.tenant)).await?;
    assert_eq!((again.facts, again.strays), (rebuilt.facts, 0));
    assert_eq!(entries(&world, &admin).await?, before);
    Ok(())
}

#[tokio::test]
async fn a_purge_takes_the_timeline_and_is_told_where_the_record_was_linked() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let ids = ["contact", "company", "deal"].map(|object| world.known.add(object));
    let [ada, acme, deal] = ids.each_ref().map(String::as_str);
    hear(&world, &history(&world, &admin, [ada, acme, deal])).await?;
    let made = admin.create_activity(task_about("contact", ada)).await?;
    hear(&world, &own_events(&world, &admin).await?).await?;
    assert!(!told(&admin, ("contact", ada), "activity").await?.is_empty());
    let people = json!([{"contact_id": ada}]);
    let purged = event(&world, &admin, ("contact", ada), "purged", &[]);
    let unlinked =
        event(&world, &admin, ("deal", deal), "updated", &[("contacts", people.clone(), json!([]))]);
    hear(&world, &[purged.clone(), unlinked, purged.clone()]).await?;
    let statement = json!({"event": "purged", "object": "contact", "id": ada});
    let records = told(&admin, ("deal", deal), "record").await?;
    let about_ada: Vec<&Value> =
        records.iter().map(|(_, data)| data).filter(|data| data["id"] == ada).collect();
    assert_eq!(about_ada, [&statement], "the link goes, and the timeline says so, once");
    let company = told(&admin, ("company", acme), "record").await?;
    assert!(
        company.iter().all(|(_, data)| data["id"] != ada),
        "it was no longer linked to the company: {company:?}"
    );
    let mut sql = world.sql().await?;
    let left: Vec<(String, Value)> = sqlx::query_as(
        "SELECT verb, changes FROM activities.timeline_event WHERE tenant_id = $1 AND record_id = $2::text::uuid",
    )
    .bind(admin.tenant.uuid())
    .bind(ada)
    .fetch_all(&mut sql)
    .await?;
    assert_eq!(left, [("purged".to_owned(), json!([{"object": "deal", "id": deal}]))]);
    let mut of_ada: BTreeMap<String, i64> = BTreeMap::new();
    for (kind, count) in sqlx::query_as::<_, (String, i64)>(
        "SELECT type, count(*) FROM activities.timeline_entry WHERE tenant_id = $1 AND record_id = $2::text::uuid GROUP BY type",
    )
    .bind(admin.tenant.uuid())
    .bind(ada)
    .fetch_all(&mut sql)
    .await?
    {
        of_ada.insert(kind, count);
    }
    assert!(of_ada.is_empty(), "{of_ada:?}");
    // What comes late is not told of a record that is gone, and a link to it says that it is.
    let late = world.known.add("deal");
    hear(
        &world,
        &[
            event(&world, &admin, ("contact", ada), "updated", &[("job_title", Value::Null, "CTO".into())]),
            event(&world, &admin, ("deal", &late), "created", &[("contacts", Value::Null, people)]),
        ],
    )
    .await?;
    assert_eq!(told(&admin, ("contact", ada), "field_change").await?.len(), 0);
    let records = told(&admin, ("deal", &late), "").await?;
    assert_eq!(records.iter().filter(|(_, data)| *data == statement).count(), 1);
    assert_eq!(happened(&records).len(), 2, "{records:?}");
    // An activity that is purged leaves nothing.
    let gone = Event {
        kind: "activities.activity.purged.v1".to_owned(),
        object: "activity".to_owned(),
        record_id: Uuid::try_parse(&made.id)?,
        ..purged
    };
    hear(&world, &[gone]).await?;
    let rows = entries(&world, &admin).await?;
    assert!(rows.iter().all(|row| row["source_id"] != made.id.as_str()), "{rows:?}");
    Ok(())
}
