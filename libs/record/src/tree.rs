//! Records that stand below others of their object: a company and its parent. None may stand above itself, however many
//! levels lie between.

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use input::Violations;
use query::RowScope;
use uuid::Uuid;

use super::prepare::Taken;
use super::reference::Reference;
use super::{Fields, Object, store};

/// A record is put below at most this many levels, which bounds the walk up.
const MAX_ABOVE: i32 = 50;

/// Takes the lock of an object's tree if these fields move a record under another. Two moves at once could each be right and
/// make a circle together, so they are made one after the other.
///
/// It is to be taken before any record is locked: a move that held its record while it waited would be waited for in turn, as
/// the one before it must lock the record above.
pub async fn lock(tx: &mut TenantTx, object: &Object, fields: &Fields) -> Result<(), Error> {
    let moves = |tree: &str| fields.get(tree).is_some_and(|above| !above.is_null());
    if object.tree.is_some_and(moves) {
        store::lock_tree(tx, object).await?;
    }
    Ok(())
}

/// Adds the violation of a record that would stand below itself, or too deep. Records in the trash are walked through as well:
/// one that comes back finds its place as it was.
///
/// `references` are the new ones. Of what the caller cannot refer to, nothing is told but that.
pub(crate) async fn check(
    tx: &mut TenantTx,
    (cx, object): (&Context, &'static Object),
    id: Uuid,
    references: &[Reference],
    taken: &mut impl Taken,
    violations: &mut Violations,
) -> Result<(), Error> {
    let Some(field) = object.tree else { return Ok(()) };
    let pointer = format!("/{field}");
    let Some(above) = references.iter().find(|reference| reference.pointer == pointer) else { return Ok(()) };
    if violations.iter().any(|violation| violation.pointer == pointer) {
        return Ok(());
    }
    let (is_circle, passed) = taken.walk_up(tx, object, (above.id, id), MAX_ABOVE + 1).await?;
    let is_deep = passed.len() > MAX_ABOVE as usize;
    if !is_circle && !is_deep {
        return Ok(());
    }
    // How records hang together of which the caller does not see one is not told: one answer for all of it.
    let scope = RowScope::from(&cx.snapshot.predicate(object.name, "read"));
    let seen = store::reached(tx, object, &passed, &scope).await?;
    let sees_field = !cx.mask(object.name).hides(field);
    let sees_all = scope.all || passed.iter().all(|id| seen.contains(id));
    if !sees_field || !sees_all {
        violations.note(pointer, Reason::REFERENCE_NOT_POSSIBLE, "the record cannot be placed there");
    } else if is_circle {
        violations.note(pointer, Reason::REFERENCE_CYCLE, "is below this record itself");
    } else {
        let text = format!("a record has at most {MAX_ABOVE} others above it");
        violations.note(pointer, Reason::REFERENCE_TOO_DEEP, text);
    }
    Ok(())
}
