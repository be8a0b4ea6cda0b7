use serde_json::Value;

use crate::{FieldOption, FieldType, money};

/// A canonical value as text for people, exports and mails; empty if unset. Options appear by their label.
///
/// [`crate::parse_text`] reads the result back, except labels that two options share.
pub fn display(field_type: FieldType, canonical: &Value, options: &[FieldOption]) -> String {
    match (field_type, canonical) {
        (_, Value::Null) => String::new(),
        (FieldType::Picklist, Value::String(key)) => label(key, options).to_owned(),
        (FieldType::MultiPicklist, Value::Array(keys)) => {
            let labels: Vec<&str> =
                keys.iter().filter_map(Value::as_str).map(|key| label(key, options)).collect();
            labels.join("; ")
        }
        (FieldType::Money, amount) => {
            money::parse(amount).map_or_else(|_| amount.to_string(), |amount| amount.to_string())
        }
        // Small decimals without exponent, as people write them.
        (FieldType::Decimal, Value::Number(number)) => {
            number.as_f64().map_or_else(|| number.to_string(), |decimal| decimal.to_string())
        }
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

fn label<'a>(key: &'a str, options: &'a [FieldOption]) -> &'a str {
    options.iter().find(|option| option.key == key).map_or(key, |option| &option.label)
}
