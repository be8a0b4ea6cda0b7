//! Rows and filters over small sets of values, so that ties and matches are frequent.

use field_types::FieldType;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::fixture::{TYPES, Thing, canonical};
use crate::world::Dice;

fn ids() -> [String; 3] {
    [11_u128, 12, 13].map(|id| Uuid::from_u128(id).to_string())
}

/// Samples that rows hold and filters ask for.
fn samples(field_type: FieldType) -> Vec<Value> {
    let list = |values: &[&str]| values.iter().map(|value| json!(value)).collect();
    match field_type {
        FieldType::Text | FieldType::LongText => {
            let long = "lang ".repeat(40);
            let mut texts: Vec<Value> = list(&[
                "Meyer",
                "meyer",
                "MÉYER",
                "Me\u{301}yer",
                "Meyer GmbH",
                "Meier",
                "Ångström",
                "angstrom",
                "Zoë",
                "日本",
            ]);
            texts.extend([json!(format!("{long}eins")), json!(format!("{long}zwei"))]);
            texts
        }
        FieldType::Integer => vec![json!(-1), json!(0), json!(5), json!(7)],
        FieldType::Decimal => vec![json!(-0.5), json!(0.1), json!(0.3), json!(5)],
        FieldType::Boolean => vec![json!(true), json!(false)],
        FieldType::Money => [(125_000, "EUR"), (125_000, "USD"), (500, "EUR"), (500, "JPY")]
            .map(|(minor, currency)| json!({"amount_minor": minor, "currency": currency}))
            .to_vec(),
        FieldType::Date => list(&["2024-02-29", "2025-12-31", "2026-01-01"]),
        FieldType::Datetime => {
            list(&["2025-12-31T23:59:59.999999Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"])
        }
        FieldType::Picklist => list(&["lead", "customer"]),
        FieldType::MultiPicklist => vec![json!(["red"]), json!(["red", "blue"]), json!(["blue"])],
        FieldType::Lookup => ids().map(Value::from).to_vec(),
        FieldType::Email => list(&["zoe@example.test", "ada@example.test", "zoe@other.test"]),
        FieldType::Phone | FieldType::Url => Vec::new(),
    }
}

pub(crate) fn things(count: usize, seed: u64) -> Vec<Thing> {
    let mut dice = Dice(seed);
    (0..count).map(|index| thing(&mut dice, u128::from(seed) << 64 | index as u128)).collect()
}

fn thing(dice: &mut Dice, id: u128) -> Thing {
    let mut values = Map::new();
    for (name, field_type, _) in TYPES {
        let is_set = matches!(*name, "flag" | "made_at") || dice.below(4) > 0;
        let samples = samples(*field_type);
        let sample = &samples[dice.below(samples.len())];
        if let Some(value) = canonical(*field_type, sample).filter(|_| is_set) {
            values.insert((*name).to_owned(), value);
        }
    }
    let owner = values.get("owner_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let team = [None, Some(Uuid::from_u128(21)), Some(Uuid::from_u128(22))][dice.below(3)];
    let mut tags: Vec<String> = ["VIP", "vip", "Crème"].map(str::to_owned).to_vec();
    tags.retain(|_| dice.below(3) == 0);
    // Ids in no relation to the order of making.
    let id = Uuid::from_u128(id.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    Thing { id, owner, team, deleted: dice.below(10) == 0, values, tags }
}

/// Filters that are always valid.
pub(crate) fn any_filter() -> impl Strategy<Value = String> {
    let comparison = prop::sample::select(TYPES.to_vec()).prop_flat_map(|(name, field_type, slot)| {
        let is_prefixed = name == "name" || !slot.is_empty();
        let ops: Vec<&str> = match field_type {
            FieldType::Text | FieldType::Email if is_prefixed => vec!["=", "!=", ":"],
            FieldType::MultiPicklist => vec![":"],
            FieldType::Integer
            | FieldType::Decimal
            | FieldType::Money
            | FieldType::Date
            | FieldType::Datetime => vec!["=", "!=", "<", "<=", ">", ">="],
            _ => vec!["=", "!="],
        };
        let values = prop::collection::vec(prop::sample::select(literals(field_type)), 1..3);
        (prop::sample::select(ops), values, 0_u8..8).prop_map(move |(op, values, dice)| match (op, dice) {
            (_, 0) => format!("{name}:*"),
            ("=" | "!=", 1..=3) => format!("{name} {op} ({})", values.join(", ")),
            _ => format!("{name} {op} {}", values[0]),
        })
    });
    let tags = prop::sample::select(vec![
        r#"tags:"vip""#,
        r#"tags = "vip""#,
        r#"tags != "VIP""#,
        "tags:*",
        r#"tags:"creme""#,
    ])
    .prop_map(str::to_owned);
    let leaf = prop_oneof![9 => comparison, 1 => tags];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" AND "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" OR "))),
            inner.prop_map(|part| format!("NOT {part}")),
        ]
    })
}

/// Values of a type as a filter writes them: those that rows hold, and prefixes.
fn literals(field_type: FieldType) -> Vec<String> {
    let quoted = |text: &str| format!("\"{text}\"");
    let mut literals: Vec<String> = Vec::new();
    for sample in samples(field_type) {
        match (field_type, &sample) {
            (FieldType::Date | FieldType::Datetime, Value::String(text)) => literals.push(text.clone()),
            (_, Value::String(text)) => {
                literals.push(quoted(text));
                if matches!(field_type, FieldType::Text | FieldType::Email) {
                    literals.push(quoted(field_types::text::cut(text, 3)));
                }
            }
            (FieldType::Money, value) => literals.push(quoted(&field_types::display(field_type, value, &[]))),
            (FieldType::MultiPicklist, _) => {}
            (_, value) => literals.push(value.to_string()),
        }
    }
    if field_type == FieldType::MultiPicklist {
        literals = vec![quoted("red"), quoted("blue"), quoted("tin")];
    }
    literals
}

/// Orders that are always valid.
pub(crate) fn any_order() -> impl Strategy<Value = String> {
    let names = [
        "name",
        "score",
        "ratio",
        "flag",
        "day",
        "made_at",
        "revenue",
        "custom.nick",
        "custom.mail",
        "custom.seats",
        "custom.budget",
        "custom.active",
        "custom.renewal",
        "custom.seen",
        "custom.loose",
        "custom.loose_flag",
        "custom.loose_money",
        "custom.loose_date",
        "custom.loose_seen",
    ];
    let key = (prop::sample::select(names.to_vec()), prop::sample::select(vec!["", " asc", " desc"]));
    let id = prop::sample::select(vec!["", "id", "id desc"]);
    (prop::collection::vec(key, 0..4), id).prop_map(|(mut keys, id)| {
        let mut seen = std::collections::HashSet::new();
        keys.retain(|(name, _)| seen.insert(*name));
        let mut parts: Vec<String> =
            keys.into_iter().map(|(name, direction)| format!("{name}{direction}")).collect();
        parts.extend((!id.is_empty()).then(|| id.to_owned()));
        parts.join(", ")
    })
}
