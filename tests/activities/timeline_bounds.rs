//! What timelines do is bounded: what a page looks at, what is kept of one note, what one step of a purge takes.

use anyhow::Result;
use auth::VerifiedTenant;
use events::{Event, Handler};
use proto::activities::v1 as pb;
use proto::identity::v1::{FieldAccess, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

use super::timeline::{event, happened, hear, own_events, task_about, told};
use super::timeline_anew::entries;
use super::world::{Caller, May, World, about};
use crate::database::execute;
use crate::world::statements;

/// What a page looks at of each type, what is kept of a note, and what a step of a purge takes.
const BOUND: usize = 1_000;

/// The pages of a timeline, each as what happened.
async fn pages(who: &Caller, of: (&str, &str), types: &str) -> Result<Vec<Vec<String>>> {
    let (mut pages, mut token) = (Vec::new(), String::new());
    loop {
        let (entries, next) = who.timeline(of.0, of.1, types, (50, &token)).await?;
        let entries = entries.into_iter().map(|e| (e.r#type, serde_json::from_slice(&e.data).unwrap()));
        pages.push(happened(&entries.collect::<Vec<(String, Value)>>()));
        if next.is_empty() {
            return Ok(pages);
        }
        token = next;
    }
}

/// Copies the newest entry of a type, 1,500 times, each a second later.
async fn copy(world: &World, who: &Caller, kind: &str) -> Result<()> {
    let tenant = who.tenant.uuid();
    let copy = format!(
        "INSERT INTO activities.timeline_entry
         SELECT (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid(), 'happened_at', e.happened_at + n * interval '1 second'))).*
         FROM activities.timeline_entry AS e, generate_series(1, 1500) AS n
         WHERE e.tenant_id = '{tenant}' AND e.id = (
             SELECT id FROM activities.timeline_entry WHERE tenant_id = '{tenant}' AND type = '{kind}'
             ORDER BY happened_at DESC LIMIT 1)"
    );
    execute(&mut world.sql().await?, copy).await
}

#[tokio::test]
async fn a_page_looks_at_a_bounded_number_of_entries_that_the_caller_does_not_see() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let deal = world.known.add("deal");
    let of = ("deal", deal.as_str());
    let changed = |field| [(field, Value::Null, Value::from(1))];
    hear(
        &world,
        &[
            event(&world, &admin, of, "created", &[]),
            event(&world, &admin, of, "updated", &changed("name")),
            event(&world, &admin, of, "updated", &changed("amount")),
        ],
    )
    .await?;
    copy(&world, &admin, "field_change").await?;
    let hidden: &[(&str, &str, FieldAccess)] = &[("deal", "amount", FieldAccess::None)];
    let all: &[(&str, &str, Scope)] = &[("*", "*", Scope::All)];
    let blind = world.caller(admin.tenant, &May { actions: all, fields: hidden })?;
    let nothing: Vec<String> = Vec::new();
    let rest = vec!["field_change".to_owned(), "record:created".to_owned()];
    assert_eq!(pages(&blind, of, "").await?, [nothing.clone(), rest.clone()]);
    let whole = pages(&admin, of, "").await?;
    assert_eq!(whole.iter().map(Vec::len).sum::<usize>(), 1_503, "who sees them misses none");
    assert!(whole.iter().take(30).all(|page| page.len() == 50));

    // The same of activities and notes of others.
    let mine: &[(&str, &str, Scope)] =
        &[("deal", "read", Scope::All), ("activity", "*", Scope::Own), ("note", "*", Scope::Own)];
    let rep = world.caller(admin.tenant, &May { actions: mine, fields: &[] })?;
    rep.create_activity(task_about("deal", &deal)).await?;
    rep.create(about(&[("deal", &deal)])).await?;
    world.time.advance(std::time::Duration::from_secs(1));
    admin.create_activity(task_about("deal", &deal)).await?;
    admin.create(about(&[("deal", &deal)])).await?;
    hear(&world, &own_events(&world, &admin).await?).await?;
    for kind in ["activity", "note"] {
        copy(&world, &admin, kind).await?;
        assert_eq!(pages(&rep, of, kind).await?, [nothing.clone(), vec![format!("{kind}:created")]]);
    }
    Ok(())
}

