use serde_json::Value;
use time::{OffsetDateTime, Time};
use uuid::Uuid;

use crate::{FieldType, email, moment, text, url};

/// Longest text in a slot, in characters.
pub const SLOT_TEXT_CHARS: usize = 128;

/// The kinds of slot columns; each has leakproof operators, so its index works under row level security.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotKind {
    /// `float8`.
    Num,
    /// `text COLLATE "C"`.
    Text,
    /// `timestamptz`.
    Time,
    /// `uuid`.
    Ref,
}

/// The indexed form of a value. Its order is the order of the values; for text the order of the first
/// [`SLOT_TEXT_CHARS`] folded characters.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum SlotValue {
    /// Exact: whole numbers and minor units within ±2^53, decimals of at most 15 digits.
    Num(f64),
    /// Folded and cut (an option's key as it is).
    Text(String),
    /// A day is its midnight in UTC.
    Time(OffsetDateTime),
    /// The id a lookup points to.
    Ref(Uuid),
}

/// The slot value of a canonical value; `None` for types without slot, for `null`, and for anything that is not a
/// canonical value of this type.
pub fn slot(field_type: FieldType, canonical: &Value) -> Option<SlotValue> {
    match field_type {
        FieldType::Integer | FieldType::Decimal => canonical.as_f64().map(SlotValue::Num),
        FieldType::Money => canonical.get("amount_minor")?.as_f64().map(SlotValue::Num),
        FieldType::Boolean => canonical.as_bool().map(|value| SlotValue::Num(f64::from(u8::from(value)))),
        FieldType::Picklist => canonical.as_str().map(|key| SlotValue::Text(key.to_owned())),
        FieldType::Text | FieldType::Email | FieldType::Phone | FieldType::Url => {
            canonical.as_str().map(|value| SlotValue::Text(slot_key(field_type, value)))
        }
        FieldType::Date => {
            let day = moment::date(canonical.as_str()?).ok()?;
            Some(SlotValue::Time(day.with_time(Time::MIDNIGHT).assume_utc()))
        }
        FieldType::Datetime => moment::datetime(canonical.as_str()?).ok().map(SlotValue::Time),
        FieldType::Lookup => canonical.as_str()?.parse().ok().map(SlotValue::Ref),
        FieldType::LongText | FieldType::MultiPicklist => None,
    }
}

/// The form in which a text of a type is indexed in a slot. Web and e-mail addresses have their host in Unicode, as people type it.
/// The beginning of a value has the beginning of its key, but for a host that is written in ASCII and not yet whole.
pub fn slot_key(field_type: FieldType, value: &str) -> String {
    match field_type {
        FieldType::Email => search_key(&email::searched(value)),
        FieldType::Url => search_key(&url::searched(value)),
        _ => search_key(value),
    }
}

/// The form in which any text is indexed, in slots and in the folded columns of standard fields: folded, cut at
/// [`SLOT_TEXT_CHARS`] characters so that it always fits an index entry.
pub fn search_key(value: &str) -> String {
    text::cut(&text::fold(value), SLOT_TEXT_CHARS).to_owned()
}
