//! Changes to records because the state of a record that they name has changed: a reference to a purged record is dropped, for
//! instance.
//!
//! No caller has sent such a change, so it does not pass [`super::prepare`], and it writes only the field that names the record.
//! Like any other change it makes a version, a row of the change log and an event.

mod store;

use std::collections::BTreeSet;

use db::{DbError, TenantTx};
use serde_json::Value;
use uuid::Uuid;

use super::change::Author;
use super::peer_records::State;
use super::revise::{Following, rewrite};
use super::{Object, store as record_store};

/// Records whose state has changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    /// Their object.
    pub(crate) object: &'a str,
    pub(crate) ids: &'a [Uuid],
    pub(crate) state: State,
}

/// The outcome for a slice of the records that may name others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slice {
    /// Records that have changed.
    pub(crate) changed: usize,
    /// The last record of the slice, when there may be more.
    pub(crate) more: Option<Uuid>,
    /// Those that a list in the slice names.
    pub(crate) named: BTreeSet<Uuid>,
}

/// Applies the state of `named` to a slice of the records of `holder` that name one of them: the first `limit` after the id `after`.
pub(crate) async fn follow(
    tx: &mut TenantTx,
    author: &Author,
    holder: &'static Object,
    named: Named<'_>,
    (after, limit): (Uuid, usize),
) -> Result<Slice, DbError> {
    let ids = holders(tx, holder, named, after, limit).await?;
    let more = ids.last().copied().filter(|_| ids.len() == limit);
    if ids.is_empty() {
        return Ok(Slice::default());
    }
    let (mut changed, mut seen) = (0, BTreeSet::new());
    let mut records = record_store::lock_all(tx, holder, &ids).await?;
    for following in &holder.statements().following {
        let column = following.column;
        let changes = records.iter_mut().filter_map(|record| {
            let before = record.fields.get(column).cloned().unwrap_or_default();
            let after = followed(holder, column, &before, named, &mut seen);
            (after != before).then_some(Following { record, before, after })
        });
        let changes: Vec<_> = changes.collect();
        changed += changes.len();
        rewrite(tx, author, holder, column, changes).await?;
    }
    Ok(Slice { changed, more, named: seen })
}

/// Whether a record of these objects names one of `named` in a way that its state matters to.
pub(crate) async fn is_named(
    tx: &mut TenantTx,
    objects: &[&'static Object],
    named: Named<'_>,
) -> Result<bool, DbError> {
    for object in objects {
        if !holders(tx, object, named, Uuid::nil(), 1).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first `limit` records of `holder` after an id that name one of `named`: one statement for each field, whatever the number of
/// ids.
async fn holders(
    tx: &mut TenantTx,
    holder: &Object,
    named: Named<'_>,
    after: Uuid,
    limit: usize,
) -> Result<Vec<Uuid>, DbError> {
    let mut ids = BTreeSet::new();
    for following in &holder.statements().following {
        if named.state == State::Purged && holds_id(holder, following.column, named.object) {
            ids.extend(store::holders(tx, following.holders, named.ids, after, limit).await?);
        }
    }
    for (_, naming) in holder.naming() {
        ids.extend(store::list_holders(tx, naming.holders, named.object, named.ids, after, limit).await?);
    }
    Ok(ids.into_iter().take(limit).collect())
}

fn holds_id(holder: &Object, column: &str, object: &str) -> bool {
    holder.links().iter().any(|(name, of)| *name == column && *of == object)
}

/// The value after the change. Adds those of `named` that a list names to `seen`.
fn followed(
    holder: &Object,
    column: &str,
    before: &Value,
    named: Named<'_>,
    seen: &mut BTreeSet<Uuid>,
) -> Value {
    if holds_id(holder, column, named.object) {
        let id = before.as_str().and_then(|text| Uuid::try_parse(text).ok());
        let is_gone = named.state == State::Purged && id.is_some_and(|id| named.ids.contains(&id));
        return if is_gone { Value::Null } else { before.clone() };
    }
    let Some((_, naming)) = holder.naming().iter().find(|(name, _)| *name == column) else {
        return before.clone();
    };
    let concerned = (naming.ids)(before)
        .into_iter()
        .filter(|reference| reference.object == named.object && named.ids.contains(&reference.id));
    concerned.fold(before.clone(), |value, reference| {
        seen.insert(reference.id);
        (naming.follow)(&value, named.object, reference.id, named.state)
    })
}
