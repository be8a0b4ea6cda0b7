//! Custom fields as the fields service would answer them.

use proto::fields::v1::{FieldOption, FieldProjection, FieldState, FieldType, GetFieldSetResponse};
use uuid::Uuid;

/// An active field; its id follows from `n`.
pub fn field(n: u128, key: &str, kind: FieldType, slot: &str) -> FieldProjection {
    FieldProjection {
        id: Uuid::from_u128(n).to_string(),
        key: key.to_owned(),
        r#type: kind.into(),
        state: FieldState::Active.into(),
        slot: slot.to_owned(),
        ..Default::default()
    }
}

/// `tier` picklist (txt_01), `seats` integer (num_01), `renewal` date (ts_01), `serial` text (unique), `boss` lookup of
/// contacts (ref_01), `note` text without index, `old` archived.
pub fn field_set() -> GetFieldSetResponse {
    use FieldType as Type;
    let option = |key: &str| FieldOption { key: key.to_owned(), label: key.to_owned(), retired: false };
    let old = FieldState::Archived.into();
    GetFieldSetResponse {
        version: 1,
        fields: vec![
            FieldProjection {
                options: vec![option("gold"), option("silver")],
                ..field(1, "tier", Type::Picklist, "txt_01")
            },
            field(2, "seats", Type::Integer, "num_01"),
            field(3, "renewal", Type::Date, "ts_01"),
            FieldProjection { unique: true, ..field(4, "serial", Type::Text, "txt_02") },
            FieldProjection {
                lookup_object: "contact".to_owned(),
                ..field(5, "boss", Type::Lookup, "ref_01")
            },
            field(6, "note", Type::Text, ""),
            FieldProjection { state: old, ..field(7, "old", Type::Integer, "num_02") },
        ],
    }
}

/// A set with more fields, as a service reads it that had the one before.
pub fn add(set: &mut GetFieldSetResponse, fields: impl IntoIterator<Item = FieldProjection>) {
    set.version += 1;
    set.fields.extend(fields);
}
