//! Custom values: what a caller sent, merged with what stands, checked by the definitions.

use auth::{Access, FieldMask};
use error::Reason;
use field_types::phone::Region;
use field_types::{FieldRules, FieldType, SlotValue, moment::datetime_text};
use input::{Violations, escaped};
use proto::fields::v1::FieldState;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Fields;
use super::definitions::{Definition, FieldSet};
use super::fields::put;

/// Reads the JSON object that the wire carries. A broken one is a malformed request, which the gateway has refused already.
pub fn read(bytes: &[u8]) -> Result<Fields, error::Error> {
    if bytes.is_empty() {
        return Ok(Fields::new());
    }
    serde_json::from_slice(bytes)
        .map_err(|_| error::Error::malformed(Reason::JSON_MALFORMED, "custom must be a JSON object"))
}

/// Merges `sent` into `values` by key; `null` clears. Gives whatever is wrong.
pub fn merge(
    set: &FieldSet,
    mask: &FieldMask,
    values: &mut Fields,
    sent: &Fields,
    region: Option<Region>,
) -> Violations {
    let mut violations = Violations::default();
    for (key, value) in sent {
        let name = format!("custom.{key}");
        let Some(definition) = set.usable(key).filter(|_| !mask.hides(&name)) else {
            violations.unknown(format!("/custom/{}", escaped(key)));
            continue;
        };
        match parse(definition, value, values.get(key), region) {
            Ok(canonical) => put(values, key, canonical),
            Err(errors) => {
                let pointer = format!("/custom/{}", escaped(key));
                for error in errors {
                    violations.refuse(&pointer, error);
                }
            }
        }
    }
    if !fits(set, mask, values)
        && let Some(key) = largest(values, sent)
    {
        violations.refuse(format!("/custom/{}", escaped(key)), field_types::custom::too_large());
    }
    violations
}

/// The largest of the values sent: the one to be shortened.
fn largest<'s>(values: &Fields, sent: &'s Fields) -> Option<&'s String> {
    sent.keys().max_by_key(|key| values.get(*key).map_or(0, |value| value.to_string().len()))
}

/// What the caller does not see may make a record so many times larger than what it does.
const HIDDEN_SIZES: usize = 4;

/// Whether values are not too large, by those that the caller sees: the size of a hidden one must not be told by how long a
/// visible one may be. All together are bounded as well, far beyond what one caller can reach.
fn fits(set: &FieldSet, mask: &FieldMask, values: &Fields) -> bool {
    let is_visible = |key: &str| set.usable(key).is_some() && !mask.hides(&format!("custom.{key}"));
    let visible: Fields = values
        .iter()
        .filter(|(key, _)| is_visible(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let is_whole = visible.len() == values.len();
    field_types::custom::fits(&visible, 1) && (is_whole || field_types::custom::fits(values, HIDDEN_SIZES))
}

/// What a new record gets beside the values sent: defaults, and a violation per required field without a value. A field
/// that the caller may not write is not demanded of it, nor is its existence told.
pub fn complete(
    set: &FieldSet,
    mask: &FieldMask,
    values: &mut Fields,
    sent: &Fields,
    region: Option<Region>,
) -> Violations {
    let mut violations = Violations::default();
    for definition in set.all().iter().filter(|d| d.state == FieldState::Active && !sent.contains_key(&d.key))
    {
        let mut rules = rules(definition, None, region);
        rules.required = false;
        // A default that no longer fits its field is not the caller's mistake: the value stays unset.
        let default = definition.default.as_ref();
        let default =
            default.and_then(|value| field_types::parse(definition.field_type, value, &rules).ok().flatten());
        match default {
            Some(value) => put(values, &definition.key, value.into_json()),
            None if definition.required
                && mask.access(&format!("custom.{}", definition.key)) == Access::Edit =>
            {
                let pointer = format!("/custom/{}", escaped(&definition.key));
                violations.note(pointer, Reason::REQUIRED, "a value is required");
            }
            None => {}
        }
    }
    violations
}

fn parse(
    definition: &Definition,
    value: &Value,
    current: Option<&Value>,
    region: Option<Region>,
) -> Result<Value, Vec<field_types::FieldError>> {
    let parsed = field_types::parse(definition.field_type, value, &rules(definition, current, region))?;
    Ok(parsed.map_or(Value::Null, field_types::Canonical::into_json))
}

/// What a definition demands of a new value. Deprecated fields are left out of new forms, so they cannot be required.
fn rules<'a>(
    definition: &'a Definition,
    current: Option<&'a Value>,
    region: Option<Region>,
) -> FieldRules<'a> {
    let required = definition.required && definition.state == FieldState::Active;
    FieldRules { required, options: &definition.options, region, current }
}

