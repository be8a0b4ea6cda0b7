//! What an operation would do: it is done to the first records, in transactions that are rolled back.

use std::collections::BTreeMap;

use auth::{Context, FieldMask};
use db::TenantTx;
use error::Error;
use events::Lane;
use proto::common::v1::{BulkChange, BulkPreview, BulkRefusal, BulkSample};
use record::Record;
use record::change::{Author, diff};
use record::fence::{self, Tries};
use record::many::{self, Outcome};
use record::prepare::{Path, Plan};
use serde_json::Value;
use uuid::Uuid;

use crate::Bulk;
use crate::asked::{Asked, Change};
use crate::batch::field_of;
use crate::create::Terms;

/// Records that are tried, and how many of them in one transaction, which locks them.
const EXAMINED: usize = 500;
const AT_ONCE: usize = 100;
/// Records shown with what would change; ids shown with a refusal.
const SAMPLES: usize = 10;
const IDS: usize = 3;

/// Tries the first of the records.
pub(crate) async fn preview(
    bulk: &Bulk,
    cx: &Context,
    (asked, change): (&Asked, &Change),
    records: &[Uuid],
) -> Result<BulkPreview, Error> {
    let mut found = Found::default();
    let mut preview = BulkPreview {
        matched: i64::try_from(records.len()).map_err(Error::internal)?,
        ..BulkPreview::default()
    };
    let examined = &records[..records.len().min(EXAMINED)];
    let mut tries = Tries::default();
    for ids in examined.chunks(AT_ONCE) {
        let (outcomes, mask) = loop {
            match attempt(bulk, cx, (asked, change), ids).await {
                Err(error) if tries.again(&error) => fence::renew(&bulk.env, cx, asked.target.object).await?,
                tried => break tried?,
            }
        };
        for (id, outcome) in outcomes {
            preview.examined += 1;
            match outcome {
                Outcome::Changed(changed) => {
                    preview.changed += 1;
                    if preview.samples.len() < SAMPLES {
                        let (before, after) = *changed;
                        let changes = changes(asked, (&before, &after), |name| mask.hides(name));
                        preview.samples.push(BulkSample { id: id.to_string(), changes });
                    }
                }
                Outcome::Same => preview.unchanged += 1,
                // No version is expected here.
                Outcome::ChangedSince => {}
                Outcome::Refused(violations) => {
                    preview.refused += 1;
                    for violation in violations {
                        let field = field_of(asked.action, &violation.pointer);
                        found.add(id, violation.reason.into_owned(), field, violation.detail.into_owned());
                    }
                }
            }
        }
    }
    preview.refusals = found.into_wire();
    Ok(preview)
}

/// What would happen to these, and what of it the caller may see.
async fn attempt(
    bulk: &Bulk,
    cx: &Context,
    (asked, change): (&Asked, &Change),
    ids: &[Uuid],
) -> Result<(Vec<(Uuid, Outcome)>, FieldMask), Error> {
    let Terms { set, mask } = bulk.terms(cx, asked, "").await?;
    let author = Author { lane: Lane::Bulk, ..Author::of(&bulk.env, cx) };
    let object = asked.target.object;
    let plan = Plan { env: &bulk.env, cx, object, set: &set, mask: &mask, author: &author, path: Path::Bulk };
    let mut tx = TenantTx::begin(&bulk.env.db, cx.tenant).await?;
    db::fence::check(&mut tx, cx).await?;
    let outcomes = match fence::check(&mut tx, object, &set).await {
        Ok(()) => many::apply(&mut tx, &plan, &change.of_each(), ids, None).await,
        Err(error) => Err(error),
    };
    tx.rollback().await?;
    Ok((outcomes?, mask))
}

/// The fields that differ, without those that the caller does not see.
fn changes(
    asked: &Asked,
    (before, after): (&Record, &Record),
    hides: impl Fn(&str) -> bool,
) -> Vec<BulkChange> {
    let json = |value: &Value| value.to_string().into_bytes().into();
    let mut changes: Vec<BulkChange> = diff(asked.target.object, before, after)
        .into_iter()
        .filter(|diff| !hides(&diff.field))
        .map(|diff| BulkChange { before: json(&diff.before), after: json(&diff.after), field: diff.field })
        .collect();
    let deleted_at = |record: &Record| record.value("deleted_at").cloned().unwrap_or_default();
    if before.is_deleted() != after.is_deleted() {
        let (before, after) = (json(&deleted_at(before)), json(&deleted_at(after)));
        changes.push(BulkChange { field: "deleted_at".to_owned(), before, after });
    }
    changes
}

/// Refusals by reason and field.
#[derive(Debug, Default)]
struct Found(BTreeMap<(String, String), BulkRefusal>);

impl Found {
    fn add(&mut self, id: Uuid, reason: String, field: String, detail: String) {
        let of = self.0.entry((reason.clone(), field.clone()));
        let refusal = of.or_insert_with(|| BulkRefusal { reason, field, detail, ..BulkRefusal::default() });
        refusal.count += 1;
        if refusal.ids.len() < IDS {
            refusal.ids.push(id.to_string());
        }
    }

    fn into_wire(self) -> Vec<BulkRefusal> {
        let mut refusals: Vec<BulkRefusal> = self.0.into_values().collect();
        refusals.sort_by_key(|refusal| std::cmp::Reverse(refusal.count));
        refusals
    }
}
