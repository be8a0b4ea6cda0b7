use reasons::Reason;
use serde_json::Value;

use crate::parse::{one, one_line, option_key, option_set, required};
use crate::{Canonical, FieldError, FieldRules, FieldType, money, number, text};

/// Between the options in one cell of a multi-picklist.
const CELL_SEPARATOR: char = ';';

/// Reads a cell of a table as `field_type`: the same canonical value as [`crate::parse`] gives for JSON, and everything
/// [`crate::display`] writes. An empty cell is an unset value.
///
/// Only what cannot be misread is accepted: ISO dates, a dot before a fraction, no thousands separators. Options may
/// be given by key or by label.
pub fn parse_text(
    field_type: FieldType,
    cell: &str,
    rules: &FieldRules<'_>,
) -> Result<Option<Canonical>, Vec<FieldError>> {
    let cell = cell.trim();
    let parsed = match field_type {
        _ if text::bare(cell).is_empty() => None,
        FieldType::Text => text::line(&one_line_of(cell), text::TEXT_CHARS).map_err(one)?.map(Value::from),
        FieldType::LongText => text::clean(cell, text::LONG_TEXT_CHARS).map_err(one)?.map(Value::from),
        FieldType::Integer => Some(number::integer_text(cell).map_err(one)?.into()),
        FieldType::Decimal => Some(number::decimal_json(number::decimal_text(cell).map_err(one)?)),
        FieldType::Money => Some(money::parse_text(cell).map_err(one)?.to_json()),
        FieldType::Boolean => Some(boolean(cell).map_err(one)?.into()),
        FieldType::Picklist => Some(option(cell, rules).map_err(one)?.into()),
        FieldType::MultiPicklist => {
            let options = cell.split(CELL_SEPARATOR).map(str::trim).filter(|part| !part.is_empty());
            option_set(options.map(|part| option(part, rules)).collect::<Result<_, _>>().map_err(one)?)
        }
        _ => Some(one_line(field_type, text::bare(cell), rules).map_err(one)?),
    };
    required(parsed, rules)
}

/// A cell that was broken over lines for its column's width.
fn one_line_of(cell: &str) -> String {
    cell.split(['\n', '\r', '\t'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn boolean(cell: &str) -> Result<bool, FieldError> {
    match cell.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(FieldError::new(Reason::TYPE_MISMATCH, "true or false, yes or no, 1 or 0 is expected")),
    }
}

/// An option by key, or by a label that only one option has.
fn option(cell: &str, rules: &FieldRules<'_>) -> Result<String, FieldError> {
    if rules.options.iter().any(|option| option.key == cell) {
        return option_key(cell, rules);
    }
    let wanted = text::fold(cell);
    let mut labelled = rules.options.iter().filter(|option| text::fold(&option.label) == wanted);
    match (labelled.next(), labelled.next()) {
        (Some(option), None) => option_key(&option.key, rules),
        (Some(_), Some(_)) => {
            Err(FieldError::new(Reason::OPTION_AMBIGUOUS, "several options have this label; use the key"))
        }
        (None, _) => option_key(cell, rules),
    }
}