/// The slot columns of a record's custom values.
pub fn slots(set: &FieldSet, values: &Fields) -> Fields {
    let mut columns = Fields::new();
    for definition in set.all() {
        let (Some(slot), Some(value)) = (definition.slot, values.get(&definition.key)) else { continue };
        let value = match field_types::slot(definition.field_type, value) {
            Some(SlotValue::Num(number)) => number.into(),
            Some(SlotValue::Text(text)) => text.into(),
            Some(SlotValue::Time(moment)) => datetime_text(moment).into(),
            Some(SlotValue::Ref(id)) => id.to_string().into(),
            None => Value::Null,
        };
        put(&mut columns, slot.name(), value);
    }
    columns
}

/// The values of unique fields: the field, and the digest of the canonical value.
pub fn uniques(set: &FieldSet, values: &Fields) -> Vec<(Uuid, Vec<u8>)> {
    let unique = set.all().iter().filter(|d| d.unique);
    unique
        .filter_map(|d| values.get(&d.key).map(|value| (d.id, Sha256::digest(value.to_string()).to_vec())))
        .collect()
}

/// The records that lookups point to, where the value is another than before: object, id, pointer.
pub(crate) fn lookups(set: &FieldSet, before: &Fields, after: &Fields) -> Vec<(String, Uuid, String)> {
    let lookups = set.all().iter().filter(|d| d.field_type == FieldType::Lookup);
    let changed = lookups.filter(|d| before.get(&d.key) != after.get(&d.key));
    changed
        .filter_map(|d| {
            let id = Uuid::try_parse(after.get(&d.key)?.as_str()?).ok()?;
            Some((d.lookup_object.clone(), id, format!("/custom/{}", escaped(&d.key))))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use serde_json::json;

    fn fields(value: Value) -> Fields {
        value.as_object().cloned().unwrap()
    }

    fn merged(values: Value, sent: Value, mask: &FieldMask) -> (Fields, Vec<(String, String)>) {
        let mut values = fields(values);
        let violations = merge(&fixture::field_set(), mask, &mut values, &fields(sent), None);
        let found = violations.into_iter().map(|v| (v.pointer, v.reason.into_owned())).collect();
        (values, found)
    }

    #[test]
    fn keys_sent_change_null_clears_and_the_others_stay() {
        let (values, found) = merged(
            json!({"tier": "gold", "seats": 5}),
            json!({"seats": null, "note": "x"}),
            &FieldMask::default(),
        );
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(Value::Object(values), json!({"tier": "gold", "note": "x"}));
    }

    #[test]
    fn a_hidden_an_archived_and_an_unknown_key_are_refused_alike() {
        let mask = FieldMask::new([("custom.seats".to_owned(), Access::None)]);
        let sent = json!({"seats": "wrong", "old": 1, "no.thing": 1});
        let violations = merge(&fixture::field_set(), &mask, &mut Fields::new(), &fields(sent), None);
        let texts: Vec<String> = violations
            .iter()
            .map(|v| format!("{v:?}").replace("seats", "K").replace("old", "K").replace("no.thing", "K"))
            .collect();
        assert_eq!(texts.len(), 3);
        assert!(texts.iter().all(|t| *t == texts[0]), "{texts:?}");
    }

    #[test]
    fn a_required_value_cannot_be_cleared_and_a_new_record_needs_it() {
        let (_, found) = merged(json!({"serial": "a"}), json!({"serial": null}), &FieldMask::default());
        assert_eq!(found, [("/custom/serial".to_owned(), "REQUIRED".to_owned())]);
        let mut values = Fields::new();
        let set = fixture::field_set();
        let violations = complete(&set, &FieldMask::default(), &mut values, &Fields::new(), None);
        assert_eq!(Value::Object(values), json!({"tier": "silver"}));
        let pointers: Vec<_> = violations.iter().map(|v| v.pointer.as_str()).collect();
        assert_eq!(pointers, ["/custom/serial"]);
        // Who may not write it is not told of it.
        let mask = FieldMask::new([("custom.serial".to_owned(), Access::None)]);
        let violations = complete(&set, &mask, &mut Fields::new(), &Fields::new(), None);
        assert!(violations.is_empty());
    }

    #[test]
    fn slots_and_uniques_follow_the_definitions() {
        let values = fields(json!({"tier": "gold", "seats": 5, "serial": "S-1", "note": "x"}));
        let set = fixture::field_set();
        assert_eq!(Value::Object(slots(&set, &values)), json!({"txt_01": "gold", "num_01": 5.0}));
        assert_eq!(uniques(&set, &values).len(), 1);
        assert_ne!(uniques(&set, &values), uniques(&set, &fields(json!({"serial": "S-2"}))));
    }
}
