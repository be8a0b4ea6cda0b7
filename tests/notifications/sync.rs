//! `GET /sync`: what a caller is told, and what not.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use config::SecretString;
use db::Db;
use events::Handler;
use notifications::Service;
use notifications::journal::Listener;
use proto::identity::v1::{FieldAccess, Scope};
use proto::notifications::v1::notifications_service_server::NotificationsService;
use proto::notifications::v1::{SyncChange, SyncOp, SyncReason, SyncRequest, SyncResponse};
use query::CursorKey;
use uuid::Uuid;

use super::model::{NAME, Write};
use super::world::{CURSOR_SECRET, SCHEMA, World, begun};
use crate::waiting;
use crate::world::{ALL, May, NOTHING, Refusal, done};

pub(crate) type Caller = crate::world::Caller<Service>;

/// Far above what any call takes.
const BOUND: Duration = Duration::from_secs(60);

/// Only own contacts.
pub(crate) const OWN: May<'static> = May { actions: &[("contact", "read", Scope::Own)], fields: &[] };

pub(crate) async fn sync(who: &Caller, request: SyncRequest) -> Result<SyncResponse, Refusal> {
    done(who.service.sync(who.request(request, &[])).await)
}

pub(crate) fn from(cursor: &str) -> SyncRequest {
    SyncRequest { cursor: cursor.to_owned(), ..SyncRequest::default() }
}

/// All changes up to the end, and the cursor behind them.
pub(crate) async fn all(who: &Caller, mut request: SyncRequest) -> Result<(Vec<SyncChange>, String)> {
    let mut changes = Vec::new();
    loop {
        let answer = sync(who, request.clone()).await?;
        anyhow::ensure!(answer.resync.is_empty(), "{:?}", answer.resync);
        changes.extend(answer.changes);
        if !answer.has_more {
            return Ok((changes, answer.next_cursor));
        }
        request.cursor = answer.next_cursor;
    }
}

