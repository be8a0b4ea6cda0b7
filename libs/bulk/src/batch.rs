//! One batch: the next records, what happens to each, their versions and errors, and the checkpoint; one transaction.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use auth::Context;
use db::TenantTx;
use error::{Error, Reason, Violation};
use events::Lane;
use operations::{Claim, KeptErrors, RowError, Tally};
use record::change::Author;
use record::fence;
use record::many::{self, Outcome};
use record::prepare::{Path, Plan};
use tokio::time::Instant;
use uuid::Uuid;

use crate::Bulk;
use crate::asked::{Action, Asked, Change};
use crate::create::Terms;
use crate::store::{self, Chosen};

/// Statement and lock timeout of a batch, in milliseconds: others wait for the records that it holds.
const STATEMENT: i32 = 1_000;
/// A batch that took longer does not commit: permissions may have been revoked meanwhile, and whoever revoked them was told that this is in
/// force.
const LONGEST: Duration = Duration::from_millis(1_600);
/// Characters of a text of an error.
const MAX_TEXT: usize = 300;

/// What happened to a batch.
#[derive(Debug)]
pub(crate) enum Batch {
    /// Committed; there may be more.
    Done,
    /// There was nothing left to do.
    Empty,
    /// The operation is another's, or cancelled.
    Over,
}

/// Works the next records, `most` at the most.
pub(crate) async fn run(
    bulk: &Bulk,
    cx: &Context,
    claim: &Claim,
    (asked, change, path): (&Asked, &Change, Path),
    (terms, most): (&Terms, i64),
) -> Result<Batch, Error> {
    let author = Author { lane: Lane::Bulk, ..Author::of(&bulk.env, cx) };
    let object = asked.target.object;
    let (set, mask) = (&terms.set, &terms.mask);
    let plan = Plan { env: &bulk.env, cx, object, set, mask, author: &author, path };
    let begun = Instant::now();
    let mut tx = TenantTx::begin_job(&bulk.env.db, cx.tenant).await?;
    db::fence::check(&mut tx, cx).await?;
    let Some(held) = claim.hold(&mut tx, STATEMENT).await? else { return Ok(Batch::Over) };
    if held.cancelled {
        held.cancel(&mut tx, author.now).await?;
        tx.commit().await?;
        return Ok(Batch::Over);
    }
    if let Err(error) = fence::check(&mut tx, object, set).await {
        // Its share is given back before it is raised.
        tx.rollback().await?;
        return Err(error);
    }
    let chosen = store::next(&mut tx, claim.id, claim.done, most).await?;
    if chosen.is_empty() {
        tx.rollback().await?;
        return Ok(Batch::Empty);
    }
    let ids: Vec<Uuid> = chosen.iter().map(|chosen| chosen.record_id).collect();
    let expected: BTreeMap<Uuid, i64> =
        chosen.iter().filter_map(|chosen| Some((chosen.record_id, chosen.expected?))).collect();
    let expected = (path == Path::Undo).then_some(&expected);
    let outcomes = many::apply(&mut tx, &plan, &change.of_each(), &ids, expected).await?;

    let mut notes = Notes::new(asked.action, held.errors);
    let outcomes: HashMap<Uuid, Outcome> = outcomes.into_iter().collect();
    for chosen in &chosen {
        // What there was no time for is the next batch's.
        let Some(outcome) = outcomes.get(&chosen.record_id) else { break };
        notes.note(chosen, outcome);
    }
    store::changed(&mut tx, claim.id, (&notes.numbers, &notes.versions)).await?;
    let Notes { mut tally, errors, .. } = notes;
    let errors = errors.counted(&mut tally);
    if !errors.is_empty() {
        held.add_errors(&mut tx, &errors).await?;
    }
    held.checkpoint(&mut tx, tally, bulk.env.clock.now_micros()).await?;
    if begun.elapsed() > LONGEST {
        tx.rollback().await?;
        return Err(Error::unavailable(Reason::BATCH_TOO_LONG, "a batch of a bulk operation took too long"));
    }
    tx.commit().await?;
    bulk.env.wake.notify();
    Ok(Batch::Done)
}

/// The field that a pointer is about, as `changes` names it.
pub(crate) fn field_of(action: Action, pointer: &str) -> String {
    match pointer.trim_start_matches('/').replace('/', ".").as_str() {
        "stage_reason" if action == Action::Move => "reason".to_owned(),
        field => field.to_owned(),
    }
}

/// What a batch notes: versions that records got, errors as many as may still be kept, and the tally.
struct Notes {
    action: Action,
    tally: Tally,
    numbers: Vec<i64>,
    versions: Vec<i64>,
    errors: KeptErrors,
}

impl Notes {
    fn new(action: Action, held: (i64, i64)) -> Self {
        let (numbers, versions) = Default::default();
        Self { action, tally: Tally::default(), numbers, versions, errors: KeptErrors::new(held) }
    }

    fn note(&mut self, chosen: &Chosen, outcome: &Outcome) {
        self.tally.done += 1;
        match outcome {
            Outcome::Changed(changed) => {
                self.tally.updated += 1;
                self.numbers.push(chosen.number);
                self.versions.push(changed.1.version);
            }
            Outcome::Same => self.tally.skipped += 1,
            Outcome::ChangedSince => {
                self.tally.skipped += 1;
                let text =
                    "the record was changed after the operation that is being undone; it was left as it is";
                self.push(chosen, 1, &Violation::new("", Reason::CHANGED_SINCE, text));
            }
            Outcome::Refused(violations) => {
                self.tally.failed += 1;
                for (violation, number) in violations.iter().zip(1..) {
                    self.push(chosen, number, violation);
                }
            }
        }
    }

    fn push(&mut self, chosen: &Chosen, number: i32, violation: &Violation) {
        self.errors.push(RowError {
            line: chosen.number,
            record_id: Some(chosen.record_id),
            number,
            column_name: String::new(),
            field: cut(&field_of(self.action, &violation.pointer)),
            reason: violation.reason.clone().into_owned(),
            detail: cut(&violation.detail),
        });
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
