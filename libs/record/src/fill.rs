//! Fills what is derived of records by newer definitions than they were written by: the slot of a field that gets its index later.

use db::TenantTx;
use error::Error;
use uuid::Uuid;

use crate::computed::Computed;
use crate::definitions::FieldSet;
use crate::derived::{Due, put_columns_right};
use crate::{Object, fence, store};

/// Records filled at once.
const SLICE: i64 = 200;

/// What was filled.
#[derive(Clone, Copy, Debug)]
pub struct Filled {
    /// Records looked at.
    pub seen: i64,
    /// Those that were changed.
    pub changed: i64,
    /// The last of them.
    pub last: Option<Uuid>,
    /// Whether there may be more behind it.
    pub more: bool,
}

/// Writes what is derived of the next records after an id by these definitions, which the fence must have as well. Versions stay, and
/// nobody is told: no value changes.
///
/// Errors: 409 `DEFINITIONS_CHANGED`.
pub async fn fill(
    tx: &mut TenantTx,
    object: &'static Object,
    set: &FieldSet,
    after: Uuid,
) -> Result<Filled, Error> {
    fence::check(tx, object, set).await?;
    let records = store::slice(tx, object, after, SLICE).await?;
    let seen = records.len() as i64;
    let (last, more) = (records.last().map(|record| record.id), seen == SLICE);
    let mut all = Vec::with_capacity(records.len());
    for record in records {
        let computed = Computed::of(object, &record).await?.into_values();
        all.push(Due { record, computed });
    }
    let changed = put_columns_right(tx, object, set, all).await?;
    Ok(Filled { seen, changed: changed.cast_signed(), last, more })
}
