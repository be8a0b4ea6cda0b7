//! `order_by`: at most three keys, then the id.
//!
//! Unset values come last in both directions. The id breaks every tie, in the direction of the last key, so that a
//! descending order is the index `(tenant_id, column, id)` read backwards. Without keys the order is by id, ascending.
//!
//! The first key is served by its index in two phases: first the rows that have a value, in index order, then the rows
//! without one, in the order of the other keys. A single statement with NULLS LAST would sort the whole set.

use error::Error;
use field_types::FieldType;

use crate::check::Limits;
use crate::compile;
use crate::list::Deleted;
use crate::refusal;
use crate::schema::{Kind, Named, Schema, Source};
use crate::sql::Sql;

/// Most keys in one order.
pub const MAX_KEYS: usize = 3;
/// Longest order, in bytes.
pub const MAX_BYTES: usize = 1_000;

/// A checked order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order<'a> {
    pub(crate) keys: Vec<Key<'a>>,
    /// Whether ids descend.
    pub(crate) id_descends: bool,
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key<'a> {
    pub(crate) field: Named<'a>,
    pub(crate) descends: bool,
    pub(crate) nullable: bool,
    pub(crate) kind: KeyKind,
}

/// The SQL type of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Int,
    Float,
    Bool,
    Text,
    Date,
    Time,
}

/// Reads and checks an order of these rows.
pub(crate) fn parse<'a>(
    schema: &Schema<'a>,
    text: &'a str,
    rows: Deleted,
    limits: Limits,
) -> Result<Order<'a>, Error> {
    let mut order = Order { keys: Vec::new(), id_descends: false };
    if text.len() > MAX_BYTES {
        return Err(refusal::order(0, format!("an order has at most {MAX_BYTES} bytes")));
    }
    if text.trim().is_empty() {
        return Ok(order);
    }
    let mut start = 0;
    let mut ends_with_id = false;
    for part in text.split(',') {
        let at = text[..start].chars().count() + part.chars().take_while(|c| c.is_whitespace()).count();
        start += part.len() + 1;
        let mut words = part.split_whitespace();
        let Some(name) = words.next() else { return Err(refusal::order(at, "expected a field")) };
        let descends = match (words.next(), words.next()) {
            (None, _) | (Some("asc"), None) => false,
            (Some("desc"), None) => true,
            _ => return Err(refusal::order(at, "a field can be followed by asc, desc or nothing")),
        };
        if ends_with_id {
            return Err(refusal::order(at, "no field can follow id, which is unique"));
        }
        order.id_descends = descends;
        if name == "id" {
            ends_with_id = true;
            continue;
        }
        if order.keys.len() == MAX_KEYS {
            return Err(refusal::order(at, format!("an order has at most {MAX_KEYS} fields")));
        }
        let key = key(schema, at, name, descends)?;
        if order.keys.iter().any(|other| other.field.name == name) {
            return Err(refusal::order(at, "a field is repeated"));
        }
        if !limits.allow_unindexed && !may_stand(&key, order.keys.is_empty(), rows) {
            return Err(refusal::not_indexed(schema.table.object, &key.field, rows));
        }
        order.keys.push(key);
    }
    Ok(order)
}

/// The first key must be served by an index; custom values without slot are not sorted by even inside ties.
fn may_stand(key: &Key<'_>, is_first: bool, rows: Deleted) -> bool {
    if is_first { key.field.is_indexed(rows) } else { !key.field.is_unpacked() }
}

fn key<'a>(schema: &Schema<'a>, at: usize, name: &'a str, descends: bool) -> Result<Key<'a>, Error> {
    let field = schema.field("order_by", at, name)?;
    let (kind, nullable) = match field.source {
        Source::Standard(standard) => (standard_kind(standard.kind), standard.nullable),
        Source::Custom(custom) => (custom_kind(custom.field_type), true),
    };
    match kind {
        Ok(kind) => Ok(Key { field, descends, nullable, kind }),
        Err(why) => Err(refusal::order(at, why)),
    }
}

fn standard_kind(kind: Kind) -> Result<KeyKind, &'static str> {
    match kind {
        Kind::Text { key: Some(_) } => Ok(KeyKind::Text),
        Kind::Integer | Kind::Money { .. } => Ok(KeyKind::Int),
        Kind::Float => Ok(KeyKind::Float),
        Kind::Boolean => Ok(KeyKind::Bool),
        Kind::Date => Ok(KeyKind::Date),
        Kind::Timestamp => Ok(KeyKind::Time),
        Kind::Enum(_) => Err("the values of this field have no order"),
        Kind::Text { key: None } | Kind::Passed | Kind::Uuid | Kind::Set(_) => Err("this field has no order"),
    }
}

fn custom_kind(field_type: FieldType) -> Result<KeyKind, &'static str> {
    match field_type {
        FieldType::Text | FieldType::Email | FieldType::Phone | FieldType::Url => Ok(KeyKind::Text),
        FieldType::Integer | FieldType::Decimal | FieldType::Money | FieldType::Boolean => Ok(KeyKind::Float),
        FieldType::Date | FieldType::Datetime => Ok(KeyKind::Time),
        FieldType::Picklist | FieldType::MultiPicklist => {
            Err("options are stored by key, whose order means nothing; they can be filtered by")
        }
        FieldType::LongText | FieldType::Lookup => Err("this field has no order"),
    }
}

impl Key<'_> {
    /// The expression that is sorted by.
    pub(crate) fn expression(&self, sql: &mut Sql) -> String {
        match self.field.source {
            Source::Standard(field) => match field.kind {
                Kind::Text { key: Some(key) } => format!("t.{key}"),
                _ => format!("t.{}", field.column),
            },
            Source::Custom(field) => match field.slot {
                Some(slot) => format!("t.{}", slot.name()),
                None => compile::sortable_value(sql, field),
            },
        }
    }
}
