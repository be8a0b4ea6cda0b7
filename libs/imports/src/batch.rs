//! One batch: read, decide row by row, write, note errors, checkpoint; one transaction.

use record::change::Author;
use record::{fence, tree, write};
use std::time::Duration;

use auth::Context;
use db::TenantTx;
use error::{Error, Reason, Violation};
use events::Lane;
use field_types::text::cut;
use operations::{Claim, KeptErrors, RowError, Tally};
use query::RowScope;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use super::blame;
use super::decide::{Decider, Done};
use super::file::{Fault, Header, Row};
use super::importable::Key;
use super::overlay::Overlay;
use super::plan::Plan;
use super::row::{self, ReadRow};
use super::store::{self, Holder};
use super::{Imports, owners, references};

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

/// How long rows of a batch are judged: what is left of them is the next batch's.
const BUDGET: Duration = Duration::from_millis(400);
/// Rows that are read or judged before other tasks of the process have their turn: it takes no more than some milliseconds.
const AT_ONCE: usize = 16;
/// Statement and lock timeout of a batch, in milliseconds: others wait for the rows and fences that it holds.
pub(super) const STATEMENT: i32 = 1_000;
/// A batch that took longer does not commit: its permissions may have been revoked meanwhile, and the caller that revoked them
/// has already been told that the revocation is in force.
const LONGEST: Duration = Duration::from_millis(1_600);
/// Bytes of a text of an error.
const MAX_TEXT: usize = 300;

/// Works the first rows of a batch, as many as there is time for.
pub(crate) async fn run(
    imports: &Imports,
    cx: &Context,
    claim: &Claim,
    plan: &Plan,
    (header, rows): (&Header, &[Row]),
) -> Result<Outcome, Error> {
    let mut author = Author { lane: Lane::Bulk, ..Author::of(&imports.env, cx) };
    // The import's own records are found by this, whichever instance made them and however its clock goes.
    author.now = author.now.max(claim.created_at);
    // What is made of a row that breaks the grammar; nothing, if it does.
    let mut read: Vec<Option<ReadRow>> = Vec::with_capacity(rows.len());
    for rows in rows.chunks(AT_ONCE) {
        read.extend(rows.iter().map(|row| row.faults.is_empty().then(|| row::read(imports, plan, row))));
        tokio::task::yield_now().await;
    }
    owners::find(&imports.users, cx, &mut read).await?;
    imports.lookups.ahead(cx, plan.importable, &mut read).await?;
    references::ask(imports, cx, plan, &mut read).await?;

    let begun = Instant::now();
    let mut tx = TenantTx::begin_job(&imports.env.db, cx.tenant).await?;
    db::fence::check(&mut tx, cx).await?;
    let held = match claim.hold(&mut tx, STATEMENT).await? {
        None => return Ok(Outcome::Lost),
        Some(held) if held.cancelled => {
            held.cancel(&mut tx, author.now).await?;
            tx.commit().await?;
            return Ok(Outcome::Cancelled);
        }
        Some(held) => held,
    };
    let object = plan.importable.object;
    let moves = object.tree.and_then(|tree| read.iter().flatten().find(|row| row.fields.contains_key(tree)));
    if let Some(row) = moves {
        // Before any record is locked.
        tree::lock(&mut tx, object, &row.fields).await?;
    }
    fence::check(&mut tx, object, &plan.set).await?;
    imports.lookups.within(&mut tx, cx, plan.importable, &mut read).await?;
    find_by_id(&mut tx, cx, plan, &mut read).await?;
    let values: Vec<_> = read.iter().flatten().flat_map(|row| row.keys(plan)).collect();
    let known = known(&mut tx, cx, plan, (author.actor, claim.created_at), &values).await?;
    let mut overlay = Overlay::open(&mut tx, claim, plan, &values, known).await?;
    let decider = Decider { imports, cx, plan, author: &author };
    let (mut tally, mut errors) = (Tally::default(), Errors(KeptErrors::new(held.errors)));
    for (row, read) in rows.iter().zip(&mut read) {
        if tally.done > 0 && begun.elapsed() > BUDGET {
            break;
        }
        if tally.done.unsigned_abs().is_multiple_of(AT_ONCE as u64) {
            tokio::task::yield_now().await;
        }
        tally.done += 1;
        let Some(read) = read else {
            errors.note_faults(plan, header, &row.faults);
            tally.failed += 1;
            continue;
        };
        match decider.decide(&mut tx, &mut overlay, read).await? {
            Ok(Done::Created) => tally.created += 1,
            Ok(Done::Updated) => tally.updated += 1,
            Ok(Done::Skipped) => tally.skipped += 1,
            Err(violations) => {
                errors.note(plan, read, &violations);
                tally.failed += 1;
            }
        }
    }
    let made = overlay.close(&mut tx).await?;
    if !made.records.is_empty() {
        write::insert(&mut tx, &plan.writing(imports, cx, &author), &made.records).await?;
    }
    if let Some(attached) = plan.importable.attached.filter(|_| !made.attached.is_empty()) {
        attached.put(&mut tx, author.actor, &made.attached).await?;
    }
    let errors = errors.0.counted(&mut tally);
    if !errors.is_empty() {
        held.add_errors(&mut tx, &errors).await?;
    }
    held.checkpoint(&mut tx, tally, imports.env.clock.now_micros()).await?;
    if begun.elapsed() > LONGEST {
        tx.rollback().await?;
        return Err(Error::unavailable(Reason::BATCH_TOO_LONG, "a batch of the import took too long"));
    }
    tx.commit().await?;
    imports.env.wake.notify();
    Ok(Outcome::Done(tally))
}

