//! One batch: read, find duplicates, write, note errors, checkpoint; one transaction.

use std::collections::{HashMap, HashSet};

use auth::Context;
use db::TenantTx;
use error::{Error, Violation};
use events::Lane;
use proto::records::v1::DuplicatePolicy;
use query::RowScope;
use uuid::Uuid;

use super::plan::Plan;
use super::row::{self, ReadRow};
use super::store::{self, Claimed, Tally};
use super::table::Row;
use crate::App;
use crate::contacts::CONTACT;
use crate::operations::store::RowError;
use crate::record::change::{Author, diff};
use crate::record::{Record, create, custom, reference, unique, write};

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Committed.
    Done(Tally),
    /// Somebody asked for the end; nothing of the batch was done.
    Cancelled,
    /// Another worker has the operation; nothing of the batch was done.
    Lost,
}

/// What to do with a row whose address a contact has.
enum Fate {
    Create(Record),
    Update(Uuid),
    /// Into the contact that an earlier row of the batch makes.
    Merge(usize),
    Skip,
    Refuse(Violation),
}

/// A contact that the batch is to make.
struct Pending {
    line: u64,
    record: Record,
    /// The later rows that were merged into it.
    merged: Vec<u64>,
}

/// Works one batch of rows.
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    claimed: &Claimed,
    plan: &Plan,
    rows: &[Row],
) -> Result<Outcome, Error> {
    let author = Author { lane: Lane::Bulk, ..Author::of(cx, &app.clock) };
    let mut read: Vec<ReadRow> = rows.iter().map(|row| row::read(app, plan, row)).collect();

    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    db::fence::check(&mut tx, cx).await?;
    match store::hold(&mut tx, claimed).await? {
        None => return Ok(Outcome::Lost),
        Some(true) => {
            store::finish(&mut tx, claimed, "cancelled", None, author.now).await?;
            tx.commit().await?;
            return Ok(Outcome::Cancelled);
        }
        Some(false) => {}
    }
    let known = known(&mut tx, cx, &read).await?;
    let mut seen: HashMap<String, usize> = HashMap::new();
    let (mut tally, mut errors, mut pending) = (Tally::default(), Vec::new(), Vec::<Pending>::new());
    for row in &mut read {
        tally.done += 1;
        let fate = fate(app, cx, plan, &author, row, &known, &mut seen, pending.len());
        if !row.violations.is_empty() {
            note(&mut errors, plan, row.line, &row.violations);
            tally.failed += 1;
            continue;
        }
        match fate {
            Fate::Skip => tally.skipped += 1,
            Fate::Create(record) => pending.push(Pending { line: row.line, record, merged: Vec::new() }),
            Fate::Merge(at) => match pending.get_mut(at).map(|p| (set(app, plan, &p.record, row), p)) {
                Some((Ok(record), earlier)) => {
                    earlier.record = record;
                    earlier.merged.push(row.line);
                }
                Some((Err(violations), _)) => {
                    note(&mut errors, plan, row.line, &violations);
                    tally.failed += 1;
                }
                None => return Err(Error::internal("a row repeats one that is not there")),
            },
            Fate::Update(id) => match update(app, &mut tx, cx, plan, &author, id, row).await? {
                Ok(()) => tally.updated += 1,
                Err(violations) => {
                    note(&mut errors, plan, row.line, &violations);
                    tally.failed += 1;
                }
            },
            Fate::Refuse(violation) => {
                note(&mut errors, plan, row.line, &[violation]);
                tally.failed += 1;
            }
        }
    }
    let created = unrefused(&mut tx, app, cx, plan, pending, &mut errors, &mut tally).await?;
    if !plan.dry_run && !created.is_empty() {
        write::insert(&mut tx, &author, &CONTACT, &plan.set, &created).await?;
    }
    if !errors.is_empty() {
        store::add_errors(&mut tx, claimed.id, &errors).await?;
    }
    store::checkpoint(&mut tx, claimed, tally, app.clock.now_micros()).await?;
    tx.commit().await?;
    app.wake.notify();
    Ok(Outcome::Done(tally))
}

/// The contacts that have addresses of the batch, of those that the caller may see. The addresses stay locked.
async fn known(tx: &mut TenantTx, cx: &Context, read: &[ReadRow]) -> Result<HashMap<String, Uuid>, Error> {
    let addresses: Vec<&str> = read.iter().filter_map(ReadRow::address).collect();
    if addresses.is_empty() {
        return Ok(HashMap::new());
    }
    store::lock_addresses(tx, &addresses).await?;
    let scope = RowScope::from(&cx.snapshot.predicate(CONTACT.name, "read"));
    Ok(store::holders(tx, &addresses, &scope).await?.into_iter().collect())
}

#[allow(clippy::too_many_arguments, reason = "one step of a batch: each argument is another thing")]
fn fate(
    app: &App,
    cx: &Context,
    plan: &Plan,
    author: &Author,
    row: &mut ReadRow,
    known: &HashMap<String, Uuid>,
    seen: &mut HashMap<String, usize>,
    next: usize,
) -> Fate {
    let address = row.address().map(str::to_owned);
    let holder = address.as_ref().and_then(|a| known.get(a)).copied();
    // Only a row that makes a contact makes its successors duplicates.
    let earlier = address.as_ref().and_then(|a| seen.get(a)).copied();
    let repeated = holder.is_some() || earlier.is_some();
    let fate = match plan.policy {
        DuplicatePolicy::Create | DuplicatePolicy::Unspecified => None,
        _ if !repeated => None,
        DuplicatePolicy::Update => holder.map(Fate::Update).or(earlier.map(Fate::Merge)),
        DuplicatePolicy::Skip => Some(Fate::Skip),
        DuplicatePolicy::Fail => {
            Some(Fate::Refuse(Violation::new("/emails", "DUPLICATE", "a contact has this address")))
        }
    };
    if let Some(fate) = fate {
        return fate;
    }
    let record = row.record(app, plan, author, &cx.user().to_string());
    if row.violations.is_empty()
        && let Some(address) = address
    {
        seen.insert(address, next);
    }
    Fate::Create(record)
}

