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
    Skip,
    Refuse(Violation),
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
    let mut seen: HashSet<String> = HashSet::new();
    let (mut tally, mut errors, mut records) = (Tally::default(), Vec::new(), Vec::new());
    for row in &mut read {
        tally.done += 1;
        let fate = fate(app, cx, plan, &author, row, &known, &mut seen);
        if !row.violations.is_empty() {
            note(&mut errors, plan, row.line, &row.violations);
            tally.failed += 1;
            continue;
        }
        match fate {
            Fate::Skip => tally.skipped += 1,
            Fate::Create(record) => records.push((row.line, record)),
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
    let created = unrefused(&mut tx, cx, plan, records, &mut errors, &mut tally).await?;
    tally.created += created.len() as i64;
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
    let holders = store::holders(tx, &addresses).await?;
    let ids: Vec<Uuid> = holders.iter().map(|(_, id)| *id).collect();
    let scope = RowScope::from(&cx.snapshot.predicate(CONTACT.name, "read"));
    let visible: HashSet<Uuid> =
        crate::record::store::reached(tx, &CONTACT, &ids, &scope).await?.into_iter().collect();
    Ok(holders.into_iter().filter(|(_, id)| visible.contains(id)).collect())
}

fn fate(
    app: &App,
    cx: &Context,
    plan: &Plan,
    author: &Author,
    row: &mut ReadRow,
    known: &HashMap<String, Uuid>,
    seen: &mut HashSet<String>,
) -> Fate {
    let address = row.address().map(str::to_owned);
    let holder = address.as_ref().and_then(|a| known.get(a)).copied();
    // Only a row that makes a contact makes its successors duplicates.
    let repeated = address.as_ref().is_some_and(|a| holder.is_some() || seen.contains(a));
    let fate = match plan.policy {
        DuplicatePolicy::Create | DuplicatePolicy::Unspecified => None,
        _ if !repeated => None,
        DuplicatePolicy::Update => match holder {
            Some(id) => Some(Fate::Update(id)),
            // Its first row is in this very batch and not written yet.
            None => Some(Fate::Refuse(Violation::new(
                "/emails",
                "DUPLICATE_ROW",
                "an earlier row has this address",
            ))),
        },
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
        seen.insert(address);
    }
    Fate::Create(record)
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
    let mut after = before.clone();
    for (name, value) in row.fields.iter().filter(|(name, _)| *name != "emails") {
        after.set(name, value.clone());
    }
    let mut violations = Vec::new();
    custom::merge(&plan.set, &plan.mask, &mut after.custom, &row.custom, app.region, &mut violations);
    if !violations.is_empty() {
        return Ok(Err(violations));
    }
    create::finish_fields(&CONTACT, &mut after);
    if diff(&CONTACT, &before, &after).is_empty() || plan.dry_run {
        return Ok(Ok(()));
    }
    after.version += 1;
    write::touch(&mut after, author);
    let scope = RowScope::from(&cx.snapshot.predicate(CONTACT.name, "update"));
    write::update(tx, author, &CONTACT, &plan.set, (&before, &after), &scope, Vec::new()).await?;
    Ok(Ok(()))
}

/// Takes out the records that refer to nothing or repeat a unique value, with their errors.
async fn unrefused(
    tx: &mut TenantTx,
    cx: &Context,
    plan: &Plan,
    records: Vec<(u64, Record)>,
    errors: &mut Vec<RowError>,
    tally: &mut Tally,
) -> Result<Vec<Record>, Error> {
    let mut kept = Vec::with_capacity(records.len());
    let mut taken: HashSet<(Uuid, Vec<u8>)> = HashSet::new();
    for (line, record) in records {
        let references = reference::all(&CONTACT, &plan.set, None, &record);
        let owner_aside: Vec<_> = references.into_iter().filter(|r| r.pointer != "/owner_id").collect();
        let mut violations = reference::records(tx, cx, &owner_aside).await?;
        let uniques = custom::uniques(&plan.set, &record.custom);
        if !uniques.is_empty() {
            let repeated = uniques.iter().any(|value| !taken.insert(value.clone()));
            let refused = match unique::check(tx, cx, &CONTACT, &plan.set, &record).await {
                Err(error) if error.reason() == "DUPLICATE_VALUE" => true,
                other => other.map(|()| repeated)?,
            };
            if refused {
                violations.push(Violation::new(
                    "",
                    "DUPLICATE_VALUE",
                    "another contact has a value that must be unique",
                ));
            }
        }
        if violations.is_empty() {
            kept.push(record);
        } else {
            note(errors, plan, line, &violations);
            tally.failed += 1;
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
