//! Objects of a record as a change leaves them: merged member by member (RFC 7396), then checked as a whole.

use auth::{Access, FieldMask};
use error::Reason;
use input::Violations;
use serde_json::Value;

use super::definitions::FieldSet;
use super::fields::is_unset;
use super::{Fields, Object, Record};

/// Most ids in other systems, as the contract has it for those of one message.
const EXTERNAL_IDS: usize = 20;

/// Merges patches of standard fields into a record.
pub(crate) fn standard(object: &Object, record: &mut Record, patches: Fields, violations: &mut Violations) {
    for (name, patch) in patches {
        let mut value = record.fields.get(&name).cloned().unwrap_or_default();
        input::merge(&mut value, patch);
        let has_changed = record.fields.get(&name) != Some(&value);
        if is_unset(&value) {
            record.set(&name, Value::Null);
            continue;
        }
        if object.is_money(&name) {
            match super::wire::amount(&value) {
                Ok(amount) => value = amount,
                Err(errors) => {
                    for error in errors {
                        violations.refuse(format!("/{name}"), error);
                    }
                    continue;
                }
            }
        } else if has_changed && value.as_object().is_some_and(|members| members.len() > EXTERNAL_IDS) {
            let text = format!("must have at most {EXTERNAL_IDS} members");
            violations.note(format!("/{name}"), Reason::TOO_MANY_ITEMS, text);
            continue;
        }
        record.set(&name, value);
    }
}

/// Custom values as they were sent, those that are objects merged into what is there. One of which nothing is left is removed.
pub(crate) fn custom(before: &Fields, sent: Fields) -> Fields {
    let merged = sent.into_iter().map(|(key, value)| {
        if !value.is_object() {
            return (key, value);
        }
        let mut merged = before.get(&key).cloned().unwrap_or_default();
        input::merge(&mut merged, value);
        let value = if is_unset(&merged) { Value::Null } else { merged };
        (key, value)
    });
    merged.collect()
}

/// `null` for each value that is there and that the caller may write.
pub(crate) fn cleared(set: &FieldSet, mask: &FieldMask, values: &Fields) -> Fields {
    let writes =
        |key: &str| set.usable(key).is_some() && mask.access(&format!("custom.{key}")) == Access::Edit;
    values.keys().filter(|key| writes(key)).map(|key| (key.clone(), Value::Null)).collect()
}

#[cfg(test)]
mod tests;
