#![doc = include_str!("../README.md")]

pub mod country;
pub mod custom;
mod display;
pub mod email;
mod error;
mod field_type;
pub mod key;
pub mod language;
pub mod moment;
pub mod money;
pub mod number;
mod parse;
mod parse_text;
pub mod phone;
mod rules;
mod slot;
mod slot_column;
pub mod text;
pub mod timezone;
pub mod url;

#[cfg(test)]
mod tests;

pub use display::display;
pub use error::FieldError;
pub use field_type::{FieldType, UnknownFieldType};
pub use parse::{Canonical, parse};
pub use parse_text::parse_text;
pub use rules::{FieldOption, FieldRules};
pub use slot::{SLOT_TEXT_CHARS, SlotKind, SlotValue, search_key, slot, slot_key};
pub use slot_column::{SlotColumn, UnknownSlotColumn};
pub use text::fold;
