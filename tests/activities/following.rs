//! Notes follow what becomes of the records that they are about.

use anyhow::Result;

use proto::activities::v1 as pb;

use super::world::{World, about, states};
use crate::database::Database;

/// Until nothing is due.
async fn follow(world: &World) -> Result<()> {
    while world.follower()?.round().await? > 0 {}
    Ok(())
}

#[tokio::test]
async fn a_deleted_record_is_named_as_such_a_restored_one_is_live_a_purged_one_is_named_no_more() -> Result<()>
{
    let world = World::new().await?;
    let (admin, other) = (world.admin()?, world.admin()?);
    let (ada, acme) = (world.known.add("contact"), world.known.add("company"));
    let note = admin.create(about(&[("contact", &ada), ("company", &acme)])).await?;
    let untouched = admin.create(about(&[("company", &acme)])).await?;
    let theirs = other.create(about(&[("contact", &ada)])).await?;
    let actor = world.hear(admin.tenant, ("contact", &ada, "deleted"), 2).await?;
    follow(&world).await?;
    let seen = admin.get(&note.id).await?;
    assert_eq!(states(&seen), [(&*ada, true), (&*acme, false)].into());
    assert_eq!(
        (seen.version, seen.updated_by),
        (2, actor.to_string()),
        "a change like any other, by whoever deleted"
    );
    // Whoever sends the links anew does not bring the record back.
    let sent = admin.update(&note.id, about(&[("company", &acme), ("contact", &ada)]), &["links"]).await?;
    assert_eq!(states(&sent), [(&*ada, true), (&*acme, false)].into());
    world.hear(admin.tenant, ("contact", &ada, "restored"), 3).await?;
    follow(&world).await?;
    let seen = admin.get(&note.id).await?;
    assert_eq!(states(&seen), [(&*ada, false), (&*acme, false)].into());
    world.hear(admin.tenant, ("contact", &ada, "deleted"), 4).await?;
    follow(&world).await?;
    world.hear(admin.tenant, ("contact", &ada, "purged"), 5).await?;
    follow(&world).await?;
    let seen = admin.get(&note.id).await?;
    assert_eq!((states(&seen), seen.version), ([(&*acme, false)].into(), 6));
    assert!(admin.found(&format!("links.id = \"{ada}\"")).await?.is_empty());
    // Each is an event, in the lane of what nobody waits for.
    let events = world.events(&note.id).await?;
    let kinds: Vec<_> = events.iter().map(|(kind, lane)| (kind.as_str(), *lane)).collect();
    let updated = "activities.note.updated.v1";
    let mut wanted = vec![("activities.note.created.v1", 0), (updated, 0)];
    wanted.extend([(updated, 1); 4]);
    assert_eq!(kinds, wanted);
    // Nobody else's note, and no other one, has changed.
    assert_eq!(admin.get(&untouched.id).await?, untouched);
    assert_eq!(other.get(&theirs.id).await?, theirs);
    Ok(())
}

#[tokio::test]
async fn what_is_heard_late_undoes_nothing_and_a_note_in_the_trash_follows_too() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let ada = world.known.add("contact");
    let note = admin.create(about(&[("contact", &ada)])).await?;
    admin.delete(&note.id).await?;
    world.hear(admin.tenant, ("contact", &ada, "deleted"), 4).await?;
    world.hear(admin.tenant, ("contact", &ada, "restored"), 3).await?;
    world.hear(admin.tenant, ("contact", &ada, "updated"), 9).await?;
    follow(&world).await?;
    let mut sql = world.sql().await?;
    let links: serde_json::Value =
        sqlx::query_scalar("SELECT links FROM activities.notes WHERE tenant_id = $1")
            .bind(admin.tenant.uuid())
            .fetch_one(&mut sql)
            .await?;
    assert_eq!(links[0]["deleted"], true);
    Ok(())
}

#[tokio::test]
async fn more_notes_than_a_slice_all_follow_and_one_more_that_came_in_between() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let ada = world.known.add("contact");
    let mut notes = Vec::new();
    for _ in 0..205 {
        notes.push(admin.create(about(&[("contact", &ada)])).await?.id);
    }
    world.hear(admin.tenant, ("contact", &ada, "purged"), 2).await?;
    follow(&world).await?;
    assert!(admin.found(&format!("links.id = \"{ada}\"")).await?.is_empty());
    // Its record was asked for before it was purged, and it is stored after the round.
    let late = admin.create(about(&[("contact", &ada)])).await?;
    follow(&world).await?;
    assert_eq!(admin.get(&late.id).await?.links.len(), 1, "not looked at again yet");
    world.time.advance(std::time::Duration::from_secs(301));
    follow(&world).await?;
    assert!(admin.get(&late.id).await?.links.is_empty());
    let mut sql = world.sql().await?;
    assert_eq!(world.count(&mut sql, "heard", admin.tenant).await?, 0, "and then it is forgotten");
    for id in notes {
        assert_eq!(admin.get(&id).await?.version, 2);
    }
    Ok(())
}

