use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::SlotKind;

/// The type of a custom field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// One line, at most [`crate::text::TEXT_CHARS`] characters.
    Text,
    /// Many lines, at most [`crate::text::LONG_TEXT_CHARS`] characters; neither filtered nor sorted.
    LongText,
    /// A whole number within ±2^53.
    Integer,
    /// A number of at most 15 significant digits.
    Decimal,
    /// Minor units and an ISO 4217 currency.
    Money,
    /// True or false.
    Boolean,
    /// A day without time zone.
    Date,
    /// An instant, to the microsecond.
    Datetime,
    /// One of the field's options.
    Picklist,
    /// Some of the field's options.
    MultiPicklist,
    /// The id of another record.
    Lookup,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// An `http` or `https` address.
    Url,
}

/// A name that is no field type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a field type")]
pub struct UnknownFieldType;

impl FieldType {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::Text,
        Self::LongText,
        Self::Integer,
        Self::Decimal,
        Self::Money,
        Self::Boolean,
        Self::Date,
        Self::Datetime,
        Self::Picklist,
        Self::MultiPicklist,
        Self::Lookup,
        Self::Email,
        Self::Phone,
        Self::Url,
    ];

    /// The public name, as in `"type": "multi_picklist"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::LongText => "long_text",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Money => "money",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Picklist => "picklist",
            Self::MultiPicklist => "multi_picklist",
            Self::Lookup => "lookup",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
        }
    }

    /// The kind of slot an indexed field of this type takes; `None` if the type cannot be indexed by a slot.
    pub fn slot_kind(self) -> Option<SlotKind> {
        match self {
            Self::Integer | Self::Decimal | Self::Money | Self::Boolean => Some(SlotKind::Num),
            Self::Text | Self::Picklist | Self::Email | Self::Phone | Self::Url => Some(SlotKind::Text),
            Self::Date | Self::Datetime => Some(SlotKind::Time),
            Self::Lookup => Some(SlotKind::Ref),
            Self::LongText | Self::MultiPicklist => None,
        }
    }

    /// Whether the field has options.
    pub fn has_options(self) -> bool {
        matches!(self, Self::Picklist | Self::MultiPicklist)
    }
}

impl FromStr for FieldType {
    type Err = UnknownFieldType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or(UnknownFieldType)
    }
}

impl std::fmt::Display for FieldType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
