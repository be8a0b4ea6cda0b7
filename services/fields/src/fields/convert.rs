//! Between definitions and the wire.

use field_types::{FieldOption, FieldType, SlotColumn};
use proto::fields::v1 as pb;
use proto::timestamp;
use serde_json::Value;

use super::definition::{Definition, Object, State};

/// The type of a wire value; `None` for unspecified and unknown ones.
pub(crate) fn type_from_wire(value: i32) -> Option<FieldType> {
    Some(match pb::FieldType::try_from(value).ok()? {
        pb::FieldType::Unspecified => return None,
        pb::FieldType::Text => FieldType::Text,
        pb::FieldType::LongText => FieldType::LongText,
        pb::FieldType::Integer => FieldType::Integer,
        pb::FieldType::Decimal => FieldType::Decimal,
        pb::FieldType::Money => FieldType::Money,
        pb::FieldType::Boolean => FieldType::Boolean,
        pb::FieldType::Date => FieldType::Date,
        pb::FieldType::Datetime => FieldType::Datetime,
        pb::FieldType::Picklist => FieldType::Picklist,
        pb::FieldType::MultiPicklist => FieldType::MultiPicklist,
        pb::FieldType::Lookup => FieldType::Lookup,
        pb::FieldType::Email => FieldType::Email,
        pb::FieldType::Phone => FieldType::Phone,
        pb::FieldType::Url => FieldType::Url,
    })
}

/// The wire value of a type.
pub(crate) fn type_to_wire(field_type: FieldType) -> pb::FieldType {
    match field_type {
        FieldType::Text => pb::FieldType::Text,
        FieldType::LongText => pb::FieldType::LongText,
        FieldType::Integer => pb::FieldType::Integer,
        FieldType::Decimal => pb::FieldType::Decimal,
        FieldType::Money => pb::FieldType::Money,
        FieldType::Boolean => pb::FieldType::Boolean,
        FieldType::Date => pb::FieldType::Date,
        FieldType::Datetime => pb::FieldType::Datetime,
        FieldType::Picklist => pb::FieldType::Picklist,
        FieldType::MultiPicklist => pb::FieldType::MultiPicklist,
        FieldType::Lookup => pb::FieldType::Lookup,
        FieldType::Email => pb::FieldType::Email,
        FieldType::Phone => pb::FieldType::Phone,
        FieldType::Url => pb::FieldType::Url,
    }
}

fn state_to_wire(state: State) -> i32 {
    let state = match state {
        State::Active => pb::FieldState::Active,
        State::Deprecated => pb::FieldState::Deprecated,
        State::Archived => pb::FieldState::Archived,
    };
    state.into()
}

/// A definition as callers see it.
pub(crate) fn to_wire(field: &Definition) -> pb::Field {
    pb::Field {
        id: field.id.to_string(),
        version: field.version,
        object: field.object.as_str().to_owned(),
        key: field.key.clone(),
        label: field.label.clone(),
        r#type: type_to_wire(field.field_type).into(),
        required: field.required,
        unique: field.unique,
        indexed: field.is_indexed(),
        options: options_to_wire(&field.options),
        default: default_to_wire(field.default.as_ref()),
        description: field.description.clone(),
        state: state_to_wire(field.state),
        lookup_object: field.lookup_object.map(|object| object.as_str().to_owned()),
        created_at: Some(timestamp(field.created_at)),
        updated_at: Some(timestamp(field.updated_at)),
    }
}

/// A definition as the owners of records need it.
pub(crate) fn to_projection(field: &Definition) -> pb::FieldProjection {
    let slot = |named: bool| field.slot.filter(|_| named).map_or("", SlotColumn::name).to_owned();
    pb::FieldProjection {
        id: field.id.to_string(),
        key: field.key.clone(),
        r#type: type_to_wire(field.field_type).into(),
        required: field.required,
        unique: field.unique,
        options: options_to_wire(&field.options),
        default: default_to_wire(field.default.as_ref()),
        state: state_to_wire(field.state),
        slot: slot(!field.filling),
        lookup_object: field.lookup_object.map_or("", Object::as_str).to_owned(),
        ordinal: field.ordinal,
        filling: field.filling,
        filling_slot: slot(field.filling),
        slot_assignment: field.slot_assignment,
    }
}

fn options_to_wire(options: &[FieldOption]) -> Vec<pb::FieldOption> {
    options
        .iter()
        .map(|option| pb::FieldOption {
            key: option.key.clone(),
            label: option.label.clone(),
            retired: option.retired,
        })
        .collect()
}

fn default_to_wire(default: Option<&Value>) -> prost::bytes::Bytes {
    default.map(|value| value.to_string().into()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_the_wire() {
        for field_type in FieldType::ALL {
            assert_eq!(type_from_wire(type_to_wire(field_type).into()), Some(field_type));
        }
        assert_eq!(type_from_wire(0), None);
        assert_eq!(type_from_wire(99), None);
    }
}