#[tokio::test]
async fn a_tenant_that_moves_many_records_keeps_no_other_waiting() -> Result<()> {
    let world = World::new().await?;
    let (busy, quiet) = (world.admin()?, world.admin()?);
    for _ in 0..120 {
        let id = uuid::Uuid::now_v7().to_string();
        world.hear(busy.tenant, ("contact", &id, "deleted"), 2).await?;
    }
    let ada = world.known.add("contact");
    let note = quiet.create(about(&[("contact", &ada)])).await?;
    world.hear(quiet.tenant, ("contact", &ada, "deleted"), 2).await?;
    world.follower()?.round().await?;
    assert_eq!(states(&quiet.get(&note.id).await?), [(&*ada, true)].into());
    Ok(())
}

#[tokio::test]
async fn a_record_that_very_many_notes_name_keeps_no_other_waiting_and_all_follow() -> Result<()> {
    let world = World::new().await?;
    let (busy, quiet) = (world.admin()?, world.admin()?);
    let (ada, bob) = (world.known.add("contact"), world.known.add("contact"));
    let one = busy.create(about(&[("contact", &ada)])).await?;
    let mut sql = world.sql().await?;
    sqlx::query(
        "WITH made AS (
             INSERT INTO activities.notes (tenant_id, id, version, created_at, created_by, updated_at, updated_by, source,
                 external_ids, tags, body, body_html, links, pinned, custom)
             SELECT tenant_id, gen_random_uuid(), version, created_at, created_by, updated_at, updated_by, source,
                 external_ids, tags, body, body_html, links, pinned, custom
             FROM activities.notes, generate_series(1, 1299) WHERE id = $1
             RETURNING tenant_id, id)
         INSERT INTO activities.note_link (tenant_id, note_id, record_id, object)
         SELECT tenant_id, id, $2, 'contact' FROM made",
    )
    .bind(one.id.parse::<uuid::Uuid>()?)
    .bind(ada.parse::<uuid::Uuid>()?)
    .execute(&mut sql)
    .await?;
    let note = quiet.create(about(&[("contact", &bob)])).await?;
    world.hear(busy.tenant, ("contact", &ada, "purged"), 2).await?;
    world.hear(quiet.tenant, ("contact", &bob, "deleted"), 2).await?;
    world.follower()?.round().await?;
    let mut left = async || world.count(&mut sql, "note_link", busy.tenant).await;
    assert!(left().await? > 0, "one round takes up a part");
    assert_eq!(states(&quiet.get(&note.id).await?), [(&*bob, true)].into());
    follow(&world).await?;
    assert_eq!(left().await?, 0);
    Ok(())
}

#[tokio::test]
async fn links_that_are_sent_again_with_a_change_of_the_text_are_no_conflict() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let ada = world.known.add("contact");
    let note = admin.create(about(&[("contact", &ada)])).await?;
    world.hear(admin.tenant, ("contact", &ada, "deleted"), 2).await?;
    follow(&world).await?;
    let body = Some("new".to_owned());
    let sent = pb::Note { body, etag: Some("1".to_owned()), ..about(&[("contact", &ada)]) };
    let changed = admin.update(&note.id, sent, &["body", "links", "etag"]).await?;
    assert_eq!((states(&changed), changed.version), ([(&*ada, true)].into(), 3));
    Ok(())
}

#[tokio::test]
async fn what_only_a_later_version_knows_stops_nobody() -> Result<()> {
    let database = Database::fresh("globcrm_test_heard_states", &[activities::MIGRATIONS]).await?;
    let world = World::on(database)?;
    let (admin, other) = (world.admin()?, world.admin()?);
    let ada = world.known.add("contact");
    let note = admin.create(about(&[("contact", &ada)])).await?;
    let mut sql = world.sql().await?;
    sqlx::raw_sql("ALTER TABLE activities.heard DROP CONSTRAINT heard_state_check").execute(&mut sql).await?;
    world.hear(other.tenant, ("contact", &ada, "deleted"), 2).await?;
    sqlx::query("UPDATE activities.heard SET state = 'merged'").execute(&mut sql).await?;
    world.hear(admin.tenant, ("contact", &ada, "deleted"), 2).await?;
    world.follower()?.round().await?;
    assert_eq!(states(&admin.get(&note.id).await?), [(&*ada, true)].into());
    assert_eq!(world.count(&mut sql, "heard", other.tenant).await?, 1, "it is kept for that version");
    Ok(())
}
