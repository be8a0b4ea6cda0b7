//! Records that are like another one: they are allowed, and whoever makes one unknowingly hears of it.

use auth::Context;
use db::TenantTx;
use error::{Code, Error, Reason};
use proto::common::v1::CandidatesDetail;
use query::RowScope;
use serde_json::Value;
use uuid::Uuid;

use super::prepare::Plan;
use super::{Record, store};

/// By what records of an object are alike.
#[derive(Debug)]
pub struct Likeness {
    /// The field.
    pub field: &'static str,
    /// The kind under which the keys are locked.
    pub kind: &'static str,
    /// What is compared of its value: who has one of these in common is alike.
    pub keys: fn(&Value) -> Vec<String>,
    /// What a caller is told.
    pub detail: &'static str,
    /// `$2` keys, `$3` `$4` `$5` a row scope: some of the live records that have one of the keys and lie within the scope.
    pub holders: &'static str,
}

/// What happens to a new record that is like another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alike {
    /// It is made all the same.
    Allowed,
    /// It is refused.
    Refused,
}

impl Alike {
    /// Refused, unless the call or its organization allows it.
    pub fn of(cx: &Context, allowed: bool) -> Self {
        if allowed || cx.snapshot.allows_duplicates() { Self::Allowed } else { Self::Refused }
    }
}

/// Refuses a record that is like others: 409 `DUPLICATE` with those others.
///
/// Only records that the caller may read count. One that is hidden from them must not be found out by making another one like it,
/// and nobody could be told what to use instead.
///
/// Of several calls that make records with the same keys at the same moment, one is first and the others hear of its record: the keys are
/// locked until the transaction ends. Imports lock the addresses of their rows alike. Changes and restored records do not, as they are
/// not refused.
pub(crate) async fn check(tx: &mut TenantTx, plan: &Plan<'_>, record: &Record) -> Result<(), Error> {
    let Plan { cx, object, mask, .. } = *plan;
    let Some(likeness) = object.likeness.filter(|likeness| !mask.hides(likeness.field)) else {
        return Ok(());
    };
    let keys = record.fields.get(likeness.field).map(likeness.keys).unwrap_or_default();
    if keys.is_empty() {
        return Ok(());
    }
    let texts: Vec<&str> = keys.iter().map(String::as_str).collect();
    store::lock_values(tx, likeness.kind, &texts).await?;
    let scope = RowScope::from(&cx.snapshot.predicate(object.name, "read"));
    let holders = store::alike(tx, likeness.holders, &keys, &scope).await?;
    if holders.is_empty() { Ok(()) } else { Err(refused(likeness, &holders)) }
}

fn refused(likeness: &Likeness, holders: &[Uuid]) -> Error {
    let candidate_ids = holders.iter().map(Uuid::to_string).collect();
    Error::new(Code::AlreadyExists, Reason::DUPLICATE, likeness.detail)
        .with_metadata("fields", likeness.field)
        .with_detail("globcrm.common.v1.CandidatesDetail", &CandidatesDetail { candidate_ids })
}
