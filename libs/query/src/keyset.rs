//! The rows after a position, and their order, as SQL.

use uuid::Uuid;

use crate::cursor::Position;
use crate::list::Phase;
use crate::order::{Key, Order};
use crate::sql::{Bind, Sql};

/// Appends the condition of a phase and of the position inside it.
pub(crate) fn push(sql: &mut Sql, order: &Order<'_>, phase: Phase, after: Option<&Position>) {
    let keys = inside(order, phase);
    if let Some(first) = order.keys.first().filter(|first| first.nullable) {
        let expression = first.expression(sql);
        // Also what lets a row comparison use the partial index of a slot.
        let is = if phase == Phase::Set { "IS NOT NULL" } else { "IS NULL" };
        sql.push(format!(" AND {expression} {is}"));
    }
    let Some(after) = after else { return };
    let values = &after.keys[after.keys.len().saturating_sub(keys.len())..];
    let condition = match (keys, values) {
        ([first], [Some(value)])
            if first.descends == order.id_descends && (phase == Phase::Set || !first.nullable) =>
        {
            // One key that is set and the id, in one direction: a row comparison is one index range.
            let expression = first.expression(sql);
            let (value, id) = (sql.bind(value.clone()), sql.bind(Bind::Uuid(after.id)));
            let op = beyond(first.descends);
            format!("({expression}, t.id) {op} ({value}, {id})")
        }
        ([first, rest @ ..], [Some(value), values @ ..]) if phase == Phase::Set => {
            // The range on the first key serves its index; the rest sorts out the ties.
            let expression = first.expression(sql);
            let value = sql.bind(value.clone());
            let op = beyond(first.descends);
            let ties = after_in_ties(sql, order, rest, values, after.id);
            format!("{expression} {op}= {value} AND ({expression} {op} {value} OR {ties})")
        }
        (keys, values) => after_in_ties(sql, order, keys, values, after.id),
    };
    sql.push(format!(" AND {condition}"));
}

/// Appends ORDER BY for a phase.
pub(crate) fn push_order(sql: &mut Sql, order: &Order<'_>, phase: Phase) {
    sql.push(" ORDER BY ");
    for (index, key) in inside(order, phase).iter().enumerate() {
        let expression = key.expression(sql);
        let direction = if key.descends { " DESC" } else { "" };
        // The first key is never null in its phase, and an index read backwards has nulls first.
        let is_first = index == 0 && phase == Phase::Set;
        let nulls = if key.nullable && key.descends && !is_first { " NULLS LAST" } else { "" };
        sql.push(format!("{expression}{direction}{nulls}, "));
    }
    sql.push(if order.id_descends { "t.id DESC" } else { "t.id" });
}

/// The keys that vary inside a phase: where the first one is unset, it is equal in all rows.
fn inside<'o, 'a>(order: &'o Order<'a>, phase: Phase) -> &'o [Key<'a>] {
    match phase {
        Phase::Set => &order.keys,
        Phase::Unset => order.keys.get(1..).unwrap_or_default(),
    }
}

/// After the position, for rows whose earlier keys are equal; unset values come last.
fn after_in_ties(
    sql: &mut Sql,
    order: &Order<'_>,
    keys: &[Key<'_>],
    values: &[Option<Bind>],
    id: Uuid,
) -> String {
    let ([key, rest @ ..], [value, values @ ..]) = (keys, values) else {
        let op = beyond(order.id_descends);
        return format!("t.id {op} {}", sql.bind(Bind::Uuid(id)));
    };
    let expression = key.expression(sql);
    let deeper = |sql: &mut Sql| after_in_ties(sql, order, rest, values, id);
    match value {
        None => format!("({expression} IS NULL AND {})", deeper(sql)),
        Some(value) => {
            let value = sql.bind(value.clone());
            let op = beyond(key.descends);
            let unset = if key.nullable { format!(" OR {expression} IS NULL") } else { String::new() };
            format!("({expression} {op} {value}{unset} OR ({expression} = {value} AND {}))", deeper(sql))
        }
    }
}

fn beyond(descends: bool) -> &'static str {
    if descends { "<" } else { ">" }
}
