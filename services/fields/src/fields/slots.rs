//! Which slot column a field gets.

use field_types::{FieldType, SlotColumn, SlotKind};

/// The first column for values of `field_type` that is not taken; `None` when the type has no columns or all are taken.
/// A column that waits for its clearing is taken.
pub(crate) fn assign(field_type: FieldType, taken: &[SlotColumn]) -> Option<SlotColumn> {
    SlotColumn::for_type(field_type).find(|column| !taken.contains(column))
}

/// The first column for values of `field_type` among those that archived fields keep.
pub(crate) fn of_archived(field_type: FieldType, kept: &[SlotColumn]) -> Option<SlotColumn> {
    SlotColumn::for_type(field_type).find(|column| kept.contains(column))
}

/// The name of a kind's limit.
pub(crate) fn limit_name(kind: SlotKind) -> &'static str {
    match kind {
        SlotKind::Num => "indexed_numbers",
        SlotKind::Text => "indexed_texts",
        SlotKind::Time => "indexed_times",
        SlotKind::Ref => "indexed_lookups",
    }
}

/// Every kind, in the order of the contract.
pub(crate) const KINDS: [SlotKind; 4] = [SlotKind::Num, SlotKind::Text, SlotKind::Time, SlotKind::Ref];

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<SlotColumn> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn the_first_free_column_of_the_kind_is_given() {
        let taken = columns(&["num_01", "num_03", "txt_01"]);
        assert_eq!(assign(FieldType::Money, &taken).map(SlotColumn::name), Some("num_02"));
        assert_eq!(assign(FieldType::Picklist, &taken).map(SlotColumn::name), Some("txt_02"));
        assert_eq!(assign(FieldType::Date, &taken).map(SlotColumn::name), Some("ts_01"));
        assert_eq!(assign(FieldType::Lookup, &taken).map(SlotColumn::name), Some("ref_01"));
    }

    #[test]
    fn no_column_is_given_twice_and_every_one_is_given() {
        for (field_type, columns) in [
            (FieldType::Integer, 10),
            (FieldType::Text, 10),
            (FieldType::Datetime, 6),
            (FieldType::Lookup, 4),
        ] {
            let mut taken = Vec::new();
            while let Some(column) = assign(field_type, &taken) {
                assert!(!taken.contains(&column));
                taken.push(column);
            }
            assert_eq!(taken.len(), columns, "{field_type}");
        }
    }

    #[test]
    fn types_without_columns_get_none() {
        assert_eq!(assign(FieldType::LongText, &[]), None);
        assert_eq!(assign(FieldType::MultiPicklist, &[]), None);
    }
}
