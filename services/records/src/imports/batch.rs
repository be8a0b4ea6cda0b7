//! One batch: read, judge row by row, write, note errors, checkpoint; one transaction.

use auth::Context;
use db::TenantTx;
use error::{Error, Violation};
use events::Lane;
use query::RowScope;
use uuid::Uuid;

use super::book::Book;
use super::judge::{Done, Judge};
use super::plan::Plan;
use super::row::{self, ReadRow};
use super::store::{self, Claimed, Tally};
use super::table::Row;
use crate::App;
use crate::contacts::CONTACT;
use crate::operations::store::RowError;
use crate::record::change::Author;
use crate::record::{fence, write};

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

/// Works one batch of rows.
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    claimed: &Claimed,
    plan: &Plan,
    rows: &[Row],
) -> Result<Outcome, Error> {
    let mut author = Author { lane: Lane::Bulk, ..Author::of(cx, &app.clock) };
    // The import's own contacts are found by this, whichever instance made them and however its clock goes.
    author.now = author.now.max(claimed.created_at);
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
    fence::check(&mut tx, &CONTACT, &plan.set).await?;
    let addresses: Vec<&str> = read.iter().filter_map(ReadRow::address).collect();
    let known = known(&mut tx, cx, claimed, author.actor, &addresses).await?;
    let mut book = Book::open(&mut tx, claimed, plan, &addresses, known).await?;
    let judge = Judge { app, cx, plan, author: &author };
    let (mut tally, mut errors) = (Tally::default(), Vec::new());
    for row in &mut read {
        tally.done += 1;
        match judge.judge(&mut tx, &mut book, row).await? {
            Ok(Done::Created) => tally.created += 1,
            Ok(Done::Updated) => tally.updated += 1,
            Ok(Done::Skipped) => tally.skipped += 1,
            Err(violations) => {
                note(&mut errors, plan, row.line, &violations);
                tally.failed += 1;
            }
        }
    }
    let made = book.close(&mut tx).await?;
    if !made.is_empty() {
        write::insert(&mut tx, &author, &CONTACT, &plan.set, &made).await?;
    }
    if !errors.is_empty() {
        store::add_errors(&mut tx, claimed.id, &errors).await?;
    }
    store::checkpoint(&mut tx, claimed, tally, app.clock.now_micros()).await?;
    tx.commit().await?;
    app.wake.notify();
    Ok(Outcome::Done(tally))
}

/// The contacts that have addresses of the batch: of those that the caller may see, and of those that the import itself has
/// made. The addresses stay locked.
async fn known(
    tx: &mut TenantTx,
    cx: &Context,
    claimed: &Claimed,
    actor: Uuid,
    addresses: &[&str],
) -> Result<Vec<(String, Uuid)>, Error> {
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    store::lock_addresses(tx, addresses).await?;
    let scope = RowScope::from(&cx.snapshot.predicate(CONTACT.name, "read"));
    Ok(store::holders(tx, addresses, &scope, (actor, claimed.created_at)).await?)
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
