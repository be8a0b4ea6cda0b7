//! What a row sends, joined with what the record that it changes holds: lists are added to, and never replaced.

use error::Reason;
use input::Violations;
use record::{Fields, Record};
use serde_json::Value;

use super::importable::{Importable, List};
use super::row::ReadRow;

/// The fields of a row as they will stand in the record. `found_by` is the value by which the row found it: it says who is meant, and
/// changes nothing.
pub(super) fn merged(
    importable: &Importable,
    before: &Record,
    row: &ReadRow,
    found_by: Option<&str>,
    violations: &mut Violations,
) -> Fields {
    let mut fields = row.fields.clone();
    for (name, sent) in &mut fields {
        let Some(stored) = before.fields.get(name) else { continue };
        let join = importable.joins.iter().find(|join| join.field == name);
        let joined = match importable.list(name) {
            Some(list) => {
                let names_primary = row.primaries.contains(&list.field);
                entries(list, stored, sent, Primary { names_primary, found_by })
            }
            None if name == "external_ids" => members(stored, sent),
            None if importable.texts.iter().any(|texts| texts.field == name) => texts(stored, sent),
            None => match join {
                Some(join) => (join.join)(stored, sent),
                None => continue,
            },
        };
        *sent = joined;
    }
    check_most(importable, &fields, violations);
    fields
}

/// The custom values of a row as they will stand in the record: lists of options are added to as well.
pub(super) fn merged_custom(before: &Record, row: &ReadRow) -> Fields {
    let mut custom = row.custom.clone();
    for (key, sent) in &mut custom {
        if let Some(stored) = before.custom.get(key).filter(|stored| stored.is_array() && sent.is_array()) {
            *sent = texts(stored, sent);
        }
    }
    custom
}

/// Refuses lists that would hold too many.
pub(super) fn check_most(importable: &Importable, fields: &Fields, violations: &mut Violations) {
    for (name, value) in fields {
        let held = value.as_array().map(Vec::len).or_else(|| value.as_object().map(serde_json::Map::len));
        let Some(most) = importable.most(name).filter(|most| held.is_some_and(|held| held > *most)) else {
            continue;
        };
        let text = format!("at most {most} are possible, with those that are there");
        violations.note(format!("/{name}"), Reason::TOO_MANY_ITEMS, text);
    }
}

/// Who becomes the primary entry.
#[derive(Clone, Copy)]
struct Primary<'a> {
    /// Whether a column of the row says so.
    names_primary: bool,
    found_by: Option<&'a str>,
}

/// The stored entries with those of a row. One that is there stays with its kind, unless the row names another, and becomes the primary
/// one if it is the row's first; one that is new becomes so only if the row says it.
fn entries(list: &List, stored: &Value, sent: &Value, primary: Primary<'_>) -> Value {
    let mut kept: Vec<Value> = stored.as_array().cloned().unwrap_or_default();
    let mut chosen = None;
    for entry in sent.as_array().into_iter().flatten() {
        let wants = entry["is_primary"] == true;
        if let Some(at) = kept.iter().position(|known| is_same(list, known, entry)) {
            if !entry["kind"].is_null() {
                kept[at]["kind"] = entry["kind"].clone();
            }
            let found = list.same.and_then(|part| entry[part].as_str());
            if wants && (primary.names_primary || found != primary.found_by || found.is_none()) {
                chosen = Some(at);
            }
        } else {
            let mut new = entry.clone();
            if list.same.is_some() {
                new["is_primary"] = false.into();
            }
            if wants && primary.names_primary {
                chosen = Some(kept.len());
            }
            kept.push(new);
        }
    }
    if let Some(chosen) = chosen.filter(|_| list.same.is_some()) {
        for (at, entry) in kept.iter_mut().enumerate() {
            entry["is_primary"] = (at == chosen).into();
        }
    }
    kept.into()
}

