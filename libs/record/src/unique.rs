//! Values that one live record alone may have: external ids, a company's domains, unique custom fields.

use std::collections::BTreeSet;

use auth::Context;
use db::{DbError, TenantTx};
use error::{Code, Error, Reason};
use proto::common::v1::CandidatesDetail;
use query::RowScope;
use uuid::Uuid;

use super::definitions::FieldSet;
use super::{Object, Record, custom, store};

/// Refuses records that would have a value another live record has: 409 `DUPLICATE_VALUE` with the fields and with those
/// of the other records that the caller may see.
pub(crate) async fn check(
    tx: &mut TenantTx,
    cx: &Context,
    object: &Object,
    set: &FieldSet,
    record: &Record,
) -> Result<(), Error> {
    // Field and holder of each value that is taken.
    let mut taken: Vec<(String, Uuid)> = Vec::new();
    for side in object.sides {
        let (Some(statement), Some(value)) = (side.holders, record.fields.get(side.field)) else { continue };
        let pairs = (side.pairs)(value);
        let found = store::side_holders(tx, statement, object, record.id, &pairs).await?;
        taken.extend(found.into_iter().map(|holder| (side.field.to_owned(), holder)));
    }
    let uniques = custom::uniques(set, &record.custom);
    if !uniques.is_empty() {
        for (holder, field) in store::unique_holders(tx, object, record.id, &uniques).await? {
            let key = set.all().iter().find(|d| d.id == field).map(|d| format!("custom.{}", d.key));
            taken.push((key.unwrap_or_default(), holder));
        }
    }
    if taken.is_empty() {
        return Ok(());
    }
    // Whom a hidden value belongs to is not told.
    let mask = set.mask(object, cx.mask(object.name));
    taken.retain(|(field, _)| !field.is_empty() && !mask.hides(field));
    let (fields, holders): (BTreeSet<String>, Vec<Uuid>) = taken.into_iter().unzip();
    let scope = RowScope::from(&cx.snapshot.predicate(object.name, "read"));
    let mut visible = store::reached(tx, object, &holders, &scope).await?;
    visible.sort_unstable();
    Err(refused(fields, &visible))
}

/// The values of a record that one live record alone may have, each with what it is a value of.
pub(crate) fn values(object: &Object, set: &FieldSet, record: &Record) -> BTreeSet<(String, Vec<u8>)> {
    let sides = object.sides.iter().filter(|side| side.holders.is_some());
    let sides = sides.filter_map(|side| Some((side, record.fields.get(side.field)?)));
    let pairs = sides.flat_map(|(side, value)| {
        let bytes = |(first, second): (String, String)| [first.as_bytes(), &[0], second.as_bytes()].concat();
        (side.pairs)(value).into_iter().map(move |pair| (side.field.to_owned(), bytes(pair)))
    });
    let custom = custom::uniques(set, &record.custom);
    pairs.chain(custom.into_iter().map(|(field, digest)| (field.to_string(), digest))).collect()
}

/// What a unique index that lost a race looks like from outside.
pub(crate) fn lost_race(error: DbError) -> Error {
    match error.duplicate() {
        Some(_) => refused(BTreeSet::new(), &[]).with_source(error),
        None => error.into(),
    }
}

fn refused(fields: BTreeSet<String>, candidates: &[Uuid]) -> Error {
    let fields: Vec<String> = fields.into_iter().collect();
    let candidate_ids = candidates.iter().map(Uuid::to_string).collect();
    Error::new(Code::AlreadyExists, Reason::DUPLICATE_VALUE, "another record has a value that must be unique")
        .with_metadata("fields", fields.join(","))
        .with_detail("globcrm.common.v1.CandidatesDetail", &CandidatesDetail { candidate_ids })
}