/// Finds the records that rows are about by their ids.
async fn find_by_id(
    tx: &mut TenantTx,
    cx: &Context,
    plan: &Plan,
    rows: &mut [Option<ReadRow>],
) -> Result<(), Error> {
    let ids: Vec<Uuid> = rows.iter().flatten().filter_map(|row| row.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let object = plan.importable.object;
    let scope = RowScope::from(&cx.snapshot.predicate(object.name, "read"));
    let reached = record::store::reached(tx, object, &ids, &scope).await?;
    for row in rows.iter_mut().flatten() {
        let Some(id) = row.id else { continue };
        if reached.contains(&id) {
            row.record = Some(id);
        } else {
            row.violations.push(Violation::reference_not_found("/id"));
        }
    }
    Ok(())
}

/// The records that have values of the batch, those that the caller may not know of as well: what is theirs is taken. Where rows find
/// records by values that several may have, these stay locked.
async fn known(
    tx: &mut TenantTx,
    cx: &Context,
    plan: &Plan,
    import: (Uuid, OffsetDateTime),
    values: &[(&'static Key, (String, String))],
) -> Result<Vec<(&'static Key, Holder)>, Error> {
    let object = plan.importable.object;
    let scope = RowScope::from(&cx.snapshot.predicate(object.name, "read"));
    let mut known = Vec::new();
    for key in plan.importable.keys.iter().filter(|key| key.is_unique || plan.merges()) {
        let of_key = values.iter().filter(|(of, _)| of.field == key.field);
        let pairs: Vec<(String, String)> = of_key.map(|(_, pair)| pair.clone()).collect();
        if pairs.is_empty() {
            continue;
        }
        // As a call locks them that makes a record.
        if let Some(likeness) = object.likeness.filter(|likeness| likeness.field == key.field) {
            let values: Vec<&str> = pairs.iter().map(|(value, _)| value.as_str()).collect();
            record::store::lock_values(tx, likeness.kind, &values).await?;
        }
        let holders = store::holders(tx, key, &pairs, &scope, import).await?;
        known.extend(holders.into_iter().map(|holder| (key, holder)));
    }
    Ok(known)
}

/// The errors of a batch, with the columns and fields that they are about.
struct Errors(KeptErrors);

impl Errors {
    fn note(&mut self, plan: &Plan, row: &ReadRow, violations: &[Violation]) {
        for (number, violation) in violations.iter().enumerate() {
            let (column, field) = blame::place(plan, row, &violation.pointer);
            self.0.push(RowError {
                line: row.line as i64,
                record_id: None,
                number: number as i32 + 1,
                column_name: cut(&column, MAX_TEXT).to_owned(),
                field: cut(&field, MAX_TEXT).to_owned(),
                reason: violation.reason.clone().into_owned(),
                detail: cut(&violation.detail, MAX_TEXT).to_owned(),
            });
        }
    }

    /// Notes why nothing was made of a row.
    fn note_faults(&mut self, plan: &Plan, header: &Header, faults: &[Fault]) {
        for (number, fault) in faults.iter().enumerate() {
            let fed = plan.columns.iter().find(|(at, _)| fault.cell == Some(*at));
            let field = fed.map_or("", |(_, column)| column.field.as_str());
            self.0.push(RowError {
                line: fault.line as i64,
                record_id: None,
                number: number as i32 + 1,
                column_name: cut(fault.column(&header.names), MAX_TEXT).to_owned(),
                field: cut(field, MAX_TEXT).to_owned(),
                reason: fault.reason.as_str().to_owned(),
                detail: cut(&fault.detail, MAX_TEXT).to_owned(),
            });
        }
    }
}
