//! Changes of records that no caller has sent. Like any other they make a version, a row of the change log and an event, by a number of
//! statements that does not depend on the number of records.

mod store;

use std::collections::BTreeMap;

use db::{DbError, TenantTx};
use serde_json::{Value, json};
use uuid::Uuid;

use super::change::{self, Author, Diff};
use super::store::Logged;
use super::{Fields, Object, Record, store as record_store, write};

/// A locked record, with one of its fields before and after.
#[derive(Debug)]
pub struct Following<'a> {
    /// As it was; it is brought to its next version.
    pub record: &'a mut Record,
    /// The value before.
    pub before: Value,
    /// The value after.
    pub after: Value,
}

/// A record in its next version.
struct Revised<'a> {
    record: &'a Record,
    /// The columns that are written.
    row: Fields,
    diffs: Vec<Diff>,
}

/// Gives locked records their next version with another value of one field. Where the field has no column of its own, its
/// value was written elsewhere, and only version, log and event are written here.
pub async fn rewrite(
    tx: &mut TenantTx,
    author: &Author,
    object: &Object,
    field: &'static str,
    changes: Vec<Following<'_>>,
) -> Result<(), DbError> {
    let following = object.statements().following.iter().find(|following| following.column == field);
    let revised = changes.into_iter().map(|Following { record, before, after }| {
        record.version += 1;
        write::touch(record, author);
        if following.is_some() {
            record.set(field, after.clone());
        }
        let mut row = row_of(record);
        row.insert(field.to_owned(), after.clone());
        Revised { record, row, diffs: vec![Diff { field: field.to_owned(), before, after }] }
    });
    let revised: Vec<Revised<'_>> = revised.collect();
    let statement = following.map_or(object.statements().touch, |following| following.rewrite);
    store_all(tx, author, object, statement, revised).await
}

/// Gives locked records their next version with other values of any standard fields; each pair is a record before and after. The
/// object's `derive` runs inside the transaction, so it must be quick.
pub async fn revise(
    tx: &mut TenantTx,
    author: &Author,
    object: &Object,
    changes: &mut [(Record, Record)],
) -> Result<(), DbError> {
    let revised = changes.iter_mut().map(|(before, after)| {
        after.version += 1;
        write::touch(after, author);
        let mut row = after.fields.clone();
        row.extend(object.derived(&after.fields, (object.derive)(&after.fields)));
        row.extend(row_of(after));
        Revised { diffs: change::diff(object, before, after), record: after, row }
    });
    let revised: Vec<Revised<'_>> = revised.collect();
    store_all(tx, author, object, object.statements().standard, revised).await
}

fn row_of(record: &Record) -> Fields {
    let value = |name: &str| record.fields.get(name).cloned().unwrap_or_default();
    Fields::from_iter([
        ("id".to_owned(), json!(record.id)),
        ("version".to_owned(), json!(record.version)),
        ("updated_at".to_owned(), value("updated_at")),
        ("updated_by".to_owned(), value("updated_by")),
    ])
}

async fn store_all(
    tx: &mut TenantTx,
    author: &Author,
    object: &Object,
    statement: &'static str,
    revised: Vec<Revised<'_>>,
) -> Result<(), DbError> {
    if revised.is_empty() {
        return Ok(());
    }
    let (mut rows, mut logged, mut events) = (Vec::new(), Vec::new(), Vec::new());
    let mut changed: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
    for Revised { record, row, diffs } in revised {
        rows.push(Value::Object(row));
        logged.push(Logged { record_id: record.id, version: record.version, before: change::before(&diffs) });
        events.push(change::event(author, object, "updated", record, &diffs));
        for diff in diffs {
            changed.entry(diff.field).or_default().push(record);
        }
    }
    store::write(tx, statement, rows).await?;
    for side in object.sides {
        let records = changed.get(side.field).map(Vec::as_slice).unwrap_or_default();
        let ids: Vec<Uuid> = records.iter().map(|record| record.id).collect();
        if ids.is_empty() {
            continue;
        }
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
