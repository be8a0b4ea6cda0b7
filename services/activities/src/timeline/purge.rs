//! The purge of a record: its timeline, its journal and the entries that name it go, and the timelines of the records that it was linked to
//! have one entry for that.
//!
//! All this goes in steps of bounded size. The first is a part of the transaction in which the purge is heard of, and whoever sees the purge in
//! the journal treats the record as gone. A step after which something is left commits with an event to the listener itself, which takes the
//! next one: so it goes on after a crash, and the events of the tenant come in between.

use db::{DbError, TenantTx};
use events::{Lane, NewEvent};
use ids::Clock;
use serde_json::{Value, json};
use uuid::Uuid;

use super::fact::Fact;
use super::project::{self, Named};
use super::store::{self, entries, journal};

/// Object and verb of the event that takes the next step.
pub(super) const NEXT_STEP: (&str, &str) = ("timeline", "purge_continued");

/// Rows that a step looks for.
const STEP: i64 = 1_000;

/// Takes a purge that was heard of.
pub(super) async fn begin(tx: &mut TenantTx, clock: &Clock, fact: &Fact) -> Result<(), DbError> {
    store::alone(tx).await?;
    if !journal::purges(tx, &[fact.record_id]).await?.is_empty() {
        return Ok(());
    }
    let fact = Fact { changes: Vec::new(), ..fact.clone() };
    journal::keep(tx, &fact).await?;
    step(tx, clock, &fact).await
}

/// Goes on with the purge of a record. The journal gets a fact of the purge for each step, whose size is bounded therefore.
pub(super) async fn go_on(
    tx: &mut TenantTx,
    clock: &Clock,
    (record, event): (Uuid, Uuid),
) -> Result<(), DbError> {
    store::alone(tx).await?;
    for purge in journal::purges(tx, &[record]).await? {
        step(tx, clock, &Fact { event_id: event, ..purge }).await?;
    }
    Ok(())
}

async fn step(tx: &mut TenantTx, clock: &Clock, purge: &Fact) -> Result<(), DbError> {
    let record = purge.record_id;
    // The journal goes last: without it, entries that are left would be those of no fact.
    let naming = entries::naming(tx, record, STEP).await?;
    let subjects: Vec<Uuid> = naming.iter().map(|(subject, _)| *subject).collect();
    if !subjects.is_empty() {
        unlink(tx, purge, &subjects).await?;
    }
    let mut is_done = naming.iter().map(|(_, entries)| entries).sum::<i64>() < STEP;
    if is_done {
        is_done = entries::delete_some(tx, record, STEP).await? < STEP.unsigned_abs();
    }
    if is_done {
        is_done = journal::delete_some(tx, record, STEP).await? < STEP.unsigned_abs();
    }
    if is_done { Ok(()) } else { events::outbox::append(tx, &next(clock, purge)).await }
}

/// Deletes what the timelines of other records have of a purged one. Those of the records that are linked to it get its purge instead.
pub(super) async fn unlink(tx: &mut TenantTx, purge: &Fact, subjects: &[Uuid]) -> Result<(), DbError> {
    let linked = entries::linked(tx, purge.record_id, purge.happened_at, subjects).await?;
    entries::delete_naming(tx, purge.record_id, subjects).await?;
    add(tx, purge, linked).await
}

/// Adds a purge to the timelines of records, and these to its fact, which is new in each step.
pub(super) async fn add(tx: &mut TenantTx, purge: &Fact, subjects: Vec<Named>) -> Result<(), DbError> {
    if subjects.is_empty() {
        return Ok(());
    }
    journal::keep(tx, purge).await?;
    let named = subjects.iter().map(|(object, id)| json!({"object": object, "id": id}));
    journal::add_linked(tx, purge, &named.collect::<Vec<_>>().into()).await?;
    let entries = subjects.into_iter().map(|subject| (purge, project::purged(purge, subject)));
    entries::put(tx, &entries.collect::<Vec<_>>()).await
}

/// The records whose timelines have a purge, as the journal says.
pub(super) fn linked(purge: &Fact) -> impl Iterator<Item = Named> {
    let of = |named: &Value| {
        Some((named["object"].as_str()?.to_owned(), Uuid::try_parse(named["id"].as_str()?).ok()?))
    };
    purge.changes.iter().filter_map(of)
}

fn next(clock: &Clock, purge: &Fact) -> NewEvent {
    NewEvent {
        id: clock.new_uuid(),
        service: "activities",
        object: NEXT_STEP.0,
        verb: NEXT_STEP.1,
        record_id: purge.record_id,
        version: 0,
        actor: purge.actor_id,
        actor_kind: None,
        owner: None,
        team: None,
        changes: Vec::new(),
        lane: Lane::Bulk,
        traceparent: None,
        time: clock.now_micros(),
    }
}