#[tokio::test]
async fn of_a_note_the_newest_thousand_facts_are_kept_and_moved_by_few_statements() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let [ada, deal] = ["contact", "deal"].map(|object| world.known.add(object));
    let note = admin.create(about(&[("deal", &deal)])).await?;
    hear(&world, &own_events(&world, &admin).await?).await?;
    let tenant = admin.tenant.uuid();
    // Older facts than the first, more than are kept.
    let older = format!(
        "INSERT INTO activities.timeline_event
         SELECT (jsonb_populate_record(f, jsonb_build_object('event_id', '01000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'),
             'verb', 'updated', 'changes', '[{{\"field\": \"body\"}}]'::jsonb, 'happened_at', f.happened_at - interval '1 day' + n * interval '1 second'))).*
         FROM activities.timeline_event AS f, generate_series(1, 1100) AS n WHERE f.tenant_id = '{tenant}'"
    );
    execute(&mut world.sql().await?, older).await?;
    let links = about(&[("deal", &deal), ("contact", &ada)]);
    admin.update(&note.id, links, &["links"]).await?;
    let relinked = own_events(&world, &admin).await?.pop().unwrap();
    let (heard, count) = statements(hear(&world, std::slice::from_ref(&relinked))).await;
    heard?;
    assert!(count < 20, "{count} statements");
    let kept = entries(&world, &admin).await?;
    assert_eq!(kept.len(), 2 * BOUND);
    let facts = async || -> Result<i64> {
        let query = sqlx::query_scalar("SELECT count(*) FROM activities.timeline_event WHERE tenant_id = $1");
        Ok(query.bind(tenant).fetch_one(&mut world.sql().await?).await?)
    };
    assert_eq!(facts().await?, BOUND as i64);
    let tenant = VerifiedTenant::from_claim(admin.tenant);
    activities::rebuild_timeline(&world.db, tenant).await?;
    assert_eq!(entries(&world, &admin).await?, kept, "made anew, the same");
    // One more takes the place of the oldest, and that one does not come back.
    admin
        .update(&note.id, pb::Note { body: Some("More".to_owned()), ..Default::default() }, &["body"])
        .await?;
    hear(&world, &own_events(&world, &admin).await?).await?;
    let after = entries(&world, &admin).await?;
    assert_eq!((after.len(), facts().await?), (2 * BOUND, BOUND as i64));
    assert_ne!(after, kept);
    let oldest = Event {
        id: Uuid::try_parse("01000000-0000-7000-8000-000000000001")?,
        changes: vec![events::Change { field: "body".to_owned(), before: None, after: None }],
        ..relinked
    };
    hear(&world, &[oldest]).await?;
    assert_eq!(entries(&world, &admin).await?, after);
    activities::rebuild_timeline(&world.db, tenant).await?;
    assert_eq!(entries(&world, &admin).await?, after);
    Ok(())
}

/// The events with which a purge goes on.
async fn steps(world: &World, who: &Caller) -> Result<Vec<Event>> {
    let mut events = own_events(world, who).await?;
    events.retain(|event| event.kind == "activities.timeline.purge_continued.v1");
    Ok(events)
}

#[tokio::test]
async fn a_large_purge_goes_on_in_steps_and_ends_as_a_small_one() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let ada = world.known.add("contact");
    let people = json!([{"contact_id": ada}]);
    let deals: Vec<String> = (0..BOUND + 20).map(|_| world.known.add("deal")).collect();
    let created =
        event(&world, &admin, ("deal", &deals[0]), "created", &[("contacts", Value::Null, people.clone())]);
    let linked = deals.iter().map(|deal| Event {
        id: world.clock.new_uuid(),
        record_id: Uuid::try_parse(deal).unwrap(),
        ..created.clone()
    });
    let listener = activities::TimelineListener { clock: world.clock.clone() };
    let mut tx = world.tx(admin.tenant).await?;
    for event in linked {
        listener.handle(&mut tx, &events::Delivery { event, attempt: 1 }).await?;
    }
    tx.commit().await?;
    // One is no longer linked, and one is linked by an event that comes while the purge goes on.
    let none = ("contacts", people.clone(), json!([]));
    let late = world.known.add("deal");
    let unlinked = event(&world, &admin, ("deal", &deals[5]), "updated", &[none]);
    let late = event(&world, &admin, ("deal", &late), "created", &[("contacts", Value::Null, people)]);
    let purge = event(&world, &admin, ("contact", &ada), "purged", &[]);
    hear(&world, &[unlinked, purge.clone()]).await?;
    let tenant = admin.tenant.uuid();
    let count = async |of_it: &str| -> Result<i64> {
        let text = format!(
            "SELECT count(*) FROM activities.timeline_entry WHERE tenant_id = '{tenant}' AND {of_it}"
        );
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(&mut world.sql().await?).await?)
    };
    let naming = format!("other_id = '{ada}' AND event <> 'purged'");
    let purged = format!("other_id = '{ada}' AND event = 'purged'");
    assert!(count(&naming).await? > 0, "one step is not enough");
    assert_eq!(steps(&world, &admin).await?.len(), 1);

    // Meanwhile an operator makes timelines anew, an event comes late, and one again.
    activities::rebuild_timeline(&world.db, VerifiedTenant::from_claim(admin.tenant)).await?;
    hear(&world, &[late, purge.clone()]).await?;
    let mut taken = 0;
    while let Some(next) = steps(&world, &admin).await?.get(taken).cloned() {
        hear(&world, &[next.clone(), next]).await?;
        taken += 1;
        assert!(taken < 20, "it ends");
    }
    assert_eq!(count(&naming).await?, 0);
    assert_eq!(count(&format!("record_id = '{ada}'")).await?, 0);
    assert_eq!(count(&purged).await?, (BOUND + 20) as i64, "each that was linked, once");
    assert_eq!(count(&format!("{purged} AND record_id = '{}'", deals[5])).await?, 0);
    let facts: Vec<(String, Value)> = sqlx::query_as(
        "SELECT verb, changes FROM activities.timeline_event WHERE tenant_id = $1 AND record_id = $2::text::uuid",
    )
    .bind(tenant)
    .bind(&ada)
    .fetch_all(&mut world.sql().await?)
    .await?;
    assert!(
        facts.iter().all(|(verb, changes)| verb == "purged" && changes.as_array().unwrap().len() < 2 * BOUND)
    );
    let after = entries(&world, &admin).await?;
    activities::rebuild_timeline(&world.db, VerifiedTenant::from_claim(admin.tenant)).await?;
    assert_eq!(entries(&world, &admin).await?, after, "and made anew, the same");
    assert_eq!(happened(&told(&admin, ("deal", &deals[0]), "").await?), ["record:purged", "record:created"]);
    Ok(())
}