/// The contact with what a row sets.
fn set(app: &App, plan: &Plan, before: &Record, row: &ReadRow) -> Result<Record, Vec<Violation>> {
    let mut after = before.clone();
    for (name, value) in row.fields.iter().filter(|(name, _)| *name != "emails") {
        after.set(name, value.clone());
    }
    let mut violations = Vec::new();
    custom::merge(&plan.set, &plan.mask, &mut after.custom, &row.custom, app.region, &mut violations);
    create::finish_fields(&CONTACT, &mut after);
    if violations.is_empty() { Ok(after) } else { Err(violations) }
}

/// Writes what a row sets into the contact that has its address.
async fn update(
    app: &App,
    tx: &mut TenantTx,
    cx: &Context,
    plan: &Plan,
    author: &Author,
    id: Uuid,
    row: &ReadRow,
) -> Result<Result<(), Vec<Violation>>, Error> {
    let Some(before) = crate::record::store::lock(tx, &CONTACT, id).await? else { return Ok(Ok(())) };
    if !cx.reaches(CONTACT.name, "update", &before.facts()) {
        let refused =
            Violation::new("", "PERMISSION_DENIED", "you may not change the contact that has this address");
        return Ok(Err(vec![refused]));
    }
    let mut after = match set(app, plan, &before, row) {
        Ok(after) => after,
        Err(violations) => return Ok(Err(violations)),
    };
    if diff(&CONTACT, &before, &after).is_empty() {
        return Ok(Ok(()));
    }
    let mut violations = references(tx, app, cx, plan, Some(&before), &after).await?;
    let uniques = |record: &Record| custom::uniques(&plan.set, &record.custom);
    if uniques(&before) != uniques(&after) && is_taken(tx, cx, plan, &after).await? {
        violations.push(taken_value());
    }
    if !violations.is_empty() {
        return Ok(Err(violations));
    }
    if plan.dry_run {
        return Ok(Ok(()));
    }
    after.version += 1;
    write::touch(&mut after, author);
    let scope = RowScope::from(&cx.snapshot.predicate(CONTACT.name, "update"));
    write::update(tx, author, &CONTACT, &plan.set, (&before, &after), &scope, Vec::new()).await?;
    Ok(Ok(()))
}

/// The violations of ids that a row sets. The owner of a new contact is who imports.
async fn references(
    tx: &mut TenantTx,
    app: &App,
    cx: &Context,
    plan: &Plan,
    before: Option<&Record>,
    after: &Record,
) -> Result<Vec<Violation>, Error> {
    let mut references = reference::all(&CONTACT, &plan.set, before, after);
    references.retain(|r| r.pointer != "/owner_id");
    let mut violations = app.people.check(cx, &references).await?;
    violations.extend(reference::records(tx, cx, &references).await?);
    Ok(violations)
}

/// Whether another contact has a value of this one that must be unique.
async fn is_taken(tx: &mut TenantTx, cx: &Context, plan: &Plan, record: &Record) -> Result<bool, Error> {
    match unique::check(tx, cx, &CONTACT, &plan.set, record).await {
        Err(error) if error.reason() == "DUPLICATE_VALUE" => Ok(true),
        other => other.map(|()| false),
    }
}

fn taken_value() -> Violation {
    Violation::new("", "DUPLICATE_VALUE", "another contact has a value that must be unique")
}

/// Takes out the contacts that refer to nothing or repeat a unique value, with their errors, and counts both.
async fn unrefused(
    tx: &mut TenantTx,
    app: &App,
    cx: &Context,
    plan: &Plan,
    pending: Vec<Pending>,
    errors: &mut Vec<RowError>,
    tally: &mut Tally,
) -> Result<Vec<Record>, Error> {
    let mut kept = Vec::with_capacity(pending.len());
    let mut taken: HashSet<(Uuid, Vec<u8>)> = HashSet::new();
    for Pending { line, record, merged } in pending {
        let mut violations = references(tx, app, cx, plan, None, &record).await?;
        let uniques = custom::uniques(&plan.set, &record.custom);
        if !uniques.is_empty() {
            let repeated = uniques.iter().any(|value| taken.contains(value));
            if repeated || is_taken(tx, cx, plan, &record).await? {
                violations.push(taken_value());
            }
        }
        if violations.is_empty() {
            taken.extend(uniques);
            tally.created += 1;
            tally.updated += merged.len() as i64;
            kept.push(record);
        } else {
            for line in std::iter::once(line).chain(merged) {
                note(errors, plan, line, &violations);
                tally.failed += 1;
            }
        }
    }
    Ok(kept)
}

fn note(errors: &mut Vec<RowError>, plan: &Plan, line: u64, violations: &[Violation]) {
    for (number, violation) in violations.iter().enumerate() {
        errors.push(RowError {
            line: line as i64,
            number: number as i32 + 1,
            column_name: plan.column_of(&violation.pointer).to_owned(),
            reason: violation.reason.clone().into_owned(),
            detail: violation.detail.clone().into_owned(),
        });
    }
}
