use field_types::{FieldType, SlotColumn};

use super::{equal, equal_key, money, plain, prefix_range, text_binds};
use crate::check::Test;
use crate::schema::CustomField;
use crate::sql::{Bind, Sql};

/// A test of a custom field: by its slot, rechecked against the canonical value where the slot says less; without slot
/// by the canonical value alone.
pub(super) fn test(sql: &mut Sql, field: &CustomField, test: &Test) -> String {
    match field.slot {
        Some(slot) => by_slot(sql, field, slot, test),
        None => by_value(sql, field, test),
    }
}

fn by_slot(sql: &mut Sql, field: &CustomField, slot: SlotColumn, test: &Test) -> String {
    let column = format!("t.{}", slot.name());
    match test {
        Test::Text(texts) => {
            let by_key = equal_key(sql, &column, texts, |text| field_types::slot_key(field.field_type, text));
            let value = text_value(sql, field);
            let exact = equal(sql, &value, text_binds(texts));
            format!("({by_key} AND {exact})")
        }
        Test::Prefix(prefix) => prefix_range(sql, &column, prefix),
        Test::Money(op, amounts) => {
            let currency = currency(sql, field);
            // Whole minor units within 2^53 are exact in float8.
            money(sql, &column, |minor| Bind::Float(minor as f64), &currency, *op, amounts)
        }
        test => plain(sql, &column, test),
    }
}

fn by_value(sql: &mut Sql, field: &CustomField, test: &Test) -> String {
    match test {
        Test::Present => format!("{} IS NOT NULL", json_value(sql, field)),
        Test::ContainsOption(key) => {
            let list = json_value(sql, field);
            format!("{list} ? {}", sql.bind(Bind::Text(key.clone())))
        }
        Test::Money(op, amounts) => {
            let amount = number_at(&format!("{}->'amount_minor'", json_value(sql, field)));
            let currency = currency(sql, field);
            money(sql, &amount, |minor| Bind::Float(minor as f64), &currency, *op, amounts)
        }
        test => {
            let value = typed_value(sql, field);
            plain(sql, &value, test)
        }
    }
}

/// The value of an unindexed field in the type that its slot would have.
pub(crate) fn typed_value(sql: &mut Sql, field: &CustomField) -> String {
    match field.field_type {
        FieldType::Integer | FieldType::Decimal => number_at(&json_value(sql, field)),
        FieldType::Money => number_at(&format!("{}->'amount_minor'", json_value(sql, field))),
        FieldType::Boolean => format!("({})::boolean::int::float8", text_value(sql, field)),
        FieldType::Date => format!("(({} || 'T00:00:00Z')::timestamptz)", text_value(sql, field)),
        FieldType::Datetime => format!("({})::timestamptz", text_value(sql, field)),
        FieldType::Lookup => format!("({})::uuid", text_value(sql, field)),
        _ => text_value(sql, field),
    }
}

fn number_at(json: &str) -> String {
    format!("({json})::float8")
}

fn currency(sql: &mut Sql, field: &CustomField) -> String {
    format!("{}->>'currency'", json_value(sql, field))
}

fn json_value(sql: &mut Sql, field: &CustomField) -> String {
    format!("{}.custom->{}", holder(field), sql.bind(Bind::Text(field.key.clone())))
}

fn text_value(sql: &mut Sql, field: &CustomField) -> String {
    format!("{}.custom->>{}", holder(field), sql.bind(Bind::Text(field.key.clone())))
}

/// Where the values lie: those of fields without slot are looked at in every row, so they are unpacked once for all
/// comparisons (see [`UNPACKED`]); a slot has found the few rows that are rechecked.
fn holder(field: &CustomField) -> &'static str {
    if field.slot.is_some() { "t" } else { "u" }
}

/// `u.custom`: the row's custom values, out of their compressed form. `||` makes the copy, and OFFSET keeps the planner from
/// putting it back into each comparison.
pub(crate) const UNPACKED: &str =
    " CROSS JOIN LATERAL (SELECT t.custom || '{}'::jsonb AS custom OFFSET 0) AS u";
