//! Writing records with all that belongs to a change: side tables, change log, outbox. One transaction, and a number of
//! statements that does not depend on the number of records.

use db::{DbError, TenantTx};
use error::{Code, Error, Reason};
use events::NewEvent;
use field_types::SlotColumn;
use query::RowScope;
use serde_json::Value;
use uuid::Uuid;

use super::change::{self, Author, Diff};
use super::definitions::FieldSet;
use super::prepare::{Plan, Prepared};
use super::store::{self, Logged};
use super::{Fields, Object, Record, SideTable, custom, fence, unique};

/// Inserts new records of version 1.
pub async fn insert(tx: &mut TenantTx, plan: &Plan<'_>, prepared: &[Prepared]) -> Result<(), Error> {
    let Plan { author, object, set, .. } = *plan;
    let records: Vec<&Record> = prepared.iter().map(Prepared::after).collect();
    let rows = records.iter().map(|record| Value::Object(prepared_row(object, set, record))).collect();
    fence::judge(store::insert(tx, object, rows).await?, set)?;
    for side in object.sides {
        put_side(tx, object, side, &records, true).await.map_err(unique::lost_race)?;
    }
    put_uniques(tx, object, set, &records, true).await.map_err(unique::lost_race)?;
    let also = prepared.iter().map(Prepared::also);
    let all = records
        .iter()
        .zip(also)
        .map(|(record, also)| [change::all(object, record).as_slice(), also].concat());
    let diffs: Vec<Vec<Diff>> = all.collect();
    let nothing = || Value::Object(serde_json::Map::new());
    let logged = records.iter().map(|r| Logged { record_id: r.id, version: r.version, before: nothing() });
    store::log(tx, object, "created", author, &logged.collect::<Vec<_>>()).await?;
    let events =
        records.iter().zip(&diffs).map(|(r, diffs)| change::event(author, object, "created", r, diffs));
    let mut events: Vec<NewEvent> = events.collect();
    for record in records {
        events.extend(guarded(tx, plan, None, record).await?);
    }
    events::outbox::append_many(tx, &events).await?;
    Ok(())
}

/// Replaces a record by what was prepared of it, and gives it in its next version. The row must still have the version before and lie
/// within the scope: the lock says so, and the statement makes sure.
pub async fn update(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    prepared: Prepared,
    scope: &RowScope,
) -> Result<Record, Error> {
    let Plan { object, set, .. } = *plan;
    let (changed, row) = next_version(tx, plan, prepared).await?;
    let (id, version) = (changed.after.id, changed.before.version);
    let (fence, done) = store::update(tx, object, id, version, row, scope).await?;
    fence::judge(fence, set)?;
    if !done {
        return Err(concurrent());
    }
    follow(tx, plan, std::slice::from_ref(&changed)).await?;
    Ok(changed.after)
}

/// As [`update`], of many records by a number of statements that does not depend on how many they are, but for what is unique or the
/// guard's. Each record occurs once. One record has a statement of its own, whose plan needs no guess of how many rows there are.
pub(crate) async fn update_all(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    prepared: Vec<Prepared>,
    scope: &RowScope,
) -> Result<Vec<(Record, Record)>, Error> {
    let Plan { object, set, .. } = *plan;
    let (mut changed, mut rows) = (Vec::new(), Vec::new());
    for prepared in prepared {
        let (one, row) = next_version(tx, plan, prepared).await?;
        changed.push(one);
        rows.push(row);
    }
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let (fence, done) = store::update_all(tx, object, rows, scope).await?;
    fence::judge(fence, set)?;
    if done != changed.len() as i64 {
        return Err(concurrent());
    }
    follow(tx, plan, &changed).await?;
    Ok(changed.into_iter().map(|changed| (changed.before, changed.after)).collect())
}

/// A record that is changed.
struct Changed {
    before: Record,
    after: Record,
    diffs: Vec<Diff>,
}

/// A prepared record in its next version, and its row.
async fn next_version(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    prepared: Prepared,
) -> Result<(Changed, Value), Error> {
    let Plan { author, object, set, .. } = *plan;
    let (Some(before), mut after, also) = prepared.into_parts() else { return Err(concurrent()) };
    after.version += 1;
    touch(&mut after, author);
    let mut diffs = change::diff(object, &before, &after);
    diffs.extend(also);
    let mut row = prepared_row(object, set, &after);
    if !after.custom.keys().all(|key| set.knows(key)) {
        keep_slots(tx, object, set, after.id, &mut row).await?;
    }
    Ok((Changed { before, after, diffs }, Value::Object(row)))
}

