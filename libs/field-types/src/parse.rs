use reasons::Reason;
use serde_json::Value;
use uuid::Uuid;

use crate::{FieldError, FieldRules, FieldType, email, moment, money, number, phone, text, url};

/// A value in the one form in which it is stored and sent. Made by [`parse`] and [`crate::parse_text`] only.
#[derive(Debug, Clone, PartialEq)]
pub struct Canonical(pub(crate) Value);

impl Canonical {
    /// The JSON.
    #[cfg(test)]
    pub(crate) fn as_json(&self) -> &Value {
        &self.0
    }

    /// The JSON, to be stored.
    pub fn into_json(self) -> Value {
        self.0
    }
}

/// Reads a JSON value as `field_type`. `Ok(None)` is an unset value; every violation is reported.
pub fn parse(
    field_type: FieldType,
    value: &Value,
    rules: &FieldRules<'_>,
) -> Result<Option<Canonical>, Vec<FieldError>> {
    let parsed = match field_type {
        _ if value.is_null() => None,
        FieldType::Text => text::line(string(value)?, text::TEXT_CHARS).map_err(one)?.map(Value::from),
        FieldType::LongText => {
            text::clean(string(value)?, text::LONG_TEXT_CHARS).map_err(one)?.map(Value::from)
        }
        FieldType::Integer => Some(number::integer(value).map_err(one)?.into()),
        FieldType::Decimal => Some(number::decimal_json(number::decimal(value).map_err(one)?)),
        FieldType::Money => Some(money::parse(value)?.to_json()),
        FieldType::Boolean => match value {
            Value::Bool(_) => Some(value.clone()),
            _ => return Err(one(FieldError::new(Reason::TYPE_MISMATCH, "true or false is expected"))),
        },
        FieldType::MultiPicklist => multi_picklist(value, rules)?,
        _ => match filled(string(value)?) {
            None => None,
            Some(given) => Some(one_line(field_type, given, rules).map_err(one)?),
        },
    };
    required(parsed, rules)
}

/// The types that are one short text both in JSON and in a cell of a table.
pub(crate) fn one_line(
    field_type: FieldType,
    given: &str,
    rules: &FieldRules<'_>,
) -> Result<Value, FieldError> {
    match field_type {
        FieldType::Date => Ok(moment::date_text(moment::date(given)?).into()),
        FieldType::Datetime => Ok(moment::datetime_text(moment::datetime(given)?).into()),
        FieldType::Lookup => lookup(given),
        FieldType::Email => Ok(email::parse(given)?.into()),
        FieldType::Phone => Ok(phone::parse(given, rules.region)?.into()),
        FieldType::Url => Ok(url::parse(given)?.into()),
        _ => option_key(given, rules).map(Value::from),
    }
}

pub(crate) fn required(
    parsed: Option<Value>,
    rules: &FieldRules<'_>,
) -> Result<Option<Canonical>, Vec<FieldError>> {
    if parsed.is_none() && rules.required {
        return Err(one(FieldError::new(Reason::REQUIRED, "a value is required")));
    }
    Ok(parsed.map(Canonical))
}

pub(crate) fn one(error: FieldError) -> Vec<FieldError> {
    vec![error]
}

/// The options' keys, sorted and each once, so that equal sets are equal JSON.
pub(crate) fn option_set(mut keys: Vec<String>) -> Option<Value> {
    keys.sort_unstable();
    keys.dedup();
    (!keys.is_empty()).then(|| keys.into())
}

/// The key, if it names an option that may be chosen.
pub(crate) fn option_key(key: &str, rules: &FieldRules<'_>) -> Result<String, FieldError> {
    match rules.options.iter().find(|option| option.key == key) {
        None => Err(FieldError::new(Reason::OPTION_UNKNOWN, "not one of the field's options")),
        Some(option) if option.retired && !rules.holds_now(key) => Err(FieldError::new(
            Reason::OPTION_RETIRED,
            "this option is retired and cannot be chosen any more",
        )),
        Some(_) => Ok(key.to_owned()),
    }
}

fn string(value: &Value) -> Result<&str, Vec<FieldError>> {
    value.as_str().ok_or_else(|| one(FieldError::new(Reason::TYPE_MISMATCH, "text is expected")))
}

fn filled(given: &str) -> Option<&str> {
    let bare = text::bare(given);
    (!bare.is_empty()).then_some(bare)
}

/// Only the hyphenated form: the same id in several spellings would break equality elsewhere.
fn lookup(given: &str) -> Result<Value, FieldError> {
    let id = if given.len() == 36 { Uuid::parse_str(given).ok() } else { None };
    id.map(|id| id.to_string().into())
        .ok_or_else(|| FieldError::new(Reason::UUID_INVALID, "a record's id (UUID) is expected"))
}

fn multi_picklist(value: &Value, rules: &FieldRules<'_>) -> Result<Option<Value>, Vec<FieldError>> {
    let Value::Array(items) = value else {
        return Err(one(FieldError::new(Reason::TYPE_MISMATCH, "a list of options is expected")));
    };
    // A set cannot have more members than there are options; repeats are bounded by the same number.
    if items.len() > 2 * rules.options.len().max(1) {
        return Err(one(FieldError::new(Reason::TOO_MANY_ITEMS, "more values than the field has options")));
    }
    let mut keys = Vec::with_capacity(items.len());
    let mut violations = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let key = match item {
            Value::String(key) => option_key(key, rules),
            _ => Err(FieldError::new(Reason::TYPE_MISMATCH, "text is expected")),
        };
        match key {
            Ok(key) => keys.push(key),
            Err(error) => violations.push(error.at(format!("/{index}"))),
        }
    }
    if violations.is_empty() { Ok(option_set(keys)) } else { Err(violations) }
}
