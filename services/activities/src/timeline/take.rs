//! What a fact does to timelines, for the first time and again.
//!
//! Facts of one record may come in another order, and those of records that are linked to each other come at once. Whoever takes a fact locks
//! the records that it names, so that a record that is purged, or what an activity is about, stays so meanwhile. Whoever purges a record, or
//! takes facts again, has the timelines of the tenant alone.

use std::collections::{BTreeMap, BTreeSet};

use db::{DbError, TenantTx};
use uuid::Uuid;

use super::fact::Fact;
use super::project::{self, Entry, Named};
use super::purge;
use super::store::{self, entries, journal};

/// Takes a fact that was heard of: it goes into the journal, and its entries into timelines.
pub(super) async fn first(tx: &mut TenantTx, fact: &Fact) -> Result<(), DbError> {
    store::share(tx).await?;
    match fact.object.as_str() {
        "activity" | "note" => of_own(tx, fact).await,
        _ => of_record(tx, fact).await,
    }
}

/// Takes a fact of the journal again: its entries are replaced. The caller has the timelines of the tenant alone.
pub(super) async fn again(tx: &mut TenantTx, fact: &Fact) -> Result<(), DbError> {
    let entries = match (fact.object.as_str(), fact.verb.as_str()) {
        ("activity" | "note", _) => {
            let about = entries::about(tx, &fact.object, fact.record_id).await?.unwrap_or_default();
            project::of_own(fact, &about)
        }
        (_, "purged") => purge::linked(fact).map(|subject| project::purged(fact, subject)).collect(),
        _ => project::of_record(fact),
    };
    let gone = gone(tx, &names(fact, &entries)).await?;
    // A purge that goes on finds linked records by their entries, which are about to go.
    for (id, purge) in gone.iter().filter(|_| fact.verb != "purged") {
        let named = entries.iter().filter(|entry| entry.other.as_ref().is_some_and(|other| other.1 == *id));
        let subjects: Vec<Uuid> = named.map(|entry| entry.subject.1).collect();
        if !subjects.is_empty() {
            purge::unlink(tx, purge, &subjects).await?;
        }
    }
    entries::delete_of(tx, fact).await?;
    put(tx, fact, entries, &gone).await
}

/// The records that a fact and its entries name.
fn names(fact: &Fact, entries: &[Entry]) -> BTreeSet<Uuid> {
    let named = entries.iter().flat_map(|entry| entry.other.iter().chain([&entry.subject]));
    named.map(|named| named.1).chain([fact.record_id]).collect()
}

async fn lock(tx: &mut TenantTx, ids: &BTreeSet<Uuid>) -> Result<(), DbError> {
    let texts: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    record::store::lock_values(tx, "timeline", &texts).await
}

/// The purges among records.
async fn gone(tx: &mut TenantTx, ids: &BTreeSet<Uuid>) -> Result<BTreeMap<Uuid, Fact>, DbError> {
    let purges = journal::purges(tx, &ids.iter().copied().collect::<Vec<_>>()).await?;
    Ok(purges.into_iter().map(|purge| (purge.record_id, purge)).collect())
}

/// Writes entries: a purged record has no timeline, and others name it only in its purge.
async fn put(
    tx: &mut TenantTx,
    fact: &Fact,
    entries: Vec<Entry>,
    gone: &BTreeMap<Uuid, Fact>,
) -> Result<(), DbError> {
    let is_gone = |named: &Named| gone.contains_key(&named.1);
    let is_left = |entry: &Entry| {
        !is_gone(&entry.subject) && (entry.event == "purged" || !entry.other.as_ref().is_some_and(is_gone))
    };
    let left = entries.into_iter().filter(is_left).map(|entry| (fact, entry));
    entries::put(tx, &left.collect::<Vec<_>>()).await
}

async fn of_record(tx: &mut TenantTx, fact: &Fact) -> Result<(), DbError> {
    let entries = project::of_record(fact);
    if entries.is_empty() {
        return Ok(());
    }
    let names = names(fact, &entries);
    lock(tx, &names).await?;
    let gone = gone(tx, &names).await?;
    if !gone.contains_key(&fact.record_id) {
        journal::keep(tx, fact).await?;
    }
    // A link that comes later than the purge of what it names.
    let late = entries.iter().filter(|entry| entry.event == "linked" && !gone.contains_key(&entry.subject.1));
    let late = late.filter_map(|entry| Some((gone.get(&entry.other.as_ref()?.1)?, &entry.subject)));
    for (purge, subject) in late {
        if !entries::has_purge(tx, subject.1, purge.record_id).await? {
            purge::add(tx, purge, vec![subject.clone()]).await?;
        }
    }
    put(tx, fact, entries, &gone).await
}

/// What happened to an activity or a note.
async fn of_own(tx: &mut TenantTx, fact: &Fact) -> Result<(), DbError> {
    let source = fact.record_id;
    lock(tx, &[source].into()).await?;
    let about = match fact.verb.as_str() {
        "purged" => None,
        _ => entries::about(tx, &fact.object, source).await?,
    };
    let Some(mut about) = about else { return entries::forget_own(tx, source).await };
    let gone = gone(tx, &about.iter().map(|named| named.1).collect()).await?;
    about.retain(|named| !gone.contains_key(&named.1));
    let is_kept = project::happened(fact).is_some();
    if is_kept {
        journal::keep(tx, fact).await?;
    }
    // This may be one of the facts that go.
    journal::trim(tx, source).await?;
    let relinked = fact.verb == "created" || fact.change("links").is_some();
    if relinked {
        // Its entries are where it is about a record now, and nowhere else.
        let ids: Vec<Uuid> = about.iter().map(|named| named.1).collect();
        entries::delete_elsewhere(tx, source, &ids).await?;
    }
    let facts = match (relinked, is_kept) {
        (true, _) => journal::facts_of(tx, source).await?,
        (false, true) => journal::fact(tx, (source, fact.event_id)).await?.into_iter().collect(),
        (false, false) => Vec::new(),
    };
    let entries =
        facts.iter().flat_map(|fact| project::of_own(fact, &about).into_iter().map(move |e| (fact, e)));
    entries::put(tx, &entries.collect::<Vec<_>>()).await
}
