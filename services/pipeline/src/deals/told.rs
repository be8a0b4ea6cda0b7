//! What others hear of a deal that has changed its stage: the event `stage_changed`, with the names of that time, which a change of the deal does
//! not say.

use std::collections::BTreeMap;

use db::{DbError, TenantTx};
use events::NewEvent;
use record::Record;
use record::change::{Author, Diff, event};
use serde_json::{Value, json};
use uuid::Uuid;

use super::DEAL;
use super::outcomes;
use super::place::{id, number};
use super::store;

/// A deal that came to a stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved<'a> {
    pub(super) before: Option<&'a Record>,
    pub(super) after: &'a Record,
    pub(super) reason: Option<&'a str>,
    /// As the stage history has it.
    pub(super) source: &'static str,
}

/// A stage as a version of its pipeline has it: pipeline, version, stage.
pub(super) type Stood = (Uuid, i32, Uuid);

/// The events of deals that came to stages.
pub(super) async fn stage_changed(
    tx: &mut TenantTx,
    author: &Author,
    moved: &[Moved<'_>],
) -> Result<Vec<NewEvent>, DbError> {
    let asked = moved.iter().flat_map(|moved| [moved.before.and_then(stood), stood(moved.after)]).flatten();
    let asked: Vec<Stood> = asked.collect();
    let names = store::stage_names(tx, &asked).await?;
    moved.iter().for_each(outcomes::count);
    let events = moved.iter().map(|moved| {
        let diff = |field: &str, before: Value, after: Value| Diff { field: field.to_owned(), before, after };
        let was =
            |name: &str| moved.before.and_then(|before| before.value(name)).cloned().unwrap_or_default();
        let is = |name: &str| moved.after.value(name).cloned().unwrap_or_default();
        let diffs = [
            diff("stage", stage(&names, moved.before), stage(&names, Some(moved.after))),
            diff("pipeline_id", was("pipeline_id"), is("pipeline_id")),
            diff("pipeline_version", was("pipeline_version"), is("pipeline_version")),
            diff("reason", Value::Null, moved.reason.into()),
            diff("source", Value::Null, moved.source.into()),
        ];
        event(author, &DEAL, "stage_changed", moved.after, &diffs)
    });
    Ok(events.collect())
}

fn stood(deal: &Record) -> Option<Stood> {
    Some((id(deal, "pipeline_id")?, number(deal, "pipeline_version"), id(deal, "stage_id")?))
}

/// The stage where a deal stood, as it was called then.
fn stage(names: &BTreeMap<Stood, (String, Option<String>)>, deal: Option<&Record>) -> Value {
    let Some(stood) = deal.and_then(stood) else { return Value::Null };
    let named = names.get(&stood).map(|(key, name)| (key, name.as_ref().unwrap_or(key)));
    json!({"stage_id": stood.2, "key": named.map(|(key, _)| key), "name": named.map(|(_, name)| name)})
}