/// Whether a stored entry is the one that a row means: by its number or address, else by everything that the row says of it.
fn is_same(list: &List, stored: &Value, sent: &Value) -> bool {
    if let Some(part) = list.same {
        return stored[part] == sent[part];
    }
    let said = sent.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    said.into_iter().all(|(part, value)| stored[part.as_str()] == *value)
}

/// The stored texts, and those of a row that are not among them.
fn texts(stored: &Value, sent: &Value) -> Value {
    let mut kept: Vec<Value> = stored.as_array().cloned().unwrap_or_default();
    for text in sent.as_array().into_iter().flatten() {
        if !kept.contains(text) {
            kept.push(text.clone());
        }
    }
    kept.into()
}

/// The stored members, with those of a row in place of theirs.
fn members(stored: &Value, sent: &Value) -> Value {
    let mut kept = stored.clone();
    input::merge(&mut kept, sent.clone());
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::importable::{ADDRESSES, PHONES};

    const QUIET: Primary<'_> = Primary { names_primary: false, found_by: None };

    fn phone(number: &str, kind: Option<&str>, is_primary: bool) -> Value {
        json!({"number": number, "kind": kind, "is_primary": is_primary})
    }

    #[test]
    fn a_number_is_added_or_becomes_primary_and_the_others_stay_with_their_kinds() {
        let stored = json!([phone("+1", Some("work"), true), phone("+2", Some("mobile"), false)]);
        let new = entries(&PHONES, &stored, &json!([phone("+3", None, true)]), QUIET);
        let all =
            [phone("+1", Some("work"), true), phone("+2", Some("mobile"), false), phone("+3", None, false)];
        assert_eq!(new, json!(all));
        let known = entries(&PHONES, &stored, &json!([phone("+2", None, true)]), QUIET);
        assert_eq!(known, json!([phone("+1", Some("work"), false), phone("+2", Some("mobile"), true)]));
        let second =
            entries(&PHONES, &stored, &json!([phone("+3", None, true), phone("+2", None, false)]), QUIET);
        assert_eq!(second, json!(all));
        let kind = entries(&PHONES, &stored, &json!([phone("+1", Some("home"), true)]), QUIET);
        assert_eq!(kind, json!([phone("+1", Some("home"), true), phone("+2", Some("mobile"), false)]));
    }

    #[test]
    fn a_row_that_says_which_is_primary_is_followed_and_what_found_the_record_changes_nothing() {
        let stored = json!([phone("+1", None, true), phone("+2", None, false)]);
        let says = Primary { names_primary: true, found_by: None };
        let new = entries(&PHONES, &stored, &json!([phone("+3", None, true)]), says);
        assert_eq!(new, json!([phone("+1", None, false), phone("+2", None, false), phone("+3", None, true)]));
        let found = Primary { names_primary: false, found_by: Some("+2") };
        assert_eq!(entries(&PHONES, &stored, &json!([phone("+2", None, true)]), found), stored);
    }

    #[test]
    fn an_address_is_there_if_all_that_the_row_says_of_it_is() {
        let stored = json!([{"street": "Ring 1", "city": "Wien", "country": "AT", "kind": "work"}]);
        let same = json!([{"city": "Wien", "country": "AT", "kind": null}]);
        assert_eq!(entries(&ADDRESSES, &stored, &same, QUIET), stored);
        let other = json!([{"street": "Ring 1", "city": "Graz", "kind": null}]);
        let both = json!([stored[0], other[0]]);
        assert_eq!(entries(&ADDRESSES, &stored, &other, QUIET), both);
    }

    #[test]
    fn texts_and_ids_are_joined() {
        assert_eq!(texts(&json!(["a", "b"]), &json!(["c", "a"])), json!(["a", "b", "c"]));
        assert_eq!(
            members(&json!({"erp": "1", "crm": "2"}), &json!({"crm": "3", "shop": "4"})),
            json!({"erp": "1", "crm": "3", "shop": "4"})
        );
    }
}