/// Writes what belongs to changes of rows that were just made.
async fn follow(tx: &mut TenantTx, plan: &Plan<'_>, changed: &[Changed]) -> Result<(), Error> {
    let Plan { author, object, set, .. } = *plan;
    for side in object.sides {
        let differs = |changed: &&Changed| changed.diffs.iter().any(|diff| diff.field == side.field);
        let records: Vec<&Record> = changed.iter().filter(differs).map(|changed| &changed.after).collect();
        if !records.is_empty() {
            let ids: Vec<Uuid> = records.iter().map(|record| record.id).collect();
            store::clear_side(tx, side.clear, &ids).await?;
            put_side(tx, object, side, &records, true).await.map_err(unique::lost_race)?;
        }
    }
    for Changed { before, after, .. } in changed {
        if custom::uniques(set, &before.custom) != custom::uniques(set, &after.custom) {
            store::clear_uniques_of(tx, after.id, &set.uniques()).await?;
            put_uniques(tx, object, set, &[after], true).await.map_err(unique::lost_race)?;
        }
    }
    let logged = changed.iter().map(|Changed { after, diffs, .. }| Logged {
        record_id: after.id,
        version: after.version,
        before: change::before(diffs),
    });
    store::log(tx, object, "updated", author, &logged.collect::<Vec<_>>()).await?;
    // After the statement that raised the versions: its locks keep events in their order.
    let events = changed
        .iter()
        .map(|Changed { after, diffs, .. }| change::event(author, object, "updated", after, diffs));
    let mut events: Vec<NewEvent> = events.collect();
    for Changed { before, after, .. } in changed {
        events.extend(guarded(tx, plan, Some(before), after).await?);
    }
    events::outbox::append_many(tx, &events).await?;
    Ok(())
}

/// What the object's guard stores with a write, and its events.
async fn guarded(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    before: Option<&Record>,
    after: &Record,
) -> Result<Vec<NewEvent>, Error> {
    match plan.object.guard {
        Some(guard) => guard.stored(tx, plan, before, after).await,
        None => Ok(Vec::new()),
    }
}

/// Takes records out of the trash, which were prepared for it. Gives each as it was and as it is then.
pub(crate) async fn restore(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    prepared: Vec<Prepared>,
    scope: &RowScope,
) -> Result<Vec<(Record, Record)>, Error> {
    let parts = prepared.into_iter().map(Prepared::into_parts);
    let (befores, afters): (Vec<_>, Vec<_>) = parts.map(|(before, after, _)| (before, after)).unzip();
    let Some(befores) = befores.into_iter().collect::<Option<Vec<Record>>>() else {
        return Err(concurrent());
    };
    let moved = set_deleted(tx, plan.author, plan.object, afters, false, scope).await?;
    let restored: Vec<_> = befores.into_iter().zip(moved.into_iter().map(|(_, after)| after)).collect();
    let mut events = Vec::new();
    for (before, after) in &restored {
        events.extend(guarded(tx, plan, Some(before), after).await?);
    }
    events::outbox::append_many(tx, &events).await?;
    Ok(restored)
}

/// Moves records to the trash, or out of it, by a number of statements that does not depend on how many they are. Gives each as it
/// was and as it is then. Each occurs once.
pub(crate) async fn set_deleted(
    tx: &mut TenantTx,
    author: &Author,
    object: &Object,
    records: Vec<Record>,
    deleted: bool,
    scope: &RowScope,
) -> Result<Vec<(Record, Record)>, Error> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let versions: Vec<(Uuid, i64)> = records.iter().map(|record| (record.id, record.version)).collect();
    if store::set_deleted(tx, object, &versions, deleted, author, scope).await? != versions.len() as u64 {
        return Err(concurrent());
    }
    let ids: Vec<Uuid> = records.iter().map(|record| record.id).collect();
    for statement in object.sides.iter().filter_map(|side| side.set_live) {
        store::set_side_live(tx, statement, &ids, !deleted).await.map_err(unique::lost_race)?;
    }
    store::set_uniques_live(tx, &ids, !deleted).await.map_err(unique::lost_race)?;
    if deleted {
        store::add_purge(tx, object, &ids, author.now).await?;
    } else {
        store::remove_purge(tx, object, &ids).await?;
    }
    let deleted_at =
        if deleted { field_types::moment::datetime_text(author.now).into() } else { Value::Null };
    let moved = records.into_iter().map(|before| {
        let mut after = before.clone();
        after.version += 1;
        touch(&mut after, author);
        after.set("deleted_at", deleted_at.clone());
        (before, after)
    });
    let moved: Vec<(Record, Record)> = moved.collect();
    let verb = if deleted { "deleted" } else { "restored" };
    let (mut logged, mut events) = (Vec::with_capacity(moved.len()), Vec::with_capacity(moved.len()));
    for (before, after) in &moved {
        let value = |record: &Record| record.fields.get("deleted_at").cloned().unwrap_or_default();
        let diffs = [Diff { field: "deleted_at".to_owned(), before: value(before), after: value(after) }];
        logged.push(Logged { record_id: after.id, version: after.version, before: change::before(&diffs) });
        events.push(change::event(author, object, verb, after, &diffs));
    }
    store::log(tx, object, verb, author, &logged).await?;
    // After the statement that raised the versions: its locks keep events in their order.
    events::outbox::append_many(tx, &events).await?;
    Ok(moved)
}

