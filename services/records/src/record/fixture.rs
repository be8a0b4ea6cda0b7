//! Definitions and records for unit tests.

use proto::fields::v1 as pb;
use serde_json::Value;
use uuid::Uuid;

use super::definitions::FieldSet;
use super::{Fields, Record};

fn field(n: u128, key: &str, kind: pb::FieldType) -> pb::FieldProjection {
    pb::FieldProjection {
        id: Uuid::from_u128(n).to_string(),
        key: key.to_owned(),
        r#type: kind as i32,
        state: pb::FieldState::Active as i32,
        ..Default::default()
    }
}

/// `tier` picklist (default silver, txt_01), `seats` integer (num_01), `serial` text (required, unique), `note` text,
/// `old` integer (archived).
pub(crate) fn field_set() -> FieldSet {
    let option = |key: &str| pb::FieldOption { key: key.to_owned(), label: key.to_owned(), retired: false };
    let tier = pb::FieldProjection {
        options: vec![option("gold"), option("silver")],
        default: b"\"silver\"".to_vec().into(),
        slot: "txt_01".to_owned(),
        ..field(1, "tier", pb::FieldType::Picklist)
    };
    let seats =
        pb::FieldProjection { slot: "num_01".to_owned(), ..field(2, "seats", pb::FieldType::Integer) };
    let serial =
        pb::FieldProjection { required: true, unique: true, ..field(3, "serial", pb::FieldType::Text) };
    let note = field(4, "note", pb::FieldType::Text);
    let old = pb::FieldProjection {
        state: pb::FieldState::Archived as i32,
        ..field(5, "old", pb::FieldType::Integer)
    };
    FieldSet::from_wire(pb::GetFieldSetResponse { version: 1, fields: vec![tier, seats, serial, note, old] })
}

/// A record with these fields and custom values.
pub(crate) fn record(version: i64, fields: Value, custom: Value) -> Record {
    let members = |value: Value| match value {
        Value::Object(members) => members,
        _ => Fields::new(),
    };
    Record {
        id: Uuid::from_u128(99),
        version,
        owner_id: None,
        team_id: None,
        fields: members(fields),
        custom: members(custom),
    }
}
