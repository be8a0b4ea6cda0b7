//! Changes that follow from what happens to the records that a record names: purged, they are named no longer.
//!
//! Nobody has asked for such a change, so it passes no [`super::prepare`]: it writes the one field that names the record and
//! nothing that a caller has sent. Like any other change it makes a version, a row of the change log and an event.

mod store;

use std::collections::BTreeSet;

use db::{DbError, TenantTx};
use serde_json::{Value, json};
use uuid::Uuid;

use super::change::{self, Author, Diff};
use super::elsewhere::State;
use super::store::Logged;
use super::{Object, Record, store as record_store, write};

/// Records that have come to a state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    /// What they are.
    pub(crate) object: &'a str,
    pub(crate) ids: &'a [Uuid],
    pub(crate) state: State,
}

/// How far a slice came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slice {
    /// Records that have changed.
    pub(crate) changed: usize,
    /// The last record looked at, when there may be more.
    pub(crate) more: Option<Uuid>,
}

/// Brings a slice of those records of `holder` that name one of `named` up to its state: `limit` records after the id `after`.
pub(crate) async fn follow(
    tx: &mut TenantTx,
    author: &Author,
    holder: &'static Object,
    named: Named<'_>,
    (after, limit): (Uuid, usize),
) -> Result<Slice, DbError> {
    let mut ids = BTreeSet::new();
    for following in &holder.statements().following {
        if named.state == State::Purged && holds_id(holder, following.column, named.object) {
            ids.extend(store::holders(tx, following.holders, named.ids, after, limit).await?);
        }
    }
    for (_, naming) in holder.naming() {
        for id in named.ids {
            ids.extend(store::list_holders(tx, naming.holders, named.object, *id, after, limit).await?);
        }
    }
    let ids: Vec<Uuid> = ids.into_iter().take(limit).collect();
    let more = ids.last().copied().filter(|_| ids.len() == limit);
    if ids.is_empty() {
        return Ok(Slice::default());
    }
    let mut changed = 0;
    let mut records = record_store::lock_all(tx, holder, &ids).await?;
    for following in &holder.statements().following {
        let column = following.column;
        let changes = records.iter_mut().filter_map(|record| {
            let before = record.fields.get(column).cloned().unwrap_or_default();
            let after = followed(holder, column, &before, named);
            (after != before).then_some(Following { record, before, after })
        });
        let changes: Vec<_> = changes.collect();
        changed += changes.len();
        rewrite(tx, author, holder, column, changes).await?;
    }
    Ok(Slice { changed, more })
}

fn holds_id(holder: &Object, column: &str, object: &str) -> bool {
    holder.links().iter().any(|(name, of)| *name == column && *of == object)
}

fn followed(holder: &Object, column: &str, before: &Value, named: Named<'_>) -> Value {
    if holds_id(holder, column, named.object) {
        let id = before.as_str().and_then(|text| Uuid::try_parse(text).ok());
        let is_gone = named.state == State::Purged && id.is_some_and(|id| named.ids.contains(&id));
        return if is_gone { Value::Null } else { before.clone() };
    }
    let Some((_, naming)) = holder.naming().iter().find(|(name, _)| *name == column) else {
        return before.clone();
    };
    named.ids.iter().fold(before.clone(), |value, id| (naming.follow)(&value, named.object, *id, named.state))
}

/// A locked record, with what it names before and after.
#[derive(Debug)]
pub struct Following<'a> {
    /// As it was; it is brought to its next version.
    pub record: &'a mut Record,
    /// The value before.
    pub before: Value,
    /// The value after.
    pub after: Value,
}

/// Gives locked records their next version with another value of one field. One that is in no column of theirs was changed before: the
/// version, the log and the event are all that is written.
pub async fn rewrite(
    tx: &mut TenantTx,
    author: &Author,
    object: &Object,
    field: &'static str,
    changes: Vec<Following<'_>>,
) -> Result<(), DbError> {
    if changes.is_empty() {
        return Ok(());
    }
    let following = object.statements().following.iter().find(|following| following.column == field);
    let (mut rows, mut logged, mut events, mut records) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for Following { record, before, after } in changes {
        record.version += 1;
        write::touch(record, author);
        if following.is_some() {
            record.set(field, after.clone());
        }
        let row = |name: &str| record.fields.get(name).cloned().unwrap_or_default();
        rows.push(json!({
            "id": record.id, "version": record.version, "updated_at": row("updated_at"),
            "updated_by": row("updated_by"), field: after.clone(),
        }));
        let diffs = [Diff { field: field.to_owned(), before, after }];
        logged.push(Logged { record_id: record.id, version: record.version, before: change::before(&diffs) });
        events.push(change::event(author, object, "updated", record, &diffs));
        records.push(&*record);
    }
    let statement = following.map_or(object.statements().touch, |following| following.rewrite);
    store::rewrite(tx, statement, rows).await?;
    for side in object.sides.iter().filter(|side| side.field == field) {
        let ids: Vec<Uuid> = records.iter().map(|record| record.id).collect();
        record_store::clear_side(tx, side.clear, &ids).await?;
        let (deleted, live): (Vec<&Record>, Vec<&Record>) =
            records.iter().copied().partition(|record| record.is_deleted());
        write::put_side(tx, object, side, &live, true).await?;
        write::put_side(tx, object, side, &deleted, false).await?;
    }
    record_store::log(tx, object, "updated", author, &logged).await?;
    // After the statement that raised the versions: its locks keep events in their order.
    events::outbox::append_many(tx, &events).await
}
