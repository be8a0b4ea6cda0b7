//! Which slot a field gets, and what becomes of the archived field that has kept it.

use auth::Context;
use db::TenantTx;
use field_types::{FieldType, SlotColumn};
use ids::Clock;

use super::definition::{Definition, Object};
use super::{limits, save_change, slots, store};

/// A slot for a field. Whoever gets it notes its use, after the field is stored.
pub(super) struct Given {
    pub(super) slot: SlotColumn,
    /// Records still have what another field has left there.
    pub(super) used_before: bool,
    /// Number of this assignment.
    pub(super) assignment: i64,
}

/// A slot that is free, or else one that an archived field keeps: it loses it, and its index with it. Only where somebody clears what it
/// has left there.
///
/// Errors: 422 `FIELD_LIMIT_REACHED`.
pub(super) async fn give_slot(
    tx: &mut TenantTx,
    cx: &Context,
    clock: &Clock,
    object: Object,
    field_type: FieldType,
) -> error::Result<Given> {
    let assignment = store::object_version(tx, object).await?;
    if let Some(slot) = slots::assign(field_type, &store::slots_taken(tx, object).await?) {
        return Ok(Given { slot, used_before: false, assignment });
    }
    let kept = if object.fills_slots() { store::slots_of_archived(tx, object).await? } else { Vec::new() };
    let slot = slots::of_archived(field_type, &kept).ok_or_else(|| limits::no_slot(object, field_type))?;
    if let Some(holder) = store::holder(tx, object, slot).await?
        && let Some(before) = store::find(tx, object, holder).await?
    {
        let after = Definition { slot: None, filling: false, ..before.clone() };
        save_change(tx, cx, clock, "updated", &before, after).await?;
    }
    Ok(Given { slot, used_before: true, assignment })
}
