//! References of rows to what other services keep: asked for once for a batch, before its transaction begins.

use auth::Context;
use error::Error;
use record::reference::{self, Reference};
use record::{Fields, Record};
use uuid::Uuid;

use super::Imports;
use super::plan::Plan;
use super::row::ReadRow;

/// Notes at each row what is known of its references. Of a row that is wrong in itself nothing is looked up.
pub(super) async fn ask(
    imports: &Imports,
    cx: &Context,
    plan: &Plan,
    rows: &mut [Option<ReadRow>],
) -> Result<(), Error> {
    let mut all = Vec::new();
    for (at, row) in rows.iter_mut().enumerate() {
        let Some(row) = row.as_mut().filter(|row| row.violations.is_empty()) else { continue };
        let (owner_id, team_id, custom) = (None, None, row.custom.clone());
        let mut record =
            Record { id: Uuid::nil(), version: 0, owner_id, team_id, fields: Fields::new(), custom };
        for (name, value) in &row.fields {
            record.set(name, value.clone());
        }
        let references = reference::all(plan.importable.object, &plan.set, None, &record);
        row.asked = references.into_iter().filter(|r| imports.env.references.asks_for(&r.object)).collect();
        let of_row = |r: &Reference| Reference { pointer: format!("{at}{}", r.pointer), ..r.clone() };
        all.extend(row.asked.iter().map(of_row));
    }
    if all.is_empty() {
        return Ok(());
    }
    for mut violation in imports.env.references.check(cx, &all).await? {
        let Some((at, pointer)) = violation.pointer.split_once('/') else { continue };
        let (at, pointer) = (at.parse::<usize>().ok(), format!("/{pointer}"));
        if let Some(row) = at.and_then(|at| rows.get_mut(at)).and_then(Option::as_mut) {
            violation.pointer = pointer;
            row.unknown.push(violation);
        }
    }
    Ok(())
}
