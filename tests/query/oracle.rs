//! Filters and orders evaluated in memory, written from the rules and not from the SQL.

use std::cmp::Ordering;

use auth::RowFacts;
use field_types::{FieldType, moment, money, search_key, slot_key, text};
use query::Deleted;
use query::filter::{Comparison, Expr, Literal, Op};
use serde_json::Value;
use uuid::Uuid;

use super::fixture::{Ask, TYPES, Thing};

/// The ids that a list must have, in order.
pub(crate) fn expected(things: &[Thing], ask: &Ask) -> Vec<Uuid> {
    let expr = query::filter::parse(&ask.filter).unwrap();
    let mut kept: Vec<&Thing> = things
        .iter()
        .filter(|thing| thing.deleted == (ask.deleted == Deleted::Only))
        .filter(|thing| ask.predicate.evaluate(&RowFacts { owner_id: thing.owner, team_id: thing.team }))
        .filter(|thing| expr.as_ref().is_none_or(|expr| holds(thing, expr)))
        .collect();
    kept.sort_by(|a, b| compare(a, b, &ask.order_by));
    kept.into_iter().map(|thing| thing.id).collect()
}

fn holds(thing: &Thing, expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) => parts.iter().all(|part| holds(thing, part)),
        Expr::Or(parts) => parts.iter().any(|part| holds(thing, part)),
        Expr::Not(inner) => !holds(thing, inner),
        Expr::Compare(comparison) => passes(thing, comparison),
    }
}

fn passes(thing: &Thing, comparison: &Comparison) -> bool {
    let any = |test: &dyn Fn(&Literal) -> bool| comparison.values.iter().any(|value| test(&value.literal));
    if comparison.field == "tags" {
        return match comparison.op {
            Op::Has => any(&|literal| match literal {
                Literal::Text(wanted) => thing.tags.iter().any(|tag| search_key(tag) == search_key(wanted)),
                _ => !thing.tags.is_empty(),
            }),
            op => {
                (op == Op::Eq)
                    == any(&|literal| matches!(literal, Literal::Text(wanted) if thing.tags.contains(wanted)))
            }
        };
    }
    let value = thing.values.get(&comparison.field);
    let kind = type_of(&comparison.field);
    let equals =
        |literal: &Literal| value.is_some_and(|value| order(kind, value, literal) == Some(Ordering::Equal));
    match comparison.op {
        Op::Eq => any(&equals),
        Op::Ne => !any(&equals),
        Op::Has => any(&|literal| match (value, literal) {
            (None, _) => false,
            (Some(_), Literal::Any) => true,
            (Some(Value::Array(keys)), Literal::Text(wanted)) => keys.iter().any(|key| key == wanted),
            (Some(value), Literal::Text(prefix)) => {
                slot_key(kind, value.as_str().unwrap()).starts_with(&slot_key(kind, prefix))
            }
            _ => panic!("not a test for {}", comparison.field),
        }),
        op => any(&|literal| {
            let ordering = value.and_then(|value| order(kind, value, literal));
            ordering.is_some_and(|ordering| match op {
                Op::Lt => ordering.is_lt(),
                Op::Le => ordering.is_le(),
                Op::Gt => ordering.is_gt(),
                _ => ordering.is_ge(),
            })
        }),
    }
}

fn type_of(name: &str) -> FieldType {
    TYPES.iter().find(|(known, ..)| *known == name).unwrap().1
}

/// How a stored value compares with a literal; `None` if they do not compare.
fn order(kind: FieldType, value: &Value, literal: &Literal) -> Option<Ordering> {
    match (kind, literal) {
        (FieldType::Integer | FieldType::Decimal, Literal::Bare(number)) => {
            value.as_f64()?.partial_cmp(&number.parse().unwrap())
        }
        (FieldType::Boolean, Literal::Bool(flag)) => Some(value.as_bool()?.cmp(flag)),
        (FieldType::Date, Literal::Bare(day)) => Some(value.as_str()?.cmp(day)),
        (FieldType::Datetime, Literal::Bare(other)) => {
            Some(moment::datetime(value.as_str()?).unwrap().cmp(&moment::datetime(other).unwrap()))
        }
        (FieldType::Money, Literal::Text(amount)) => {
            let (stored, wanted) = (money::parse(value).unwrap(), money::parse_text(amount).unwrap());
            (stored.currency() == wanted.currency()).then(|| stored.amount_minor.cmp(&wanted.amount_minor))
        }
        (_, Literal::Text(other)) => Some(value.as_str()?.cmp(text::nfc(other).as_str())),
        _ => panic!("{kind} does not compare with {literal:?}"),
    }
}

fn compare(a: &Thing, b: &Thing, order_by: &str) -> Ordering {
    let mut id_descends = false;
    for part in order_by.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, direction) = part.split_once(' ').unwrap_or((part, "asc"));
        id_descends = direction == "desc";
        if name == "id" {
            break;
        }
        let kind = type_of(name);
        // Unset values last, whatever the direction.
        let ordering = match (a.values.get(name), b.values.get(name)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(x), Some(y)) if id_descends => by_key(kind, y, x),
            (Some(x), Some(y)) => by_key(kind, x, y),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    if id_descends { b.id.cmp(&a.id) } else { a.id.cmp(&b.id) }
}

fn by_key(kind: FieldType, x: &Value, y: &Value) -> Ordering {
    match kind {
        FieldType::Integer | FieldType::Decimal => x.as_f64().partial_cmp(&y.as_f64()).unwrap(),
        FieldType::Boolean => x.as_bool().cmp(&y.as_bool()),
        FieldType::Money => x["amount_minor"].as_i64().cmp(&y["amount_minor"].as_i64()),
        FieldType::Datetime => {
            let moment = |value: &Value| moment::datetime(value.as_str().unwrap()).unwrap();
            moment(x).cmp(&moment(y))
        }
        FieldType::Date => x.as_str().cmp(&y.as_str()),
        _ => slot_key(kind, x.as_str().unwrap()).cmp(&slot_key(kind, y.as_str().unwrap())),
    }
}
