//! What a fact does to timelines, for the first time and again.
//!
//! Facts of one record may come in another order, and those of records that are linked to each other come at once. Whoever takes a fact locks
//! all records that it concerns; what is decided by a record that is purged, or by what an activity is about, then holds.

use std::collections::{BTreeMap, BTreeSet};

use db::{DbError, TenantTx};
use serde_json::{Value, json};
use uuid::Uuid;

use super::fact::Fact;
use super::project::{self, Entry, Named};
use super::store;

/// Takes a fact that was heard of: the journal has it, and timelines tell of it.
pub(super) async fn first(tx: &mut TenantTx, fact: Fact) -> Result<(), DbError> {
    match fact.object.as_str() {
        "activity" | "note" => of_own(tx, &fact).await,
        _ if fact.verb == "purged" => purge(tx, fact).await,
        _ => of_record(tx, &fact).await,
    }
}

/// Takes a fact of the journal once more, in the place of what timelines tell of it.
pub(super) async fn again(tx: &mut TenantTx, fact: &Fact) -> Result<(), DbError> {
    let (entries, gone) = match fact.object.as_str() {
        "activity" | "note" => {
            lock(tx, &[fact.record_id].into()).await?;
            let about = store::about(tx, &fact.object, fact.record_id).await?.unwrap_or_default();
            (project::of_own(fact, &about), BTreeMap::new())
        }
        _ => {
            let entries = match fact.verb.as_str() {
                "purged" => stated(fact).map(|subject| project::purged(fact, subject)).collect(),
                _ => project::of_record(fact),
            };
            let gone = concerned(tx, fact, &entries).await?;
            (entries, gone)
        }
    };
    let left = entries.into_iter().filter(|entry| is_left(entry, &gone));
    store::withdraw(tx, fact).await?;
    store::put(tx, fact, &left.collect::<Vec<_>>()).await
}

/// Locks what entries are about; gives the purges among it.
async fn concerned(
    tx: &mut TenantTx,
    fact: &Fact,
    entries: &[Entry],
) -> Result<BTreeMap<Uuid, Fact>, DbError> {
    let named = entries.iter().flat_map(|entry| entry.other.iter().chain([&entry.subject]));
    let ids: BTreeSet<Uuid> = named.map(|named| named.1).chain([fact.record_id]).collect();
    lock(tx, &ids).await?;
    let gone = store::purges(tx, &Vec::from_iter(ids)).await?;
    Ok(gone.into_iter().map(|purge| (purge.record_id, purge)).collect())
}

async fn lock(tx: &mut TenantTx, ids: &BTreeSet<Uuid>) -> Result<(), DbError> {
    let texts: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    record::store::lock_values(tx, "timeline", &texts).await
}

/// A purged record has no timeline, and of one that is linked to another only its purge is told.
fn is_left(entry: &Entry, gone: &BTreeMap<Uuid, Fact>) -> bool {
    let is_gone = |named: &Named| gone.contains_key(&named.1);
    !is_gone(&entry.subject) && (entry.event == "purged" || !entry.other.as_ref().is_some_and(is_gone))
}

async fn of_record(tx: &mut TenantTx, fact: &Fact) -> Result<(), DbError> {
    let entries = project::of_record(fact);
    if entries.is_empty() {
        return Ok(());
    }
    let gone = concerned(tx, fact, &entries).await?;
    if !gone.contains_key(&fact.record_id) {
        store::keep(tx, fact).await?;
    }
    // A link that comes later than the purge of what it names.
    let late = entries.iter().filter(|entry| entry.event == "linked" && !gone.contains_key(&entry.subject.1));
    let late = late.filter_map(|entry| Some((gone.get(&entry.other.as_ref()?.1)?, &entry.subject)));
    for (purge, subject) in late {
        if !stated(purge).any(|known| known == *subject) {
            store::state(tx, purge, &json!([statement(subject)])).await?;
            store::put(tx, purge, &[project::purged(purge, subject.clone())]).await?;
        }
    }
    let left = entries.into_iter().filter(|entry| is_left(entry, &gone));
    store::put(tx, fact, &left.collect::<Vec<_>>()).await
}

async fn purge(tx: &mut TenantTx, mut fact: Fact) -> Result<(), DbError> {
    let known = concerned(tx, &fact, &[]).await?;
    if known.contains_key(&fact.record_id) {
        return Ok(());
    }
    let subjects = store::linked(tx, fact.record_id, fact.happened_at).await?;
    store::forget(tx, fact.record_id).await?;
    fact.changes = subjects.iter().map(statement).collect();
    store::keep(tx, &fact).await?;
    let entries: Vec<Entry> = subjects.into_iter().map(|subject| project::purged(&fact, subject)).collect();
    store::put(tx, &fact, &entries).await
}

fn statement((object, id): &Named) -> Value {
    json!({"object": object, "id": id})
}

/// The records whose timelines tell of a purge.
fn stated(purge: &Fact) -> impl Iterator<Item = Named> {
    purge.changes.iter().filter_map(|change| {
        Some((change["object"].as_str()?.to_owned(), Uuid::try_parse(change["id"].as_str()?).ok()?))
    })
}

/// What happened to an activity or a note.
async fn of_own(tx: &mut TenantTx, fact: &Fact) -> Result<(), DbError> {
    lock(tx, &[fact.record_id].into()).await?;
    let about = match fact.verb.as_str() {
        "purged" => None,
        _ => store::about(tx, &fact.object, fact.record_id).await?,
    };
    let Some(about) = about else { return store::forget(tx, fact.record_id).await };
    if project::happened(fact).is_some() {
        store::keep(tx, fact).await?;
    }
    if fact.verb != "created" && fact.change("links").is_none() {
        return store::put(tx, fact, &project::of_own(fact, &about)).await;
    }
    // Everything that happened to it is told where it is about a record now, and nowhere else.
    let ids: Vec<Uuid> = about.iter().map(|named| named.1).collect();
    store::withdraw_elsewhere(tx, fact.record_id, &ids).await?;
    for fact in store::facts_of(tx, fact.record_id).await? {
        store::put(tx, &fact, &project::of_own(&fact, &about)).await?;
    }
    Ok(())
}