/// Notes who changed a record and when.
pub fn touch(record: &mut Record, author: &Author) {
    record.set("updated_at", field_types::moment::datetime_text(author.now).into());
    record.set("updated_by", author.actor.to_string().into());
}

/// The row of a record that was prepared, with the values that the object computes.
fn prepared_row(object: &Object, set: &FieldSet, record: &Record) -> Fields {
    let value = |name: &str| record.fields.get(name).cloned().unwrap_or_default();
    let computed = object.computed().iter().map(|(name, _)| ((*name).to_owned(), value(name))).collect();
    row(object, set, record, computed)
}

/// The row of a record: its fields, what follows from them and is `computed` of them, and the slots of its custom values.
pub(crate) fn row(object: &Object, set: &FieldSet, record: &Record, computed: Fields) -> Fields {
    let mut row = record.fields.clone();
    row.extend(object.derived(&record.fields, computed));
    row.extend(custom::slots(set, &record.custom));
    row.insert("id".to_owned(), record.id.to_string().into());
    row.insert("version".to_owned(), record.version.into());
    row.insert("custom".to_owned(), Value::Object(record.custom.clone()));
    row
}

/// Leaves slots as they are that no definition of the set has. The set is current, so a key that it does not know is of a field
/// that this version of the service does not understand: another wrote the value, and its slot must not be lost.
pub(crate) async fn keep_slots(
    tx: &mut TenantTx,
    object: &Object,
    set: &FieldSet,
    id: Uuid,
    row: &mut Fields,
) -> Result<(), DbError> {
    let Some(Value::Object(whole)) = store::whole(tx, object, id).await? else { return Ok(()) };
    let is_foreign = |name: &str| {
        name.parse::<SlotColumn>().is_ok_and(|slot| set.all().iter().all(|known| known.slot != Some(slot)))
    };
    row.extend(whole.into_iter().filter(|(name, _)| is_foreign(name)));
    Ok(())
}

/// Puts what records have in a side table, as that of live or deleted ones.
pub(crate) async fn put_side(
    tx: &mut TenantTx,
    object: &Object,
    side: &SideTable,
    records: &[&Record],
    live: bool,
) -> Result<(), DbError> {
    let (mut ids, mut firsts, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        let Some(value) = record.fields.get(side.field) else { continue };
        for (first, second) in (side.pairs)(value) {
            ids.push(record.id);
            firsts.push(first);
            seconds.push(second);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    store::put_side(tx, side.put, object, &ids, &firsts, &seconds, live).await
}

/// Puts the values of unique fields that records have, as those of live or deleted ones.
pub(crate) async fn put_uniques(
    tx: &mut TenantTx,
    object: &Object,
    set: &FieldSet,
    records: &[&Record],
    live: bool,
) -> Result<(), DbError> {
    let (mut ids, mut fields, mut digests): (Vec<Uuid>, Vec<Uuid>, Vec<Vec<u8>>) = Default::default();
    for record in records {
        for (field, digest) in custom::uniques(set, &record.custom) {
            ids.push(record.id);
            fields.push(field);
            digests.push(digest);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    store::put_uniques(tx, object, &ids, &fields, &digests, live).await
}

/// The row is locked, so this can only be a change of the row's owner or version by means other than this service.
fn concurrent() -> Error {
    Error::new(Code::Aborted, Reason::CONCURRENT_CHANGE, "someone else changed the same record; try again")
}
