use std::str::FromStr;

use crate::{FieldType, SlotKind};

/// A slot column of a record's row: a place where the indexed values of one field live.
///
/// The names are fixed, so a slot read from a definition can only ever name one of these columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlotColumn {
    kind: SlotKind,
    /// Position in the kind's list of columns.
    index: usize,
}

/// A name that is no slot column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a slot column")]
pub struct UnknownSlotColumn;

const NUM: [&str; 10] =
    ["num_01", "num_02", "num_03", "num_04", "num_05", "num_06", "num_07", "num_08", "num_09", "num_10"];
const TXT: [&str; 10] =
    ["txt_01", "txt_02", "txt_03", "txt_04", "txt_05", "txt_06", "txt_07", "txt_08", "txt_09", "txt_10"];
const TS: [&str; 6] = ["ts_01", "ts_02", "ts_03", "ts_04", "ts_05", "ts_06"];
const REF: [&str; 4] = ["ref_01", "ref_02", "ref_03", "ref_04"];

impl SlotKind {
    /// The names of all columns of this kind, in the order in which they are given out.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Num => &NUM,
            Self::Text => &TXT,
            Self::Time => &TS,
            Self::Ref => &REF,
        }
    }
}

impl SlotColumn {
    /// Every slot column.
    pub fn all() -> impl Iterator<Item = Self> {
        [SlotKind::Num, SlotKind::Text, SlotKind::Time, SlotKind::Ref]
            .into_iter()
            .flat_map(|kind| (0..kind.columns().len()).map(move |index| Self { kind, index }))
    }

    /// The columns that can hold values of `field_type`, in the order in which they are given out.
    pub fn for_type(field_type: FieldType) -> impl Iterator<Item = Self> {
        Self::all().filter(move |column| field_type.slot_kind() == Some(column.kind))
    }

    /// What the column holds.
    pub fn kind(self) -> SlotKind {
        self.kind
    }

    /// The column's name in SQL.
    pub fn name(self) -> &'static str {
        self.kind.columns().get(self.index).copied().unwrap_or_default()
    }
}

impl FromStr for SlotColumn {
    type Err = UnknownSlotColumn;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::all().find(|column| column.name() == name).ok_or(UnknownSlotColumn)
    }
}
