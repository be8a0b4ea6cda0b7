//! Definitions and records for unit tests.

use error::Reason;
use proto::fields::v1 as pb;
use serde_json::Value;
use uuid::Uuid;

use super::definitions::FieldSet;
use super::{Built, Fields, Include, Object, Record, Standard};

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

/// An object with some fields; nothing of it is stored.
pub(crate) static CONTACT: Object = Object {
    name: "contact",
    table: "records.contacts",
    fields: &[
        Standard::line("first_name").searched(),
        Standard::line("full_name").searched().computed(&["first_name"]),
        Standard::money("budget"),
        Standard::integer("score"),
        Standard::line("job_title"),
        Standard::id("parent_id", "contact"),
        Standard::timestamp("last_activity_at").output(),
    ],
    title: "full_name",
    includes: &[Include::field("parent", "parent_id")],
    not_found: Reason::CONTACT_NOT_FOUND,
    not_deleted: Reason::CONTACT_NOT_DELETED,
    derive: |fields| {
        let name = fields.get("first_name").cloned().unwrap_or_default();
        Fields::from_iter([("full_name".to_owned(), name)])
    },
    rules: |_, _| (),
    guard: None,
    ties: None,
    sides: &[],
    likeness: None,
    tree: Some("parent_id"),
    built: Built::later(),
};