/// Type, id, and why it is to be forgotten if it is.
pub(crate) fn brief(changes: &[SyncChange]) -> Vec<(&str, Uuid, Option<SyncReason>)> {
    let one = |change: &'_ SyncChange| {
        let removed = change.op == i32::from(SyncOp::Remove);
        assert_eq!((change.data.is_none(), change.reason.is_some()), (removed, removed), "{change:?}");
        (Uuid::try_parse(&change.id).unwrap(), removed.then(|| change.reason()))
    };
    changes.iter().map(|change| (change.r#type.as_str(), one(change).0, one(change).1)).collect()
}

#[tokio::test]
async fn the_whole_state_comes_first_and_then_each_record_once_in_its_latest_state() -> Result<()> {
    let world = World::new().await?;
    let who = world.admin()?;
    let contact = || ("contact", world.clock.new_uuid());
    let create = Write::Create { owner: who.id };
    let mut contacts = BTreeSet::new();
    for _ in 0..10 {
        contacts.insert(world.done(who.tenant, contact(), create.clone()).await?);
    }
    let gone = world.done(who.tenant, contact(), create.clone()).await?;
    world.done(who.tenant, ("contact", gone), Write::Delete).await?;
    let deal = world.done(who.tenant, ("deal", world.clock.new_uuid()), create.clone()).await?;

    let types = SyncRequest { types: "deal, contact".to_owned(), limit: Some(4), ..SyncRequest::default() };
    let first = sync(&who, types.clone()).await?;
    assert_eq!((first.changes.len(), first.has_more, first.position), (4, true, 13));
    let (state, cursor) = all(&who, types).await?;
    let seen: BTreeSet<Uuid> = brief(&state).iter().map(|(_, id, _)| *id).collect();
    assert_eq!(seen, contacts.iter().copied().chain([deal]).collect());
    assert_eq!(state.len(), 11, "each once, and none that is in the trash");

    let one = *contacts.first().unwrap();
    for _ in 0..3 {
        world.done(who.tenant, ("contact", one), Write::Rename).await?;
    }
    world.done(who.tenant, ("deal", deal), Write::Delete).await?;
    world.done(who.tenant, ("company", world.clock.new_uuid()), create).await?;
    let answer = sync(&who, from(&cursor)).await?;
    assert_eq!(
        brief(&answer.changes),
        [("contact", one, None), ("deal", deal, Some(SyncReason::Deleted))],
        "of companies nobody asked"
    );
    assert_eq!((answer.changes[0].version, answer.has_more, answer.position), (4, false, 18));
    let data: serde_json::Value = serde_json::from_slice(answer.changes[0].data.as_deref().unwrap())?;
    assert_eq!(data[NAME], "name 4");
    // The same cursor gives the same again; the next one gives nothing.
    assert_eq!(sync(&who, from(&cursor)).await?.changes, answer.changes);
    let nothing = sync(&who, from(&answer.next_cursor)).await?;
    assert_eq!((nothing.changes.len(), nothing.has_more, nothing.position), (0, false, 18));
    // Back and gone for good.
    world.done(who.tenant, ("deal", deal), Write::Restore).await?;
    assert_eq!(brief(&sync(&who, from(&nothing.next_cursor)).await?.changes), [("deal", deal, None)]);
    world.done(who.tenant, ("deal", deal), Write::Delete).await?;
    world.done(who.tenant, ("deal", deal), Write::Purge).await?;
    let purged = sync(&who, from(&nothing.next_cursor)).await?;
    assert_eq!(brief(&purged.changes), [("deal", deal, Some(SyncReason::Purged))]);
    Ok(())
}

#[tokio::test]
async fn a_record_that_leaves_the_callers_sight_is_removed_and_one_that_never_was_in_it_is_not_named()
-> Result<()> {
    let world = World::new().await?;
    let tenant = world.tenant();
    let (who, other) = (world.caller(tenant, &OWN)?, world.clock.new_uuid());
    let (_, cursor) = all(&who, SyncRequest::default()).await?;
    let id = |owner| world.done(tenant, ("contact", world.clock.new_uuid()), Write::Create { owner });
    let (mine, theirs) = (id(who.id).await?, id(other).await?);
    for write in [Write::Rename, Write::Delete, Write::Restore, Write::Delete, Write::Purge] {
        world.done(tenant, ("contact", theirs), write).await?;
    }
    let (changes, cursor) = all(&who, from(&cursor)).await?;
    assert_eq!(brief(&changes), [("contact", mine, None)]);
    world.done(tenant, ("contact", mine), Write::Give { owner: other }).await?;
    let (changes, cursor) = all(&who, from(&cursor)).await?;
    assert_eq!(brief(&changes), [("contact", mine, Some(SyncReason::Access))]);
    // What happens to it now is not this caller's business.
    world.done(tenant, ("contact", mine), Write::Rename).await?;
    let (changes, cursor) = all(&who, from(&cursor)).await?;
    assert!(changes.is_empty(), "{changes:?}");
    world.done(tenant, ("contact", mine), Write::Give { owner: who.id }).await?;
    let (changes, _) = all(&who, from(&cursor)).await?;
    assert_eq!(brief(&changes), [("contact", mine, None)]);
    assert!(!world.model.given.lock().unwrap().contains(&theirs));
    Ok(())
}

#[tokio::test]
async fn a_change_of_permissions_names_the_types_that_it_touches_and_no_others() -> Result<()> {
    let world = World::new().await?;
    let all_of_both = [("contact", "read", Scope::All), ("deal", "read", Scope::All)];
    let who = world.caller(world.tenant(), &May { actions: &all_of_both, fields: &[] })?;
    let (_, cursor) = all(&who, SyncRequest::default()).await?;
    let hidden = [("contact", NAME, FieldAccess::None)];
    world.allow(who.id, 6, &May { actions: &all_of_both, fields: &hidden });
    world.gates.gate.forget(who.tenant.uuid(), None);
    let told = sync(&who, from(&cursor)).await?;
    assert_eq!(
        (told.resync.as_slice(), told.changes.len(), told.has_more),
        (&["contact".to_owned()][..], 0, true)
    );
    // Told once to whoever goes on, and again to whoever lost the answer.
    assert_eq!(sync(&who, from(&cursor)).await?.resync, ["contact"]);
    assert!(sync(&who, from(&told.next_cursor)).await?.resync.is_empty());
    let own = [("contact", "read", Scope::All), ("deal", "read", Scope::Own)];
    world.allow(who.id, 7, &May { actions: &own, fields: &hidden });
    world.gates.gate.forget(who.tenant.uuid(), None);
    assert_eq!(sync(&who, from(&told.next_cursor)).await?.resync, ["deal"]);
    // Without any, there is nothing to follow.
    world.allow(who.id, 8, &NOTHING);
    world.gates.gate.forget(who.tenant.uuid(), None);
    assert_eq!(sync(&who, from(&told.next_cursor)).await.unwrap_err().is(), (403, "PERMISSION_DENIED"));
    Ok(())
}

#[tokio::test]
async fn a_cursor_is_refused_to_others_and_where_the_journal_does_not_have_its_number() -> Result<()> {
    let world = World::new().await?;
    let (who, stranger) = (world.admin()?, world.admin()?);
    let colleague = world.caller(who.tenant, &ALL)?;
    world.done(who.tenant, ("contact", world.clock.new_uuid()), Write::Create { owner: who.id }).await?;
    let (_, cursor) =
        all(&who, SyncRequest { types: "contact".to_owned(), ..SyncRequest::default() }).await?;
    for other in [&stranger, &colleague] {
        assert_eq!(sync(other, from(&cursor)).await.unwrap_err().is(), (400, "CURSOR_MISMATCH"));
    }
    let more = SyncRequest { types: "contact,deal".to_owned(), ..from(&cursor) };
    assert_eq!(sync(&who, more).await.unwrap_err().is(), (400, "CURSOR_MISMATCH"));
    assert_eq!(sync(&who, from("x")).await.unwrap_err().is(), (400, "CURSOR_INVALID"));
    let unknown = SyncRequest { types: "spaceship".to_owned(), ..SyncRequest::default() };
    assert_eq!(sync(&who, unknown).await.unwrap_err().is(), (400, "SYNC_TYPE_UNKNOWN"));
    let reader = world.caller(who.tenant, &OWN)?;
    let deals = SyncRequest { types: "deal".to_owned(), ..SyncRequest::default() };
    assert_eq!(sync(&reader, deals).await.unwrap_err().is(), (403, "PERMISSION_DENIED"));
    // As after a restore of the database to an earlier state.
    let query = sqlx::query("DELETE FROM notifications.journal_head WHERE tenant_id = $1");
    query.bind(who.tenant.uuid()).execute(&mut world.sql().await?).await?;
    assert_eq!(sync(&who, from(&cursor)).await.unwrap_err().is(), (410, "CURSOR_EXPIRED"));
    Ok(())
}

#[tokio::test]
async fn while_a_service_is_down_nothing_is_told_and_nothing_lost() -> Result<()> {
    let world = World::new().await?;
    let who = world.admin()?;
    let (_, cursor) = all(&who, SyncRequest::default()).await?;
    let create = Write::Create { owner: who.id };
    let contact = world.done(who.tenant, ("contact", world.clock.new_uuid()), create.clone()).await?;
    let note = world.done(who.tenant, ("note", world.clock.new_uuid()), create).await?;
    for (object, reason) in [("contact", "RECORDS_UNAVAILABLE"), ("note", "ACTIVITIES_UNAVAILABLE")] {
        world.model.down.lock().unwrap().insert(object);
        for request in [from(&cursor), SyncRequest::default()] {
            // Not at the first of the state, which is another object's.
            let refused = all(&who, request).await.unwrap_err();
            let refused = refused.downcast::<Refusal>()?;
            assert_eq!(refused.is(), (503, reason));
        }
        world.model.down.lock().unwrap().clear();
    }
    let (changes, _) = all(&who, from(&cursor)).await?;
    assert_eq!(brief(&changes), [("contact", contact, None), ("note", note, None)]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_told_what_comes_by_this_instance_and_by_another() -> Result<()> {
    let world = World::new().await?;
    let who = world.admin()?;
    let (_, mut cursor) = all(&who, SyncRequest::default()).await?;
    let config = world.database.config(SCHEMA);
    let elsewhere = Db::new(&config, SCHEMA)?;
    for is_here in [true, false] {
        let (caller, request) = (who.clone(), SyncRequest { wait: Some(25), ..from(&cursor) });
        let answer = tokio::spawn(async move { sync(&caller, request).await });
        waiting::until(BOUND, "the call waits", async || world.waiting.count() == 1).await;
        // What is not asked for ends no wait.
        let (key, create) = ("pipeline", Write::Create { owner: who.id });
        world
            .write(super::world::event(&world.clock, who.tenant, (key, world.clock.new_uuid(), "updated"), 1))
            .await?;
        let id = world.clock.new_uuid();
        let told = world.change(who.tenant, ("contact", id), &create).expect("a new record");
        if is_here {
            world.write(told).await?;
        } else {
            let listener = Listener::default();
            let (delivery, tx) = begun(&elsewhere, &listener, told).await?;
            tx.commit().await?;
            listener.committed(&delivery);
        }
        let answer = tokio::time::timeout(BOUND, answer).await???;
        assert_eq!(brief(&answer.changes), [("contact", id, None)]);
        assert_eq!(world.waiting.count(), 0);
        cursor = answer.next_cursor;
    }
    elsewhere.close().await;
    Ok(())
}

#[tokio::test]
async fn an_event_that_is_not_committed_is_not_told_and_none_is_passed_by() -> Result<()> {
    let world = World::new().await?;
    let who = world.admin()?;
    let (_, cursor) = all(&who, SyncRequest::default()).await?;
    let id = world.clock.new_uuid();
    let told =
        world.change(who.tenant, ("contact", id), &Write::Create { owner: who.id }).expect("a new record");
    let (_, open) = begun(&world.db, &Listener::default(), told).await?;
    let before = sync(&who, from(&cursor)).await?;
    assert_eq!((before.changes.len(), before.position), (0, 0));
    open.commit().await?;
    assert_eq!(brief(&sync(&who, from(&before.next_cursor)).await?.changes), [("contact", id, None)]);
    Ok(())
}

/// Rows of old days are found by a cursor that comes late.
#[tokio::test]
async fn a_backlog_of_weeks_is_told_to_the_end() -> Result<()> {
    let world = World::new().await?;
    let who = world.admin()?;
    let (_, cursor) = all(&who, SyncRequest::default()).await?;
    let mut ids = Vec::new();
    for _ in 0..6 {
        let id = ("contact", world.clock.new_uuid());
        ids.push(world.done(who.tenant, id, Write::Create { owner: who.id }).await?);
    }
    // Each two days after the one before it, and the cursor is older than all of them.
    let query = sqlx::query(
        "UPDATE notifications.journal SET written_at = written_at - make_interval(days => 14 - 2 * number::int)
         WHERE tenant_id = $1",
    );
    query.bind(who.tenant.uuid()).execute(&mut world.sql().await?).await?;
    let request = SyncRequest { limit: Some(2), ..from(&aged(&cursor, 20)?) };
    let (changes, _) = all(&who, request).await?;
    assert_eq!(brief(&changes).iter().map(|(_, id, _)| *id).collect::<Vec<_>>(), ids);
    let expired = sync(&who, from(&aged(&cursor, 31)?)).await.unwrap_err();
    assert_eq!(expired.is(), (410, "CURSOR_EXPIRED"));
    Ok(())
}

#[tokio::test]
async fn an_answer_ends_by_its_bytes_and_passes_no_change_by() -> Result<()> {
    let world = World::new().await?;
    let tenant = world.tenant();
    let (who, other) = (world.caller(tenant, &OWN)?, world.clock.new_uuid());
    let create = |owner| world.done(tenant, ("contact", world.clock.new_uuid()), Write::Create { owner });
    let lost = create(who.id).await?;
    let (_, cursor) = all(&who, SyncRequest::default()).await?;
    // Only the first of its changes says that the caller could see it.
    world.done(tenant, ("contact", lost), Write::Give { owner: other }).await?;
    let mut large = Vec::new();
    for _ in 0..4 {
        let id = create(who.id).await?;
        world.model.records().get_mut(&(tenant, "contact", id)).expect("it is there").name =
            "x".repeat(900_000);
        large.push(("contact", id, None));
    }
    world.done(tenant, ("contact", lost), Write::Rename).await?;
    let first = sync(&who, from(&cursor)).await?;
    let removed = ("contact", lost, Some(SyncReason::Access));
    assert_eq!(brief(&first.changes), [&[removed][..], &large[..3]].concat());
    assert!(first.has_more);
    let (rest, _) = all(&who, from(&first.next_cursor)).await?;
    assert_eq!(brief(&rest), [large[3]]);
    Ok(())
}

/// A cursor as it would have been given so many days ago.
fn aged(cursor: &str, days: i64) -> Result<String> {
    const PURPOSE: &str = "globcrm sync cursor";
    let key = CursorKey::new(&SecretString::from(CURSOR_SECRET))?;
    let mut open: serde_json::Value =
        serde_json::from_slice(&key.open(PURPOSE, cursor).context("a cursor")?)?;
    open["since"] = (open["since"].as_i64().context("a moment")? - days * 86_400).into();
    Ok(key.seal(PURPOSE, &serde_json::to_vec(&open)?)?)
}
