//! The links of notes follow the state of the records that they name.

use std::ops::Deref;
use std::time::Duration;

use anyhow::Result;
use proto::activities::v1 as pb;
use tokio::sync::{Mutex, MutexGuard};

use super::world::{World, about, planned, states};
use crate::database::execute;

/// The job sees every tenant of a database, so its tests take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// A world in which no other test's work is due.
struct Alone {
    world: World,
    _turn: MutexGuard<'static, ()>,
}

impl Deref for Alone {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Alone {
    async fn new() -> Result<Self> {
        let (turn, world) = (TURN.lock().await, World::new().await?);
        execute(&mut world.sql().await?, "TRUNCATE activities.peer_record").await?;
        Ok(Self { world, _turn: turn })
    }

    /// Until nothing is due.
    async fn follow(&self) -> Result<()> {
        while self.reconciler()?.round().await? > 0 {}
        Ok(())
    }

    /// Until nothing is due, and again when no write of this time is in flight.
    async fn settle(&self) -> Result<()> {
        self.follow().await?;
        self.time.advance(Duration::from_secs(301));
        self.follow().await
    }
}

#[tokio::test]
async fn a_link_says_that_its_record_is_deleted_until_it_is_restored_and_goes_with_it() -> Result<()> {
    let world = Alone::new().await?;
    let (admin, other) = (world.admin()?, world.admin()?);
    let (ada, acme) = (world.known.add("contact"), world.known.add("company"));
    let note = admin.create(about(&[("contact", &ada), ("company", &acme)])).await?;
    let untouched = admin.create(about(&[("company", &acme)])).await?;
    let theirs = other.create(about(&[("contact", &ada)])).await?;
    let actor = world.hear(admin.tenant, ("contact", &ada, "deleted"), 2).await?;
    world.follow().await?;
    let seen = admin.get(&note.id).await?;
    assert_eq!(states(&seen), [(&*ada, true), (&*acme, false)].into());
    assert_eq!(
        (seen.version, seen.updated_by),
        (2, actor.to_string()),
        "an ordinary change, made by the user who deleted the record"
    );
    // Whoever sends the links anew does not bring the record back.
    let sent = admin.update(&note.id, about(&[("company", &acme), ("contact", &ada)]), &["links"]).await?;
    assert_eq!(states(&sent), [(&*ada, true), (&*acme, false)].into());
    world.hear(admin.tenant, ("contact", &ada, "restored"), 3).await?;
    world.follow().await?;
    let seen = admin.get(&note.id).await?;
    assert_eq!(states(&seen), [(&*ada, false), (&*acme, false)].into());
    world.hear(admin.tenant, ("contact", &ada, "deleted"), 4).await?;
    world.follow().await?;
    world.hear(admin.tenant, ("contact", &ada, "purged"), 5).await?;
    world.follow().await?;
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
async fn an_older_event_changes_nothing_and_a_note_in_the_trash_follows_too() -> Result<()> {
    let world = Alone::new().await?;
    let admin = world.admin()?;
    let ada = world.known.add("contact");
    let note = admin.create(about(&[("contact", &ada)])).await?;
    admin.delete(&note.id).await?;
    world.hear(admin.tenant, ("contact", &ada, "deleted"), 4).await?;
    world.hear(admin.tenant, ("contact", &ada, "restored"), 3).await?;
    world.hear(admin.tenant, ("contact", &ada, "updated"), 9).await?;
    world.follow().await?;
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
async fn an_older_event_changes_nothing_however_long_after_the_newer_one_it_comes() -> Result<()> {
    let world = Alone::new().await?;
    let admin = world.admin()?;
    let (ada, bob, eve) =
        (world.known.add("contact"), world.known.add("contact"), world.known.add("contact"));
    let note = admin.create(about(&[("contact", &ada), ("contact", &bob)])).await?;
    world.hear(admin.tenant, ("contact", &ada, "restored"), 3).await?;
    world.hear(admin.tenant, ("contact", &bob, "deleted"), 4).await?;
    // Nothing names this one yet.
    world.hear(admin.tenant, ("contact", &eve, "restored"), 3).await?;
    world.settle().await?;
    let late = admin.create(about(&[("contact", &eve)])).await?;
    let days_ago = "UPDATE activities.peer_record SET heard_at = heard_at - interval '80 days'";
    execute(&mut world.sql().await?, days_ago).await?;
    world.hear(admin.tenant, ("contact", &ada, "deleted"), 2).await?;
    world.hear(admin.tenant, ("contact", &bob, "restored"), 3).await?;
    world.hear(admin.tenant, ("contact", &eve, "deleted"), 2).await?;
    world.follow().await?;
    assert_eq!(states(&admin.get(&note.id).await?), [(&*ada, false), (&*bob, true)].into());
    assert_eq!(states(&admin.get(&late.id).await?), [(&*eve, false)].into());
    // A newer one counts as ever.
    world.hear(admin.tenant, ("contact", &ada, "deleted"), 5).await?;
    world.hear(admin.tenant, ("contact", &bob, "restored"), 6).await?;
    world.follow().await?;
    assert_eq!(states(&admin.get(&note.id).await?), [(&*ada, true), (&*bob, false)].into());
    Ok(())
}

#[tokio::test]
async fn versions_are_forgotten_when_no_event_can_be_older() -> Result<()> {
    let world = Alone::new().await?;
    let admin = world.admin()?;
    let (ada, bob) = (world.known.add("contact"), world.known.add("contact"));
    world.hear(admin.tenant, ("contact", &ada, "restored"), 3).await?;
    world.hear(admin.tenant, ("contact", &bob, "restored"), 3).await?;
    let mut sql = world.sql().await?;
    for (id, days) in [(&ada, 91), (&bob, 89)] {
        sqlx::query(
            "UPDATE activities.peer_record SET heard_at = now() - make_interval(days => $2) WHERE record_id = $1",
        )
        .bind(id.parse::<uuid::Uuid>()?)
        .bind(days)
        .execute(&mut sql)
        .await?;
    }
    world.follow().await?;
    let left: Vec<uuid::Uuid> =
        sqlx::query_scalar("SELECT record_id FROM activities.peer_record").fetch_all(&mut sql).await?;
    assert_eq!(left, [bob.parse::<uuid::Uuid>()?]);
    Ok(())
}

#[tokio::test]
async fn more_notes_than_a_slice_all_follow_and_one_more_that_came_in_between() -> Result<()> {
    let world = Alone::new().await?;
    let admin = world.admin()?;
    let ada = world.known.add("contact");
    let mut notes = Vec::new();
    for _ in 0..205 {
        notes.push(admin.create(about(&[("contact", &ada)])).await?.id);
    }
    world.hear(admin.tenant, ("contact", &ada, "purged"), 2).await?;
    world.follow().await?;
    assert!(admin.found(&format!("links.id = \"{ada}\"")).await?.is_empty());
    // Its record was asked for before it was purged, and it is stored after the round.
    let late = admin.create(about(&[("contact", &ada)])).await?;
    world.follow().await?;
    assert_eq!(admin.get(&late.id).await?.links.len(), 1, "not looked at again yet");
    world.settle().await?;
    assert!(admin.get(&late.id).await?.links.is_empty());
    let mut sql = world.sql().await?;
    assert_eq!(world.count(&mut sql, "peer_record", admin.tenant).await?, 0, "and then it is forgotten");
    for id in notes {
        assert_eq!(admin.get(&id).await?.version, 2);
    }
    Ok(())
}

#[tokio::test]
async fn a_pass_that_takes_long_is_followed_by_one_that_begins_after_all_writes_of_its_time() -> Result<()> {
    let world = Alone::new().await?;
    let admin = world.admin()?;
    let ada = world.known.add("contact");
    let passed = admin.create(about(&[])).await?;
    admin.create(about(&[("contact", &ada)])).await?;
    world.hear(admin.tenant, ("contact", &ada, "purged"), 2).await?;
    // The pass is beyond this note when a write in flight makes it name the record, and then nobody works for a while.
    sqlx::query("UPDATE activities.peer_record SET after_id = $1")
        .bind(passed.id.parse::<uuid::Uuid>()?)
        .execute(&mut world.sql().await?)
        .await?;
    admin.update(&passed.id, about(&[("contact", &ada)]), &["links"]).await?;
    world.time.advance(Duration::from_secs(301));
    world.follow().await?;
    assert!(admin.get(&passed.id).await?.links.is_empty());
    Ok(())
}

#[tokio::test]
async fn records_that_nothing_names_wait_and_share_one_look() -> Result<()> {
    let world = Alone::new().await?;
    let admin = world.admin()?;
    let actor = world.clock.new_uuid();
    let ada = world.known.add("contact");
    for n in 0..120 {
        let id = if n == 60 { ada.clone() } else { uuid::Uuid::now_v7().to_string() };
        world.hear_by(actor, admin.tenant, ("contact", &id, "deleted"), 2).await?;
    }
    // Notes name no such object.
    world.hear_by(actor, admin.tenant, ("pipeline", &ada, "deleted"), 2).await?;
    let mut sql = world.sql().await?;
    assert_eq!(world.count(&mut sql, "peer_record", admin.tenant).await?, 120);
    let reconciler = world.reconciler()?;
    assert_eq!(reconciler.round().await?, 0, "nothing is due yet");
    // Its record was asked for before it was deleted.
    let late = admin.create(about(&[("contact", &ada)])).await?;
    world.time.advance(Duration::from_secs(301));
    // One batch for each object that names others: there are two.
    assert_eq!(reconciler.round().await?, 2);
    assert_eq!(states(&admin.get(&late.id).await?), [(&*ada, true)].into());
    let left: Vec<uuid::Uuid> =
        sqlx::query_scalar("SELECT record_id FROM activities.peer_record").fetch_all(&mut sql).await?;
    assert_eq!(left, [ada.parse::<uuid::Uuid>()?], "only that of the record that is named");
    Ok(())
}

#[tokio::test]
async fn links_that_are_sent_again_with_a_change_of_the_text_are_no_conflict() -> Result<()> {
    let world = Alone::new().await?;
    let admin = world.admin()?;
    let ada = world.known.add("contact");
    let note = admin.create(about(&[("contact", &ada)])).await?;
    world.hear(admin.tenant, ("contact", &ada, "deleted"), 2).await?;
    world.follow().await?;
    let body = Some("new".to_owned());
    let sent = pb::Note { body, etag: Some("1".to_owned()), ..about(&[("contact", &ada)]) };
    let changed = admin.update(&note.id, sent, &["body", "links", "etag"]).await?;
    assert_eq!((states(&changed), changed.version), ([(&*ada, true)].into(), 3));
    Ok(())
}

#[tokio::test]
async fn an_activity_follows_its_deal_and_who_takes_part() -> Result<()> {
    let world = Alone::new().await?;
    let admin = world.admin()?;
    let (ada, deal) = (world.known.add("contact"), world.known.add("deal"));
    let sent = pb::Activity {
        links: vec![pb::ActivityLink {
            object: "deal".to_owned(),
            id: deal.clone(),
            role: Some("subject".to_owned()),
            deleted: false,
        }],
        participants: vec![pb::Participant {
            object: "contact".to_owned(),
            id: ada.clone(),
            response: pb::ParticipantResponse::Accepted.into(),
            deleted: false,
        }],
        ..planned("task")
    };
    let made = admin.create_activity(sent).await?;
    // What is over follows as well.
    admin.happen(&made.id, "complete", &["outcome"]).await?;
    let seen = async || -> Result<(Vec<bool>, Vec<bool>)> {
        let seen = admin.activity(&made.id).await?;
        assert!(seen.links.iter().all(|link| link.role.as_deref() == Some("subject")));
        assert!(seen.participants.iter().all(|one| one.response() == pb::ParticipantResponse::Accepted));
        let participants = seen.participants.iter().map(|one| one.deleted).collect();
        Ok((seen.links.iter().map(|link| link.deleted).collect(), participants))
    };
    world.hear(admin.tenant, ("deal", &deal, "deleted"), 2).await?;
    world.follow().await?;
    assert_eq!(seen().await?, (vec![true], vec![false]));
    world.hear(admin.tenant, ("contact", &ada, "deleted"), 2).await?;
    world.hear(admin.tenant, ("deal", &deal, "restored"), 3).await?;
    world.follow().await?;
    assert_eq!(seen().await?, (vec![false], vec![true]));
    world.hear(admin.tenant, ("deal", &deal, "purged"), 4).await?;
    world.hear(admin.tenant, ("contact", &ada, "purged"), 3).await?;
    world.follow().await?;
    assert_eq!(seen().await?, (vec![], vec![]));
    Ok(())
}
